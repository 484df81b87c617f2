"""Gives readers the batch side back: one transaction in the warehouse, which needs nothing else to work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipway.domain.contract import Migration
from slipway.domain.states import State
from slipway.domain.transitions import EDGES
from slipway.errors import Permanent, SlipwayError
from slipway.faults import fail_at
from slipway.ports import Actor, EpochMoved, ReaderChange, Route, RouteChange, Source, SwitchRow, World


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback did. changes: what readers see change; trouble: what failed afterwards."""

    migration: str
    rows: tuple[SwitchRow, ...]
    changes: tuple[ReaderChange, ...]
    trouble: tuple[str, ...]

    def __str__(self) -> str:
        moved = [f"  {row.kpi}: {row.before['source']} -> batch (epoch {row.epoch})" for row in self.rows]
        seen = [
            f"  {change.kpi}: {change.changed} of {change.rows} rows change, {change.only_in_batch} appear, "
            f"{change.only_in_stream} vanish"
            + "".join(
                f"\n    {measure}: in {rows} rows, stream minus batch {total}"
                for measure, (rows, total) in change.measures.items()
            )
            for change in self.changes
        ]
        loud = [f"!!! {line}" for line in self.trouble]
        return "\n".join(
            [
                f"readers of {self.migration} get the batch side:",
                *moved,
                "what they see change:",
                *(seen or ["  nothing: batch was served already"]),
                *loud,
            ]
        )


def rollback(migration: Migration, world: World, by: Actor, reason: str) -> RolledBack:
    """Route all KPIs to batch, then say what readers see change and open an incident.

    Needs no approval, no ledger, no Kafka and no Flink. It raises the epoch and writes its journal row even
    when batch is served already, so that a switch under way fails and everything signed before is void.
    """
    before, rows = _move(migration, world, by, reason)
    fail_at("rollback.routed")
    trouble: list[str] = []
    changes = _changes(migration, world, before, trouble)
    try:
        _tell_ledger(migration, world, by, rows, changes, reason)
    except SlipwayError as error:
        trouble.append(
            f"readers were moved, but the ledger does not know it yet: {error}. It is brought in line with "
            f"the warehouse's journal by the next run of any DAG of {migration.name}"
        )
    return RolledBack(migration.name, tuple(rows), changes, tuple(trouble))


def _move(
    migration: Migration, world: World, by: Actor, reason: str
) -> tuple[Sequence[Route], Sequence[SwitchRow]]:
    while True:
        before = world.serving.routes(list(migration.kpis))
        if not before:
            raise Permanent(
                f"{migration.name} has no routes yet, its readers were never moved; nothing to roll back"
            )
        changes = [RouteChange(route, Source.BATCH, None, {}) for route in before]
        try:
            return before, world.serving.change(migration.name, changes, "rollback", None, by, reason)
        except EpochMoved:
            continue  # somebody moved readers in between: a rollback wins, whatever they did


def _changes(
    migration: Migration, world: World, before: Sequence[Route], trouble: list[str]
) -> tuple[ReaderChange, ...]:
    revisions = {route.revision for route in before if route.source is not Source.BATCH and route.revision}
    moved = {route.kpi for route in before if route.source is not Source.BATCH}
    found: list[ReaderChange] = []
    for revision in sorted(revisions):
        try:
            differences = world.serving.reader_changes(migration, revision)
        except SlipwayError as error:
            trouble.append(f"readers were moved, but what changed for them could not be counted: {error}")
        else:
            found += [each for each in differences if each.kpi in moved]
    return tuple(found)


def _tell_ledger(
    migration: Migration,
    world: World,
    by: Actor,
    rows: Sequence[SwitchRow],
    changes: Sequence[ReaderChange],
    reason: str,
) -> None:
    standing = world.ledger.standing(migration.name)
    if standing is None:
        raise Permanent(f"the ledger does not know {migration.name}")
    world.ledger.mirror_switches(world.serving.journal(migration.name))
    fail_at("rollback.mirrored")
    if (standing.state, State.ROLLED_BACK) in EDGES:
        world.ledger.advance(migration.name, State.ROLLED_BACK, by, reason)
    changed = sum(change.changed + change.only_in_batch + change.only_in_stream for change in changes)
    what = f"rolled back (epoch {rows[0].epoch}): {reason}; {changed} rows changed for readers"
    world.ledger.incident(migration.name, "warning", what, by)
