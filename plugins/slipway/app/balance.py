"""Where every record of a topic went: the account that must always close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from slipway.domain import names
from slipway.domain.accounting import Counted
from slipway.domain.contract import Migration
from slipway.ports import LakeFiles, World


def count_records(migration: Migration, revision: int, offsets: Mapping[int, int], world: World) -> Counted:
    """Count the records below the end offsets in every table of the lake, as the tables are now."""
    earliest = {
        partition: first
        for partition, (first, _) in world.topics.bounds(migration.contract.events.topic).items()
    }
    files = files_of(migration, revision, snapshots_of(migration, revision, world), world)
    return world.comparison.count(migration, files, offsets, earliest)


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
