"""Two sides of a migration for the benchmark of reconciling: an Iceberg table, a warehouse in a DuckDB file.

Row n is one order. Its day, city and values follow from n, so that both sides can be made by themselves; the
silver table is written with DuckDB and registered with PyIceberg, one file a day, as compaction leaves it. On
the batch side one event of each of `cells` cells differs, in turn: missing, another value, twice, only there.
"""

# ruff: noqa: S608  the SQL of the benchmark is made of numbers and its own names
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
from sqlalchemy import URL

from slipway.adapters.lake.catalog import IcebergLake
from slipway.app.tables import bronze_table, revision_tables
from slipway.domain.avro import parse_schema
from slipway.domain.contract import Contract, Migration, compile_migration
from slipway.ports import LakeFiles, LakeTable, Question

PARTITIONS = 4
FIRST = date(2026, 1, 1)
SCHEMA = """{"type": "record", "name": "Order", "fields": [
 {"name": "order_id", "type": "string", "doc": "Identity"},
 {"name": "customer", "type": "string", "doc": "Kafka key"},
 {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["P", "C"]}, "doc": "What it is"},
 {"name": "ordered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When, UTC"},
 {"name": "city", "type": "string", "doc": "Where"},
 {"name": "units", "type": "int", "doc": "Pieces"},
 {"name": "cents", "type": "long", "doc": "Price"}]}"""
NEEDED = ("kind", "ordered_at", "city", "units", "cents")
"""The columns that the KPI needs."""


def migration(model: str = "orders_daily") -> Migration:
    """Return the compiled migration. model: the batch table of the KPI."""
    contract = {
        "migration": "orders",
        "description": "Orders by day and city",
        "owners": {"data_owner": ("ana",)},
        "events": {
            "topic": "raw-orders",
            "schema": "orders.avsc",
            "key": ("customer",),
            "id": "order_id",
            "time": "ordered_at",
            "traffic": {"peak_per_second": 1000, "mean_bytes": 200},
        },
        "parity": {
            "timezone": "America/New_York",
            "accept_late": "24h",
            "lateness_classes": ("0m", "1h", "6h", "24h"),
            "from": FIRST,
        },
        "kpis": {
            "orders_daily": {
                "grain": {"day": "day(ordered_at)", "city": "city"},
                "segments": ("city",),
                "measures": {
                    "orders": {"count": "*"},
                    "cancelled": {"count": "*", "where": "kind = 'C'"},
                    "units": {"sum": "units"},
                    "cents": {"sum": "cents"},
                    "dearest": {"max": "cents"},
                },
                "batch": {"model": model, "events": "order_events"},
            }
        },
        "gates": {"observe": {"closed_days": 2}, "sign_offs": {"data_owner": 1}},
    }
    return compile_migration(Contract.model_validate(contract), parse_schema(SCHEMA))


@dataclass(frozen=True)
class Size:
    """rows: events a side, spread evenly over the days. segments: cities. cells: those that differ."""

    rows: int
    days: int
    segments: int
    cells: int

    @property
    def a_day(self) -> int:
        return self.rows // self.days

    @property
    def last(self) -> date:
        return FIRST + timedelta(days=self.days - 1)


class Sides:
    """Both sides in a folder. Also the Warehouse that a comparison attaches."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder = folder
        self.size = size
        self.lake = IcebergLake(
            URL.create("sqlite", database=str(folder / "catalog.db")), f"file://{folder}/lake"
        )
        self.tables = {table.name.split("__")[0]: table for table in self._tables()}

    def make(self, with_bronze: bool) -> None:
        """Write everything. with_bronze: also the records as they came, which accounting looks into."""
        files: dict[str, list[str]] = {"silver": [], "bronze": []}
        silver, _, _ = revision_tables(migration(), 1)
        with duckdb.connect(
            str(self.folder / "warehouse.db"),
            config={"memory_limit": "2GB", "temp_directory": str(self.folder / "spill")},
        ) as session:
            session.execute("SET TimeZone = 'UTC'")
            session.execute("CREATE SCHEMA batch; CREATE SCHEMA stream")
            self._faults(session)
            for day in range(self.size.days):
                session.execute(self._rows(day))
                files["silver"].append(self._write(session, "silver", self._silver_row(day), day))
                if with_bronze:
                    files["bronze"].append(self._write(session, "bronze", self._bronze_row(), day))
                session.execute(self._batch(day))
            self._fold(session)
        for table in (silver, bronze_table(migration())):
            self.lake.ensure(table)
            layer = "silver" if table is silver else "bronze"
            if files[layer]:
                self._register(table, files[layer])

    def _tables(self) -> Iterator[LakeTable]:
        yield bronze_table(migration())
        yield from revision_tables(migration(), 1)

    def files(self, first: date, last: date) -> LakeFiles:
        """Plan the files of the cut as the product does. first, last: business days to compare."""
        silver, bronze = revision_tables(migration(), 1)[0].full_name, bronze_table(migration()).full_name
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        snapshot, before = self.lake.snapshot(silver), self.lake.snapshot(bronze)
        assert snapshot is not None
        return LakeFiles(
            bronze=self.lake.data_files(bronze, before) if before else (),
            silver=self.lake.data_files(silver, snapshot),
            silver_of_days=self.lake.data_files(silver, snapshot, days),
            late=(),
            rejected=(),
        )

    def question(self, files: LakeFiles, first: date, last: date, row_by_row: tuple[date, ...]) -> Question:
        """Ask about the days, both included, of which `row_by_row` are compared event by event."""
        ends = {partition: self.size.rows // PARTITIONS + 1 for partition in range(PARTITIONS)}
        through = datetime(2100, 1, 1, tzinfo=UTC)
        return Question(1, ends, files, first, last, last, through, (), row_by_row=row_by_row)

    @contextmanager
    def attached(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Attach the file as the warehouse."""
        connection.execute(f"ATTACH '{self.folder}/warehouse.db' AS warehouse (READ_ONLY)")
        yield
        connection.execute("DETACH warehouse")

    def _rows(self, day: int) -> str:
        size = self.size
        begin = day * size.a_day
        # Business days of New York begin at five o'clock UTC in winter, at four in summer.
        midnight = f"timezone('America/New_York', TIMESTAMP '{FIRST + timedelta(days=day)}')"
        return f"""
            CREATE OR REPLACE TEMP TABLE rows AS
            SELECT
                n, md5(CAST(n AS VARCHAR)) AS order_id,
                'customer-' || CAST(hash(n) % 200000 AS VARCHAR) AS customer,
                CASE WHEN hash(n, 1) % 10 = 0 THEN 'C' ELSE 'P' END AS kind,
                {midnight} + to_microseconds(CAST((n - {begin}) * 82000e6 / {size.a_day} AS BIGINT))
                AS ordered_at,
                'city-' || CAST(hash(n, 2) % {size.segments} AS VARCHAR) AS city,
                CAST(1 + hash(n, 3) % 9 AS INTEGER) AS units, CAST(hash(n, 4) % 100000 AS BIGINT) AS cents,
                f.fault
            FROM (SELECT unnest(range({begin}, {begin + size.a_day})) AS n)
            LEFT JOIN faults AS f USING (n)
            ORDER BY n
        """

    def _faults(self, session: duckdb.DuckDBPyConnection) -> None:
        """Choose the first event of a cell, for as many cells as shall differ, evenly over the days."""
        size = self.size
        per_day, rest = divmod(size.cells, size.days)
        session.execute("CREATE TEMP TABLE faults (n BIGINT, fault INTEGER)")
        for day in range(size.days):
            begin = day * size.a_day
            session.execute(f"""
                INSERT INTO faults SELECT n, n % 4 FROM (
                    SELECT hash(n, 2) % {size.segments} AS city, min(n) AS n
                    FROM (SELECT unnest(range({begin}, {begin + min(size.a_day, 30 * size.segments)})) AS n)
                    GROUP BY city ORDER BY city LIMIT {per_day + (day < rest)}
                )
            """)

    def _silver_row(self, day: int) -> str:
        return f"""
            SELECT
                order_id, customer, kind, ordered_at, city, units, cents,
                DATE '{FIRST + timedelta(days=day)}' AS business_day,
                CAST(n % {PARTITIONS} AS INTEGER) AS kafka_partition, n // {PARTITIONS} AS kafka_offset,
                ordered_at + INTERVAL 3 SECOND AS arrived_at
            FROM rows WHERE fault IS DISTINCT FROM 3
        """

    def _bronze_row(self) -> str:
        return f"""
            SELECT
                CAST(NULL AS BLOB) AS value, CAST(NULL AS BLOB) AS key,
                MAP {{}}::MAP(VARCHAR, BLOB) AS headers,
                CAST(n % {PARTITIONS} AS INTEGER) AS kafka_partition, n // {PARTITIONS} AS kafka_offset,
                ordered_at + INTERVAL 3 SECOND AS arrived_at, order_id AS event_id,
                CAST(NULL AS VARCHAR) AS reason, DATE '{FIRST}' AS arrived_on
            FROM rows
        """

    def _batch(self, day: int) -> str:
        row = "SELECT order_id, customer, kind, ordered_at, city, units, {} AS cents FROM rows"
        make = "INSERT INTO batch.order_events" if day else "CREATE TABLE batch.order_events AS"
        changed = row.format("cents + CASE WHEN fault = 1 THEN 100 ELSE 0 END")
        twice = row.format("cents") + " WHERE fault = 2"
        return f"{make} {changed} WHERE fault IS DISTINCT FROM 0 UNION ALL {twice}"

    def _write(self, session: duckdb.DuckDBPyConnection, layer: str, query: str, day: int) -> str:
        path = self.folder / "files" / layer / f"{day:04}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        session.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
        return str(path)

    def _fold(self, session: duckdb.DuckDBPyConnection) -> None:
        """Make the rows of the KPI: as the stream has them, and as the batch's own events come to."""
        kpi = migration().kpis["orders_daily"]
        # Folding by the written days spares the time zone of every row.
        days = f"(SELECT * FROM read_parquet('{self.folder}/files/silver/*.parquet'))"
        columns = ", ".join(name for name, _ in kpi.column_types())
        aggregates = ", ".join(f"{sql} AS {name}" for name, sql in kpi.select("duckdb")[1])
        fold = f"SELECT business_day AS day, city, {aggregates} FROM {days} GROUP BY ALL"
        session.execute(f"CREATE TABLE stream.orders_daily__r1 AS SELECT {columns} FROM ({fold})")
        session.execute("CREATE TABLE batch.orders_daily AS SELECT * FROM stream.orders_daily__r1")
        # 82,000 seconds from midnight on end within the day, whatever the clocks do.
        local = "CAST(date_trunc('day', ordered_at - INTERVAL 4 HOUR - INTERVAL 1 HOUR * winter) AS DATE)"
        winter = "CASE WHEN ordered_at < TIMESTAMPTZ '2026-03-08 07:00:00+00' THEN 1 ELSE 0 END AS winter"
        events = f"(SELECT *, {local} AS day FROM (SELECT *, {winter} FROM batch.order_events))"
        fold = f"SELECT day, city, {aggregates} FROM {events} GROUP BY ALL"
        session.execute(f"CREATE TABLE batch.orders_daily_with_faults AS SELECT {columns} FROM ({fold})")

    def _register(self, table: LakeTable, files: list[str]) -> None:
        loaded = self.lake._catalog.load_table(table.full_name)
        loaded.add_files(files, check_duplicate_files=False)
