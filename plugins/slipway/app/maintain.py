"""Maintenance of a migration's lake tables: fewer files, fewer snapshots, no orphans, the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.kept_evidence import Told, superfluous_tags
from slipway.faults import fail_at
from slipway.ports import Actor, Maintained, World

SNAPSHOTS_KEPT = timedelta(days=5)
"""Untagged snapshots older than this expire; what evidence counts on is tagged."""

ORPHANS_KEPT = timedelta(days=1)
"""A file that nothing names may belong to a writer at work while it is younger than this."""

_NOTHING_CLOSED = date.min
_ALL = 100_000


def maintain(
    migration: Migration, world: World, by: Actor, snapshots_kept: timedelta = SNAPSHOTS_KEPT
) -> tuple[Maintained, ...]:
    """Compact closed days, expire snapshots and remove orphans of every table; record each in the ledger.

    Tags of evidence that counts no more are removed first, so that its snapshots can expire.

    A day is closed when the newest reconciliation says so; before the first one nothing is compacted.
    Retryable when somebody else holds the migration, or when other commits win every race. A second run after
    a crash does what was left, and records a table that was done already with nothing changed.
    """
    now = world.clock.now()
    done = []
    with world.ledger.lock(migration.name):
        before = _first_open_day(migration, world)
        superfluous = _superfluous_tags(migration, world, now)
        for table in _tables(migration, world):
            fail_at("maintain.before_table")
            world.lake.untag(table, superfluous & world.lake.tags(table).keys())
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


def _superfluous_tags(migration: Migration, world: World, now: datetime) -> frozenset[str]:
    """Return the tags of evidence that nobody needs to fold again; its kept rows stay for good."""
    ledger, name, gates = world.ledger, migration.name, migration.contract.gates
    named = [
        *(word.evidence for word in ledger.sign_offs(name)),
        *(row.evidence for row in ledger.switches(name) if row.evidence),
        *(asked["evidence"] for asked in ledger.cutover_requests(name, limit=_ALL) if asked["evidence"]),
    ]
    nights = [Told(night.digest, night.at) for night in ledger.reconciliations(name, limit=_ALL)]
    observed = timedelta(days=gates.observe.closed_days)
    return superfluous_tags(nights, named, gates.evidence_valid, observed, now)


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
