"""Maintenance of a migration's lake tables: fewer files, fewer snapshots, no orphans, the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.faults import fail_at
from slipway.ports import Actor, Maintained, World

SNAPSHOTS_KEPT = timedelta(days=5)
"""Untagged snapshots older than this expire; what evidence counts on is tagged."""

ORPHANS_KEPT = timedelta(days=1)
"""A file that nothing names may belong to a writer at work while it is younger than this."""

_NOTHING_CLOSED = date.min


def maintain(
    migration: Migration, world: World, by: Actor, snapshots_kept: timedelta = SNAPSHOTS_KEPT
) -> tuple[Maintained, ...]:
    """Compact closed days, expire snapshots and remove orphans of every table; record each in the ledger.

    A day is closed when the newest reconciliation says so; before the first one nothing is compacted.
    Retryable when somebody else holds the migration, or when other commits win every race. A second run after
    a crash does what was left, and records a table that was done already with nothing changed.
    """
    now = world.clock.now()
    done = []
    with world.ledger.lock(migration.name):
        before = _first_open_day(migration, world)
        for table in _tables(migration, world):
            fail_at("maintain.before_table")
            result = world.lake.maintain(table, before, now - snapshots_kept, now - ORPHANS_KEPT)
            world.ledger.record_maintenance(migration.name, result, by)
            done.append(result)
    return tuple(done)


def table(done: Sequence[Maintained]) -> str:
    """Return what was done as lines for a person; bytes in KiB."""
    header = ("table", "files", "KiB", "rows", "rows the same", "snapshots expired", "orphans removed")
    lines = [header, *(_line(one) for one in done)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _line(one: Maintained) -> tuple[str, ...]:
    same = one.content_hash_before == one.content_hash_after and one.rows_before == one.rows_after
    return (
        one.table,
        f"{one.files_before} -> {one.files_after}",
        f"{one.bytes_before // 1024} -> {one.bytes_after // 1024}",
        f"{one.rows_before} -> {one.rows_after}",
        "yes" if same else "NO",
        str(one.snapshots_expired),
        str(one.orphans_removed),
    )


def _first_open_day(migration: Migration, world: World) -> date:
    for newest in world.ledger.reconciliations(migration.name, limit=1):
        if newest.closed_through is not None:
            return newest.closed_through + timedelta(days=1)
    return _NOTHING_CLOSED


def _tables(migration: Migration, world: World) -> Iterator[str]:
    wanted = [names.bronze(migration.name)]
    for revision in sorted(world.ledger.revisions(migration.name)):
        wanted += [
            names.silver(migration.name, revision),
            names.late(migration.name, revision),
            names.rejected(migration.name, revision),
        ]
    # A revision that was given up keeps its row in the ledger after its tables are dropped.
    return (name for name in wanted if world.lake.exists(name))
