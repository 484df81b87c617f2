"""The lake tables of a migration, derived from its contract; Flink writes to them and creates none."""

from __future__ import annotations

from slipway.domain import derive, names
from slipway.domain.contract import Migration
from slipway.errors import Permanent
from slipway.ports import LakeTable

RESERVED = ("business_day", "arrived_at", "kafka_partition", "kafka_offset")
"""Columns that every event table has beside the event's own fields."""

_TYPES = {"timestamp": "timestamptz"}

_WHERE_FROM = (
    ("kafka_partition", "int", "Partition of the record"),
    ("kafka_offset", "long", "Offset of the record in its partition"),
    ("arrived_at", "timestamptz", "The record's own timestamp: when it arrived"),
)


def bronze_table(migration: Migration) -> LakeTable:
    """Return the table of every record as it came; it outlives revisions."""
    columns = (
        ("value", "binary", "Value as it came; null for a tombstone"),
        ("key", "binary", "Key as it came"),
        ("headers", "map<string,binary>", "Headers as they came; of several of one name the last"),
        *_WHERE_FROM,
        ("event_id", "string", "Identity, where the value yields one"),
        *_version(migration),
        ("reason", "string", "Why the value is no event; null for a good one"),
        ("arrived_on", "date", "UTC date of arrival"),
    )
    return _table(migration, "bronze", names.bronze(migration.name), columns, "arrived_on")


def revision_tables(migration: Migration, revision: int) -> tuple[LakeTable, ...]:
    """Return the tables that one revision owns: silver, late, rejected.

    Permanent when a field of the event is called like a column that Slipway adds.
    """
    taken = [field.name for field in migration.event_fields if field.name in RESERVED]
    if taken:
        raise Permanent(
            f"the event schema of {migration.name} has the field {taken[0]}, but event tables have a column "
            f"of that name already; rename the field (reserved: {', '.join(RESERVED)})"
        )
    fields = tuple(
        (field.name, _TYPES.get(field.type, field.type), field.doc) for field in migration.event_fields
    )
    looked_up = tuple(
        (names.dimension_column(dimension, field), kind, f"{field} of {dimension} when the event was read")
        for dimension, field, kind in migration.dimension_fields
    )
    day = (
        "business_day",
        "date",
        f"Calendar day of {migration.contract.events.time} in {migration.zone.key}",
    )
    event = (*fields, *looked_up, day, *_WHERE_FROM)
    rejected = (
        *_WHERE_FROM,
        ("key", "string", "Key of the record as text"),
        ("event_id", "string", "Identity, where the value yields one"),
        ("reason", "string", "Why the value is no event"),
        ("arrived_on", "date", "UTC date of arrival"),
    )
    return (
        _table(migration, "silver", names.silver(migration.name, revision), event, "business_day"),
        _table(migration, "silver", names.late(migration.name, revision), event, "business_day"),
        _table(migration, "bronze", names.rejected(migration.name, revision), rejected, "arrived_on"),
    )


def _version(migration: Migration) -> tuple[tuple[str, str, str], ...]:
    """Return the column of bronze that tells records of one id apart; none where the first of them counts."""
    version = migration.contract.events.version
    field = migration.schema.field(version) if version is not None else None
    if field is None:
        return ()
    doc = f"{field.name} of a good value: which version of the event it is"
    return (("event_version", _TYPES.get(field.type, field.type), doc),)


def _table(
    migration: Migration,
    layer: str,
    full_name: str,
    columns: tuple[tuple[str, str, str], ...],
    partition: str,
) -> LakeTable:
    namespace, _, name = full_name.partition(".")
    return LakeTable(namespace, name, columns, (partition,), derive.table_properties(migration, layer))
