"""The schema of a lake table, as Iceberg has it and as it is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    IntegerType,
    LongType,
    MapType,
    NestedField,
    StringType,
    TimestamptzType,
)

from slipway.errors import Permanent
from slipway.ports import LakeTable

PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    # With the default, serializable, a compaction makes the appends of a running job fail.
    "write.delete.isolation-level": "snapshot",
    "commit.retry.num-retries": "10",
}

_PLAIN: dict[str, IcebergType] = {
    "string": StringType(),
    "int": IntegerType(),
    "long": LongType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "timestamptz": TimestamptzType(),
    "date": DateType(),
    "binary": BinaryType(),
}
_FIRST_PARTITION_FIELD = 1000


def iceberg_type(kind: str, nested_ids: int) -> IcebergType:
    """Return Iceberg's type. nested_ids: first free field id for the parts of a map."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if found := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", kind):
        return DecimalType(int(found[1]), int(found[2]))
    if kind == "map<string,binary>":
        return MapType(nested_ids, StringType(), nested_ids + 1, BinaryType(), value_required=False)
    known = ", ".join([*_PLAIN, "decimal(p,s)", "map<string,binary>"])
    raise Permanent(f"{kind!r} is not a type of a lake table; known are {known}")


def schema_of(table: LakeTable) -> Schema:
    """Return the Iceberg schema; every column is optional, since a job's columns are nullable."""
    after = len(table.columns) + 1
    return Schema(
        *(
            NestedField(number, name, iceberg_type(kind, after + 2 * number), required=False, doc=doc)
            for number, (name, kind, doc) in enumerate(table.columns, start=1)
        )
    )


def partitioning_of(table: LakeTable, schema: Schema) -> PartitionSpec:
    """Return the identity partitioning of a table."""
    return PartitionSpec(
        *(
            PartitionField(
                source_id=schema.find_field(column).field_id,
                field_id=_FIRST_PARTITION_FIELD + number,
                transform=IdentityTransform(),
                name=column,
            )
            for number, column in enumerate(table.partitioned_by)
        )
    )


def refuse_other_schema(wanted: LakeTable, table: Table) -> None:
    """Raise Permanent, naming each difference, unless columns, their order and partitioning are as wanted."""
    differences = other_columns(wanted, table)
    if differences:
        raise Permanent(
            f"the lake table {wanted.full_name} exists with another schema: {'; '.join(differences)}. "
            "Deploy the change as a new revision, which gets tables of its own"
        )


def other_columns(wanted: LakeTable, table: Table) -> tuple[str, ...]:
    """Return a sentence for each difference in columns, their order or the partitioning."""
    seen_columns = [(field.name, _name_of(field.field_type)) for field in table.schema().fields]
    wanted_columns = [(name, _name_of(iceberg_type(kind, 0))) for name, kind, _ in wanted.columns]
    seen_partitioning = partition_columns(table)
    differences = []
    if seen_columns != wanted_columns:
        seen, expected = dict(seen_columns), dict(wanted_columns)
        differences += [f"column {name} is missing" for name in expected if name not in seen]
        differences += [f"column {name} is unknown" for name in seen if name not in expected]
        differences += [
            f"column {name} is {seen[name]}, wanted {expected[name]}"
            for name in expected
            if name in seen and seen[name] != expected[name]
        ]
        differences = differences or ["the columns stand in another order"]
    if seen_partitioning != wanted.partitioned_by:
        differences.append(f"it is partitioned by {seen_partitioning}, wanted {wanted.partitioned_by}")
    return tuple(differences)


def other_properties(wanted: LakeTable, table: Table) -> Mapping[str, tuple[str | None, str]]:
    """Return (seen, wanted) of each property that is not as it was made."""
    made = {key: value for key, value in PROPERTIES.items() if key != "format-version"}
    return {
        key: (table.properties.get(key), value)
        for key, value in {**made, **wanted.properties}.items()
        if table.properties.get(key) != value
    }


def partition_columns(table: Table) -> tuple[str, ...]:
    """Return what a table is partitioned by; a transform other than identity is written out."""
    return tuple(
        name if isinstance(field.transform, IdentityTransform) else f"{field.transform}({name})"
        for field in table.spec().fields
        for name in [table.schema().find_column_name(field.source_id) or field.name]
    )


def _name_of(kind: IcebergType) -> str:
    return f"map<{kind.key_type},{kind.value_type}>" if isinstance(kind, MapType) else str(kind)
