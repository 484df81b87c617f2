"""Where every record of a topic went: the account that must always close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from slipway.domain import names
from slipway.domain.accounting import Counted
from slipway.domain.contract import Migration
from slipway.domain.gaps import Gap, Gaps, Held, Run, Settled, Settling
from slipway.ports import LakeFiles, World


@dataclass(frozen=True, slots=True)
class Look:
    """Bronze held against the ends of a cut. snapshots: of all tables; earliest: where the account begins."""

    snapshots: Mapping[str, int]
    earliest: Mapping[int, int]
    gaps: Gaps


def look(
    migration: Migration,
    offsets: Mapping[int, int],
    snapshots: Mapping[str, int],
    known: Mapping[int, Settled],
    world: World,
) -> Look:
    """See what bronze lacks below the end offsets, and why; no other table is read.

    snapshots: by table; known: gaps that were explained before, by partition.
    """
    bounds = world.topics.bounds(migration.contract.events.topic)
    firsts = {partition: bounds[partition][0] for partition in offsets if partition in bounds}
    # What was read or explained before counts, though the topic has it no more.
    earliest = {
        partition: min(first, offsets[partition], known[partition].below if partition in known else first)
        for partition, first in firsts.items()
    }
    table = names.bronze(migration.name)
    bronze = world.lake.data_files(table, snapshots[table]) if table in snapshots else ()
    return Look(snapshots, earliest, _explained(migration, bronze, offsets, earliest, firsts, known, world))


def account(
    migration: Migration, revision: int, offsets: Mapping[int, int], seen: Look, world: World
) -> Counted:
    """Count the records below the end offsets in every table, at the snapshots of a look.

    Offsets that hold no record, or that the topic's retention removed, count as neither produced nor absent.
    """
    files = files_of(migration, revision, seen.snapshots, world)
    counted = world.comparison.count(migration, files, offsets, seen.earliest)
    settled = sum(counted.absent.values()) - sum(seen.gaps.absent.values())
    balance = replace(counted.balance, produced=counted.balance.produced - settled)
    return replace(counted, balance=balance, absent=seen.gaps.absent)


def count_records(migration: Migration, revision: int, offsets: Mapping[int, int], world: World) -> Counted:
    """Count the records below the end offsets in every table of the lake, as the tables are now."""
    seen = look(migration, offsets, snapshots_of(migration, revision, world), {}, world)
    return account(migration, revision, offsets, seen, world)


def absent_of_bronze(migration: Migration, offsets: Mapping[int, int], world: World) -> int:
    """Return how many records below the end offsets bronze lacks; it need not have been written yet."""
    table = names.bronze(migration.name)
    snapshot = world.lake.snapshot(table)
    seen = look(migration, offsets, {} if snapshot is None else {table: snapshot}, {}, world)
    return sum(seen.gaps.absent.values())


def known_gaps(migration: Migration, topic_id: str, world: World) -> Mapping[int, Settled]:
    """Return the gaps that the newest complete night on this very topic has explained.

    Once the topic's retention has removed a marker, nobody could prove any more that it was one.
    """
    for night in world.ledger.reconciliations(migration.name):
        document = world.ledger.evidence(night.digest)
        cut = document["cut"] if document and "cut" in document else {}
        if topic_id and cut.get("topic_id") == topic_id and not cut["missing"]:
            return {
                int(partition): Settled(
                    offset, _run(cut["gaps"], int(partition)), _run(cut["expired"], int(partition))
                )
                for partition, offset in cut["offsets"].items()
            }
    return {}


def _run(listed: Sequence[Mapping[str, Any]], partition: int) -> Run | None:
    for run in listed:
        if run["partition"] == partition:
            before = datetime.fromisoformat(run["before"]) if run.get("before") else None
            return Run(partition, run["first"], run["through"], run["offsets"], before)
    return None


def _explained(
    migration: Migration,
    bronze: Sequence[str],
    offsets: Mapping[int, int],
    earliest: Mapping[int, int],
    firsts: Mapping[int, int],
    known: Mapping[int, Settled],
    world: World,
) -> Gaps:
    def held(settled: Mapping[int, int]) -> Held:
        return world.comparison.held(migration, bronze, offsets, earliest, settled)

    known = {p: one for p, one in known.items() if one.below <= offsets.get(p, -1)}
    below = {partition: one.below for partition, one in known.items()}
    found = held(below)
    # Bronze may have lost rows since: then nothing that was known of the partition counts.
    agreed = {p: one for p, one in known.items() if one.agrees(found.base[p], found.settled[p])}
    if len(agreed) < len(known):
        known, below = agreed, {partition: one.below for partition, one in agreed.items()}
        found = held(below)
    settling = Settling(known)
    while True:
        _sort(migration, found.gaps, offsets, firsts, settling, world)
        if not found.more:
            return settling.result()
        last = found.gaps[-1]
        below.update({partition: end for partition, end in offsets.items() if partition < last.partition})
        below[last.partition] = last.through + 1
        found = held(below)


def _sort(
    migration: Migration,
    gaps: Sequence[Gap],
    offsets: Mapping[int, int],
    firsts: Mapping[int, int],
    settling: Settling,
    world: World,
) -> None:
    """Put gaps under their heads. firsts: first offset that the topic still has, by partition."""
    there = {gap: _still_there(gap, firsts) for gap in gaps}
    asked = [rest for rest in there.values() if rest]
    empty = set(world.topics.proven_empty(migration.contract.events.topic, asked))
    for gap in gaps:
        rest = there[gap]
        if rest and rest not in empty and gap.through + 1 == offsets[gap.partition]:
            # What the job reads there comes with the commit that also shows what it had read before.
            settling.add(gap)
            continue
        if rest is None or rest.first > gap.first:
            gone = Gap(gap.partition, gap.first, rest.first - 1 if rest else gap.through)
            settling.add(gone, expired=True)
        if rest:
            settling.add(rest, empty=rest in empty)


def _still_there(gap: Gap, firsts: Mapping[int, int]) -> Gap | None:
    first = max(gap.first, firsts.get(gap.partition, 0))
    return Gap(gap.partition, first, gap.through) if first <= gap.through else None


def lake_tables(migration: Migration, revision: int) -> Mapping[str, str]:
    """Return the names of the tables that hold a migration's records, by layer."""
    return {
        "bronze": names.bronze(migration.name),
        "silver": names.silver(migration.name, revision),
        "late": names.late(migration.name, revision),
        "rejected": names.rejected(migration.name, revision),
    }


def snapshots_of(migration: Migration, revision: int, world: World) -> Mapping[str, int]:
    """Return the newest snapshot of each table; a table without one is absent.

    Bronze comes last: a record that a table took just now must not be one that bronze seems to lack.
    """
    found = {}
    for layer in ("silver", "late", "rejected", "bronze"):
        table = lake_tables(migration, revision)[layer]
        snapshot = world.lake.snapshot(table)
        if snapshot is not None:
            found[table] = snapshot
    return found


def files_of(
    migration: Migration,
    revision: int,
    snapshots: Mapping[str, int],
    world: World,
    days: Sequence[date] = (),
) -> LakeFiles:
    """Return the Parquet files of the snapshots; days: those for which silver is needed by itself."""

    def files(layer: str, of: Sequence[date] | None = None) -> Sequence[str]:
        table = lake_tables(migration, revision)[layer]
        return world.lake.data_files(table, snapshots[table], of) if table in snapshots else ()

    return LakeFiles(
        bronze=files("bronze"),
        silver=files("silver"),
        silver_of_days=files("silver", days) if days else (),
        late=files("late"),
        rejected=files("rejected"),
    )
