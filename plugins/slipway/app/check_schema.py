"""Whether a producer may use a new event schema, and what it would do to each KPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from slipway.domain import schema_change
from slipway.domain.avro import parse_schema
from slipway.domain.contract import ContractError, Migration, compile_migration
from slipway.domain.schema_change import FieldChange
from slipway.domain.schema_effects import SchemaEffect, effects

Refusals = Callable[[str, str], tuple[str, ...]]
"""Given (reader, writer) as JSON: why Avro's resolution refuses it; empty when it does not."""


@dataclass(frozen=True, slots=True)
class Held:
    """The new schema held against one that events were written with. source: the contract, or a version."""

    source: str
    changes: tuple[FieldChange, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What came out. compiles: why the contract does not fit the new schema; None when it does."""

    compatible: bool
    held: tuple[Held, ...]
    effects: tuple[SchemaEffect, ...]
    compiles: str | None


def check_schema(migration: Migration, text: str, others: Mapping[str, str], refusals: Refusals) -> Checked:
    """Hold a schema against the contract's and against others (by name), as BACKWARD_TRANSITIVE does.

    Permanent when the text is no schema that a contract can have.
    """
    new = parse_schema(text)
    held = tuple(
        _held(source, old, new.text, refusals)
        for source, old in {"the contract's schema": migration.schema.text, **others}.items()
    )
    compiles = None
    try:
        # KPIs are compiled when they are asked for.
        len(compile_migration(migration.contract, new).kpis.values())
    except ContractError as error:
        compiles = str(error)
    return Checked(
        compatible=compiles is None and not any(one.refused for one in held),
        held=held,
        effects=effects(migration, held[0].changes),
        compiles=compiles,
    )


def _held(source: str, old: str, new: str, refusals: Refusals) -> Held:
    changes = schema_change.changes(old, new)
    told = tuple(f"{change.field}: {change.why}" for change in changes if not change.compatible)
    return Held(source, changes, told or refusals(new, old))
