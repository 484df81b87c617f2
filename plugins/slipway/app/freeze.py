"""Fixing the cut: what a reconciliation looks at, waited for until the lake has all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from slipway.app.balance import files_of
from slipway.app.batch_state import wrong_with
from slipway.app.same_topic import newest_of_bronze, refuse_lost_offsets, same_topic
from slipway.app.watch import Missing, Watch, hurry
from slipway.domain.accounting import Counted
from slipway.domain.closing import reach
from slipway.domain.contract import Migration
from slipway.domain.evidence import Cut, Digest
from slipway.domain.gaps import Run, told
from slipway.domain.periods import Period
from slipway.domain.window import spoken
from slipway.errors import Permanent
from slipway.ports import LakeFiles, World

LOOK_AGAIN_SECONDS = 1.0
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING_LOADED = _BEGINNING
"""What a cut says that the batch side has loaded while it has no finished baseline."""


@dataclass(frozen=True, slots=True)
class Target:
    """The cut as it was aimed at. offsets: next offset to read, by partition; as_of: UTC.

    contract_digest: of the contract by which it was aimed; topic_id: Kafka's id of the topic.
    """

    as_of: datetime
    offsets: Mapping[int, int]
    revision: int
    contract_digest: Digest
    topic_id: str

    def to_json(self) -> dict[str, Any]:
        """Return the target as plain values, to be handed from task to task."""
        return {
            "as_of": self.as_of.isoformat(),
            "offsets": {str(partition): offset for partition, offset in self.offsets.items()},
            "revision": self.revision,
            "contract_digest": self.contract_digest,
            "topic_id": self.topic_id,
        }

    @staticmethod
    def from_json(given: Mapping[str, Any]) -> Target:
        """Read what to_json wrote."""
        return Target(
            as_of=datetime.fromisoformat(str(given["as_of"])).astimezone(UTC),
            offsets={int(partition): int(offset) for partition, offset in given["offsets"].items()},
            revision=int(given["revision"]),
            contract_digest=Digest(str(given["contract_digest"])),
            topic_id=str(given["topic_id"]),
        )


@dataclass(frozen=True, slots=True)
class Frozen:
    """A cut and what was counted at it.

    incomplete: what was still missing when the patience was over; batch: what is wrong with the baseline;
    both empty when all is well. closed_through: last business day to judge; first: first day to compare;
    last: the last one shown. period: of a close run; still_open: why it can't be closed yet, in words.
    changed: what became another contract or revision since the cut was aimed at; expired: which records the
    topic had removed before bronze read them, that may belong to a compared row; both in words, and empty
    when all is well.
    """

    cut: Cut
    counted: Counted
    files: LakeFiles
    incomplete: str
    batch: str
    first: date
    closed_through: date | None
    last: date
    period: Period | None = None
    still_open: str = ""
    changed: str = ""
    expired: str = ""


def aim(migration: Migration, as_of: datetime, world: World) -> Target:
    """Read the topic's end offsets and hurry the jobs.

    Permanent when as_of lies in the future, when no revision was deployed, and when the topic is not the one
    that bronze has read, or one that loses records by itself.
    """
    instant = as_of.astimezone(UTC)
    standing = world.ledger.standing(migration.name)
    if standing is None or standing.revision is None:
        raise Permanent(
            f"{migration.name} has no deployed revision to reconcile; trigger {migration.name}.deploy first"
        )
    newest, clock = _newest_instant(migration, world)
    if instant > newest:
        raise Permanent(
            f"as_of {instant.isoformat()} lies in the future: {clock} is at {newest.isoformat()};"
            " give an instant that is not later"
        )
    topic_id = same_topic(migration, standing.topic_id, world)
    newest_held = newest_of_bronze(migration, world)
    ends = {
        partition: end for partition, (_, end) in world.topics.bounds(migration.contract.events.topic).items()
    }
    refuse_lost_offsets(migration, newest_held, ends)
    hurry(migration, standing.revision, world)
    return Target(instant, ends, standing.revision, migration.contract_digest, topic_id)


def watch(migration: Migration, target: Target, world: World) -> Watch:
    """Return what looks whether the lake has everything below the target; Permanent for another topic."""
    same_topic(migration, target.topic_id, world)
    return Watch(migration, target.revision, target.offsets, target.topic_id, world)


def missing(migration: Migration, target: Target, world: World) -> Missing:
    """Look once at what the lake lacks below the target, and ask the jobs for a checkpoint when it does."""
    return watch(migration, target, world).look()


def freeze(
    migration: Migration,
    target: Target,
    world: World,
    patience: timedelta,
    wait: Callable[[float], None] = time.sleep,
    period: Period | None = None,
) -> Frozen:
    """Take the cut, waiting for the lake as long as the patience lasts.

    A cut that stays incomplete is returned as such: the night is then INCONCLUSIVE, whatever it shows.
    period: compare its days, all of them or none, in place of those that a night looks back on.
    """
    deadline = world.clock.now() + patience
    watching = watch(migration, target, world)
    while not watching.look().nothing and world.clock.now() < deadline:
        wait(LOOK_AGAIN_SECONDS)
    same_topic(migration, target.topic_id, world)
    return _take(migration, target, watching, world, period)


def changed(migration: Migration, target: Target, world: World) -> str:
    """Return, in words, what has changed since the cut was aimed at; empty when nothing has.

    migration: as its file is now.
    """
    found = []
    if migration.contract_digest != target.contract_digest:
        found.append(
            f"the contract was {target.contract_digest[:12]} when the cut was aimed at and is"
            f" {migration.contract_digest[:12]} now"
        )
    standing = world.ledger.standing(migration.name)
    revision = standing.revision if standing else None
    if revision != target.revision:
        found.append(
            f"revision {target.revision} was current when the cut was aimed at and {revision} is now"
        )
    return "; ".join(found)


def _take(
    migration: Migration,
    target: Target,
    watching: Watch,
    world: World,
    period: Period | None,
) -> Frozen:
    seen, counted = watching.seen(), watching.counted()
    lacking = Missing(counted.absent, counted.unaccounted)
    run = world.facts.batch_run(migration.name)
    progress = _progress(migration, target, counted, world)
    batch_through = min(run.loaded_through, target.as_of) if run and run.ok else NOTHING_LOADED
    seen_through = migration.closed_through(progress)
    closed_through = migration.closed_through(min(progress, batch_through))
    parity = migration.contract.parity
    newest = closed_through or parity.from_day
    first = max(parity.from_day, newest - timedelta(days=parity.reconcile_back.days - 1))
    last = migration.business_day(target.as_of)
    batch = wrong_with(run, target.as_of, seen_through, closed_through)
    still_open = ""
    if period is not None:
        # Days after the period may lag behind as they like.
        batch = wrong_with(run, target.as_of, None, None)
        still_open = _still_open(period, seen_through, closed_through)
        first, last = period.first, period.last
        closed_through = None if still_open else period.last
    opened = reach(migration, first)
    days = [opened + timedelta(days=n) for n in range((last - opened).days + 1)]
    # Whatever was lost below this cut had arrived before it; later nights take that over.
    newest_arrival = max([target.as_of, *counted.last_arrival.values()])
    expired = tuple(
        replace(run, before=newest_arrival) if run.before is None else run for run in seen.gaps.expired
    )
    return Frozen(
        cut=Cut(
            as_of=target.as_of,
            offsets=target.offsets,
            snapshots=seen.snapshots,
            progress=progress,
            batch_through=batch_through,
            dbt_run=run.run_id if run else "",
            revision=target.revision,
            contract_digest=migration.contract_digest,
            amendments=tuple(world.facts.amendments(migration.name, target.revision)),
            topic_id=target.topic_id,
            gaps=seen.gaps.empty,
            expired=expired,
        ),
        counted=counted,
        files=files_of(migration, target.revision, seen.snapshots, world, days),
        incomplete="" if lacking.nothing else str(lacking),
        batch=batch,
        first=first,
        closed_through=closed_through,
        last=last,
        period=period,
        still_open=still_open,
        changed=changed(migration, target, world),
        expired=told([run for run in expired if _may_count(migration, run, opened)]),
    )


def _still_open(period: Period, seen: date | None, closed: date | None) -> str:
    """Return which day of a period has not closed on both sides, and on which; empty when all have."""
    if closed is not None and closed >= period.last:
        return ""
    day = period.first if closed is None else max(period.first, closed + timedelta(days=1))
    if seen is not None and seen >= day:
        return f"{spoken(day)} is still open on the batch side, which has not loaded all of it"
    return f"{spoken(day)} is still open: late records of it are still accepted, or were not read yet"


def _may_count(migration: Migration, lost: Run, opened: date) -> bool:
    """Say whether a lost record may belong to a compared row; opened: the first day of the earliest one."""
    if lost.before is None:
        return True
    return migration.business_day(lost.before + migration.contract.events.ahead_at_most) >= opened


def _progress(migration: Migration, target: Target, counted: Counted, world: World) -> datetime:
    """Return the arrival time up to which all partitions were read; one read to its end counts as as_of."""
    reached = [
        counted.last_arrival.get(partition, _BEGINNING) if partition in counted.absent else target.as_of
        for partition in target.offsets
    ]
    if migration.contract.events.arrival == "producer":
        reached.append(world.facts.replayed_through(migration.contract.events.topic) or _BEGINNING)
    return min([target.as_of, *reached])


def _newest_instant(migration: Migration, world: World) -> tuple[datetime, str]:
    if migration.contract.events.arrival == "broker":
        return world.clock.now(), "the clock"
    run = world.facts.batch_run(migration.name)
    if run is None:
        raise Permanent(
            f"{migration.name} replays history, so its time is the newest baseline's, but none was built;"
            f" trigger {migration.name}.baseline first"
        )
    return run.as_of, "the newest baseline"
