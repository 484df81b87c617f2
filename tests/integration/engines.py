"""One KPI over the same records in DuckDB, Postgres and Flink: from arrivals to rows, in their SQL."""

from __future__ import annotations

import hashlib
import json
import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from slipway.adapters.flink.rest import ENDED, FlinkEngine
from slipway.domain.dialects import Dialect, quoted, sql_type, text_literal
from slipway.domain.measures import CompiledKpi
from slipway.ports import JobSubmission
from tests.integration.plain_engine import Arrivals, Event

BOUND_SECONDS = 120.0


@dataclass(frozen=True)
class Example:
    """A KPI and the records that it is computed from. columns: (name, type) of the records."""

    kpi: CompiledKpi
    columns: Sequence[tuple[str, str]]
    events: Sequence[Event]
    arrivals: Arrivals
    measures: Sequence[str]

    def query(self, dialect: Dialect, table: str) -> str:
        """Return the SQL that dedups, leaves the late ones out, folds, and adds the days of each row."""

        def name(identifier: str) -> str:
            return quoted(identifier, dialect)

        order = f"PARTITION BY {name(self.arrivals.id)} ORDER BY {name(self.arrivals.order)} ASC"
        nth = f"ROW_NUMBER() OVER ({order})"
        first = f"SELECT *, {nth} AS {name('nth')} FROM {table}"
        on_time = f"{name('nth')} = 1 AND {name(self.arrivals.arrived)} < {name(self.arrivals.closes)}"
        rows = self.kpi.fold(dialect, f"(SELECT * FROM ({first}) AS f WHERE {on_time}) AS e")
        days = f"{self.kpi.time.opens_on(dialect)}, {self.kpi.time.closes_on(dialect)}"
        return f"SELECT k.*, {days} FROM ({rows}) AS k"

    def types(self) -> list[str]:
        """Return the types of the query's columns."""
        return [kind for _, kind in self.kpi.column_types()] + ["date", "date"]

    def table(self, dialect: Dialect) -> str:
        """Return the columns of the table of records."""
        return ", ".join(f"{quoted(name, dialect)} {sql_type(kind, dialect)}" for name, kind in self.columns)

    def values(self) -> list[list[Any]]:
        """Return the records in the order of the columns."""
        return [[event[name] for name, _ in self.columns] for event in self.events]


def canonical(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return rows that can be compared as one sorted list: equal numbers read the same, instants are UTC."""
    return sorted(repr([_plain(value) for value in row]) for row in rows)


def _plain(value: Any) -> Any:
    match value:
        case float():
            return value + 0.0  # minus zero is zero
        case bool() | None | str():
            return value
        case int() | Decimal():
            if value == 0:
                return "0"  # Python alone has a minus zero among decimals
            text = format(Decimal(value), "f")
            return text.rstrip("0").rstrip(".") if "." in text else text
        case datetime():
            return value.astimezone(UTC).isoformat()
        case _:
            return value.isoformat()


def in_duckdb(example: Example, connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Return the rows that DuckDB computes."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE records ({example.table('duckdb')})")
    if example.events:
        places = ", ".join("?" for _ in example.columns)
        connection.executemany(f"INSERT INTO records VALUES ({places})", example.values())
    return connection.execute(example.query("duckdb", "records")).fetchall()


def in_postgres(example: Example, connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Return the rows that Postgres computes."""
    connection.prepare_threshold = None  # the same words stand for other tables each time
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.records")
        cursor.execute(f"CREATE TEMP TABLE records ({example.table('postgres')})".encode())
        if example.events:
            places = ", ".join("%s" for _ in example.columns)
            cursor.executemany(f"INSERT INTO records VALUES ({places})".encode(), example.values())
        return cursor.execute(example.query("postgres", "records").encode()).fetchall()


def in_flink(examples: Sequence[Example], engine: FlinkEngine, folder: Path) -> list[list[tuple[Any, ...]]]:
    """Return the rows of each example, from one bounded job; their zones must be the same."""
    (zone,) = {example.kpi.time.zone.key for example in examples}
    script = [
        "SET 'pipeline.name' = 'agreement of the engines';",
        "SET 'execution.runtime-mode' = 'batch';",
        "SET 'restart-strategy.type' = 'none';",
        f"SET 'table.local-time-zone' = {text_literal(zone)};",
    ]
    inserts = []
    for number, example in enumerate(examples):
        source, sink = folder / f"in{number}", folder / f"out{number}"
        source.mkdir(parents=True)
        (source / "records.json").write_text("".join(_line(example, event) for event in example.events))
        sinks = ", ".join(f"c{n} {sql_type(kind, 'flink')}" for n, kind in enumerate(example.types()))
        script += [
            f"CREATE TEMPORARY TABLE in{number} ({example.table('flink')}) WITH ({_files(source)});",
            f"CREATE TEMPORARY TABLE out{number} ({sinks}) WITH ({_files(sink)});",
        ]
        inserts.append(f"INSERT INTO out{number} {example.query('flink', f'in{number}')};")
    _run(engine, "\n".join([*script, "EXECUTE STATEMENT SET BEGIN", *inserts, "END;"]))
    return [_rows(example, folder / f"out{number}") for number, example in enumerate(examples)]


def _files(folder: Path) -> str:
    options = {
        "connector": "filesystem",
        "path": folder.as_uri(),
        "format": "json",
        "json.timestamp-format.standard": "ISO-8601",
        "json.encode.decimal-as-plain-number": "true",
    }
    return ", ".join(f"{text_literal(key)} = {text_literal(value)}" for key, value in options.items())


def _line(example: Example, event: Event) -> str:
    written: dict[str, Any] = {}
    for name, _ in example.columns:
        value = event[name]
        match value:
            case datetime():
                value = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
            case date():
                value = value.isoformat()
            case Decimal():
                value = format(value, "f")
        written[name] = value
    return json.dumps(written) + "\n"


def _rows(example: Example, folder: Path) -> list[tuple[Any, ...]]:
    rows = []
    for file in folder.glob("part-*"):
        for line in file.read_text().splitlines():
            # Numbers stay text at first: what they are is for the column's type to say.
            found: Mapping[str, Any] = json.loads(line, parse_float=str, parse_int=str)
            rows.append(tuple(_read(found.get(f"c{n}"), kind) for n, kind in enumerate(example.types())))
    return rows


def _read(value: Any, kind: str) -> Any:
    if value is None or isinstance(value, bool) or kind == "string":
        return value
    match kind:
        case "int" | "long":
            return int(value)
        case "double":
            return float(value)
        case "date":
            return date.fromisoformat(value)
        case "timestamp":
            return datetime.fromisoformat(value)
        case _:
            return Decimal(value)


def _run(engine: FlinkEngine, script: str) -> None:
    job = hashlib.md5(f"{script}{clock.time_ns()}".encode(), usedforsecurity=False).hexdigest()
    engine.submit(JobSubmission("agreement of the engines", job, script, parallelism=1, restore_from=None))
    deadline = clock.monotonic() + BOUND_SECONDS
    try:
        while (status := engine.status(job)) is None or status.state not in ENDED:
            assert clock.monotonic() < deadline, f"the job did not end: {status}"
            clock.sleep(0.2)
    finally:
        engine.cancel(job)
    assert status.state == "FINISHED", status.failure
