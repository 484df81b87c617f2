"""What a change of the event schema does to each KPI and to the stream itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slipway.domain.contract import Migration
from slipway.domain.measures import CompiledKpi
from slipway.domain.schema_change import FieldChange
from slipway.domain.tree import columns

UNTOUCHED = "not used; its numbers stay as they are"


@dataclass(frozen=True, slots=True)
class SchemaEffect:
    """What one changed field does to one part of the migration, such as `kpis.<kpi>.measures.<m>`."""

    field: str
    part: str
    effect: str


def effects(migration: Migration, changes: Iterable[FieldChange]) -> tuple[SchemaEffect, ...]:
    """Return every use of a changed field, and one line for each KPI that does not use it."""
    return tuple(effect for change in changes if change.rows for effect in _of(migration, change))


def _of(migration: Migration, change: FieldChange) -> Iterator[SchemaEffect]:
    events = migration.contract.events
    roles: dict[str, list[str | None]] = {
        "id": [events.id],
        "time": [events.time],
        "key": [*events.key],
        "version": [events.version],
    }
    for role, names in roles.items():
        if change.field in names:
            yield SchemaEffect(change.field, f"events.{role}", _told(change))
    for name, dimension in migration.contract.dimensions.items():
        if change.field == dimension.key:
            yield SchemaEffect(change.field, f"dimensions.{name}.key", _told(change))
    for name, kpi in migration.kpis.items():
        used = [*_uses(migration, kpi, change.field)]
        for part in used:
            yield SchemaEffect(change.field, f"kpis.{name}.{part}", _told(change))
        if not used:
            yield SchemaEffect(change.field, f"kpis.{name}", UNTOUCHED)


def _uses(migration: Migration, kpi: CompiledKpi, field: str) -> Iterator[str]:
    keyed = tuple(f"{name}__" for name, made in migration.contract.dimensions.items() if made.key == field)
    for part in kpi.grain:
        if part.source.name == field or (keyed and part.source.name.startswith(keyed)):
            yield f"grain.{part.name}"
    for measure in kpi.measures:
        read = {
            column.name
            for node in (measure.argument, measure.where)
            if node is not None
            for column in columns(node)
        }
        if field in read or (keyed and any(name.startswith(keyed) for name in read)):
            yield f"measures.{measure.name}"


def _told(change: FieldChange) -> str:
    if change.after == "absent":
        return f"can't be computed any more; it uses {change.field}"
    if not change.compatible:
        return f"old events could not be read: {change.why}"
    if change.before.startswith("enum") and change.after.startswith("enum"):
        return f"counts such events where its condition lets them; {change.why}"
    return f"reads {change.after} in place of {change.before}; {change.why}"
