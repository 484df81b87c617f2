"""The files of a table: planned from manifests, read by DuckDB, compared by content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlparse

import duckdb
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, EqualTo, Or, Reference
from pyiceberg.expressions.literals import literal
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from slipway.adapters.lake.schemas import partition_columns
from slipway.domain.rendering import quoted
from slipway.errors import Permanent


@dataclass(frozen=True, slots=True)
class Content:
    """Rows and the order-free hash of a set of files.

    The hash is the sum over all rows of DuckDB's 64-bit `hash` of all columns, as 32 hexadecimal digits.
    A sum, unlike an exclusive or, sees a row that stands there twice; a lost row and a changed row move it.
    Values compare within one DuckDB version only: enough for a before and after of the same run.
    """

    rows: int
    hash: str


def path_of(location: str) -> str:
    """Return what DuckDB can open: Hadoop writes file:/a where PyIceberg writes file:///a."""
    parsed = urlparse(location)
    return parsed.path if parsed.scheme in ("", "file") else location


def day_column(table: Table) -> str:
    """Return the date column a table is partitioned by; Permanent when it has none."""
    columns = partition_columns(table)
    if len(columns) != 1 or str(table.schema().find_field(columns[0]).field_type) != "date":
        raise Permanent(
            f"the lake table {'.'.join(table.name())} is partitioned by {columns or 'nothing'}; "
            "Slipway's tables are partitioned by one date"
        )
    return columns[0]


def live_files(table: Table, snapshot: int, days: Sequence[date] | None = None) -> list[DataFile]:
    """Return the data files of a snapshot, only those of the given days; delete files are Permanent."""
    if days is not None and not days:
        return []
    if table.snapshot_by_id(snapshot) is None:
        raise Permanent(
            f"snapshot {snapshot} of the lake table {'.'.join(table.name())} is gone: it expired untagged. "
            "Take a new cut"
        )
    only: BooleanExpression = AlwaysTrue()
    if days is not None:
        wanted = [EqualTo(term=Reference(day_column(table)), value=literal(day)) for day in sorted(set(days))]
        only = Or(*wanted) if len(wanted) > 1 else wanted[0]
    files = []
    for task in table.scan(row_filter=only, snapshot_id=snapshot).plan_files():
        if task.delete_files:
            raise Permanent(
                f"snapshot {snapshot} of the lake table {'.'.join(table.name())} has delete files, so its "
                "Parquet files alone are not its rows. Slipway's tables are append-only: find out who deleted"
            )
        files.append(task.file)
    return sorted(files, key=lambda file: file.file_path)


@contextmanager
def duckdb_session(memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB that spills above the limit and renders instants in UTC."""
    with duckdb.connect(
        config={"memory_limit": memory_limit, "preserve_insertion_order": "false"}
    ) as session:
        session.execute("SET TimeZone = 'UTC'")
        yield session


def content(session: duckdb.DuckDBPyConnection, table: Table, locations: Sequence[str]) -> Content:
    """Count and hash the rows of files over all columns of the table."""
    columns = ", ".join(quoted(field.name, "duckdb") for field in table.schema().fields)
    [(rows, total)] = session.execute(
        f"SELECT count(*), coalesce(sum(hash({columns})), 0) "  # noqa: S608 - quoted columns of the table
        "FROM read_parquet($files, hive_partitioning = false)",
        {"files": [path_of(location) for location in locations]},
    ).fetchall()
    return Content(rows=int(rows), hash=f"{int(total):032x}")
