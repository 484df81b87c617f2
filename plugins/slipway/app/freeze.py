"""Fixing the cut: what a reconciliation looks at, waited for until the lake has all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from slipway.app.balance import count_records, files_of, snapshots_of
from slipway.domain.accounting import Counted
from slipway.domain.closing import reach
from slipway.domain.contract import Migration
from slipway.domain.evidence import Cut
from slipway.domain.periods import Period
from slipway.domain.window import spoken
from slipway.errors import Permanent, SlipwayError
from slipway.ports import BatchRun, LakeFiles, World

LOOK_AGAIN_SECONDS = 1.0
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Target:
    """The cut as it was aimed at. offsets: next offset to read, by partition; as_of: UTC."""

    as_of: datetime
    offsets: Mapping[int, int]
    revision: int

    def to_json(self) -> dict[str, Any]:
        """Return the target as plain values, to be handed from task to task."""
        return {
            "as_of": self.as_of.isoformat(),
            "offsets": {str(partition): offset for partition, offset in self.offsets.items()},
            "revision": self.revision,
        }

    @staticmethod
    def from_json(given: Mapping[str, Any]) -> Target:
        """Read what to_json wrote."""
        return Target(
            as_of=datetime.fromisoformat(str(given["as_of"])).astimezone(UTC),
            offsets={int(partition): int(offset) for partition, offset in given["offsets"].items()},
            revision=int(given["revision"]),
        )


@dataclass(frozen=True, slots=True)
class Missing:
    """Records below the cut that are not where they must be. absent: not in bronze, by partition."""

    absent: Mapping[int, int]
    unaccounted: int

    @property
    def nothing(self) -> bool:
        """True when the cut can be taken."""
        return not self.absent and not self.unaccounted

    def __str__(self) -> str:
        parts = [
            f"{records} of partition {partition} are not in bronze"
            for partition, records in sorted(self.absent.items())
        ]
        if self.unaccounted:
            parts.append(f"{self.unaccounted} of bronze are in neither silver, late, rejected nor duplicates")
        return "records: " + ", ".join(parts) if parts else "nothing"


@dataclass(frozen=True, slots=True)
class Frozen:
    """A cut and what was counted at it.

    incomplete: what was still missing when the patience was over; batch: what is wrong with the baseline;
    both empty when all is well. closed_through: last business day to judge; first: first day to compare;
    last: the last one shown. period: of a close run; still_open: why it can't be closed yet, in words.
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


def aim(migration: Migration, as_of: datetime, world: World) -> Target:
    """Read the topic's end offsets and hurry the jobs.

    Permanent when as_of lies in the future, or no revision was deployed.
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
    bounds = world.topics.bounds(migration.contract.events.topic)
    target = Target(instant, {partition: end for partition, (_, end) in bounds.items()}, standing.revision)
    _hurry(migration, target.revision, world)
    return target


def missing(migration: Migration, target: Target, world: World) -> Missing:
    """Look once at what the lake lacks below the target, and ask the jobs for a checkpoint when it does."""
    found = _missing(count_records(migration, target.revision, target.offsets, world))
    if not found.nothing:
        _hurry(migration, target.revision, world)
    return found


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
    while True:
        snapshots = snapshots_of(migration, target.revision, world)
        bounds = world.topics.bounds(migration.contract.events.topic)
        files = files_of(migration, target.revision, snapshots, world)
        earliest = {partition: first for partition, (first, _) in bounds.items()}
        counted = world.comparison.count(migration, files, target.offsets, earliest)
        lacking = _missing(counted)
        if lacking.nothing or world.clock.now() >= deadline:
            break
        _hurry(migration, target.revision, world)
        wait(LOOK_AGAIN_SECONDS)
    return _take(migration, target, snapshots, counted, lacking, world, period)


def _take(
    migration: Migration,
    target: Target,
    snapshots: Mapping[str, int],
    counted: Counted,
    lacking: Missing,
    world: World,
    period: Period | None,
) -> Frozen:
    run = world.facts.batch_run(migration.name)
    progress = _progress(migration, target, counted, world)
    batch_through = min(run.loaded_through, target.as_of) if run and run.ok else _BEGINNING
    seen_through = migration.closed_through(progress)
    closed_through = migration.closed_through(min(progress, batch_through))
    parity = migration.contract.parity
    newest = closed_through or parity.from_day
    first = max(parity.from_day, newest - timedelta(days=parity.reconcile_back.days - 1))
    last = migration.business_day(target.as_of)
    batch = _wrong_with(run, seen_through, closed_through)
    still_open = ""
    if period is not None:
        # Days after the period may lag behind as they like.
        batch = _wrong_with(run, None, None)
        still_open = _still_open(period, seen_through, closed_through)
        first, last = period.first, period.last
        closed_through = None if still_open else period.last
    opened = reach(migration, first)
    days = [opened + timedelta(days=n) for n in range((last - opened).days + 1)]
    return Frozen(
        cut=Cut(
            as_of=target.as_of,
            offsets=target.offsets,
            snapshots=snapshots,
            progress=progress,
            batch_through=batch_through,
            dbt_run=run.run_id if run else "",
            revision=target.revision,
            contract_digest=migration.contract_digest,
            amendments=tuple(world.facts.amendments(migration.name, target.revision)),
        ),
        counted=counted,
        files=files_of(migration, target.revision, snapshots, world, days),
        incomplete="" if lacking.nothing else str(lacking),
        batch=batch,
        first=first,
        closed_through=closed_through,
        last=last,
        period=period,
        still_open=still_open,
    )


def _wrong_with(run: BatchRun | None, seen: date | None, closed: date | None) -> str:
    if run is None:
        return "the baseline was never built"
    if not run.ok:
        return "the newest baseline failed or is still being built, so its tables may be half done"
    if seen != closed:
        return (
            f"it has loaded arrivals until {run.loaded_through.isoformat()} only, while the stream has closed"
            f" {seen}; a day stays open until both have"
        )
    return ""


def _still_open(period: Period, seen: date | None, closed: date | None) -> str:
    """Return which day of a period has not closed on both sides, and on which; empty when all have."""
    if closed is not None and closed >= period.last:
        return ""
    day = period.first if closed is None else max(period.first, closed + timedelta(days=1))
    if seen is not None and seen >= day:
        return f"{spoken(day)} is still open on the batch side, which has not loaded all of it"
    return f"{spoken(day)} is still open: late records of it are still accepted, or were not read yet"


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


def _missing(counted: Counted) -> Missing:
    return Missing(counted.absent, counted.unaccounted)


def _hurry(migration: Migration, revision: int, world: World) -> None:
    """Ask the running jobs for a checkpoint, with which they commit; the next one comes anyway."""
    jobs: dict[str, str] = {}
    for attempt in world.ledger.attempts(migration.name):
        if attempt.revision in (0, revision):
            jobs.setdefault(attempt.kind, attempt.job_id)
    for job_id in jobs.values():
        try:
            world.engine.checkpoint(job_id)
        except SlipwayError:
            # A job that can't be hurried shows in what stays missing, and there with a verdict.
            continue
