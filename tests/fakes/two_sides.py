"""A small migration with every kind of measure, and both of its sides on files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from slipway.adapters.comparison import DuckDBComparison
from slipway.domain.avro import parse_schema
from slipway.domain.closing import reach
from slipway.domain.contract import Contract, Migration, compile_migration
from slipway.ports import LakeFiles, Question

REPO = Path(__file__).resolve().parents[2]
TEMPLATES = REPO / "include" / "sql" / "reconcile"
FIRST = date(2026, 3, 1)

SCHEMA = """{"type": "record", "name": "Trip", "fields": [
 {"name": "trip_id", "type": "string", "doc": "Identity"},
 {"name": "rider", "type": "string", "doc": "Kafka key"},
 {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "doc": "What it is"},
 {"name": "started", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When, UTC"},
 {"name": "zone", "type": ["null", "string"], "doc": "Where; null when unknown"},
 {"name": "fare", "type": ["null", "int"], "doc": "Cents"},
 {"name": "miles", "type": ["null", "double"], "doc": "Miles"},
 {"name": "version", "type": "int", "doc": "Grows with every revision"}]}"""

TOLLED = SCHEMA.replace(
    '{"name": "version"',
    '{"name": "toll", "doc": "Dollars", "type": ["null", {"type": "bytes",'
    ' "logicalType": "decimal", "precision": 9, "scale": 2}]},\n {"name": "version"',
)
"""The schema with a decimal field beside."""

MEASURES: Mapping[str, Mapping[str, Any]] = {
    "trips": {"count": "*"},
    "short": {"count": "*", "where": "fare < 500"},
    "fares": {"sum": "fare", "tolerance": {"relative": 0.01}},
    "weights": {"sum": "cabs.weight"},
    "riders": {"count_distinct": "rider"},
    "first": {"min": "started"},
    "dearest": {"max": "fare"},
    "mean_miles": {"avg": "miles"},
}


@dataclass(frozen=True)
class Kpi:
    """A KPI of the migration `trips`. time: the grain function of its time."""

    time: str
    measures: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MEASURES)
    segments: tuple[str, ...] = ("zone",)


def migration(
    *,
    key: tuple[str, ...] = ("rider",),
    keep: str = "first",
    schema: str = SCHEMA,
    kpis: Mapping[str, str | Kpi] | None = None,
    begins: date = FIRST,
    **parity: Any,
) -> Migration:
    """Return the compiled migration `trips`; keywords replace parts of `parity`.

    kpis: names of KPIs and the grain function of their time, such as {"trips_hourly": "hour(started)"}; or
    the whole of them.
    """
    wanted = {
        name: Kpi(kpi) if isinstance(kpi, str) else kpi
        for name, kpi in (kpis or {"trips_daily": "day(started)"}).items()
    }
    contract = {
        "migration": "trips",
        "description": "Trips by day and zone",
        "owners": {"data_owner": ("ana",)},
        "events": {
            "topic": "raw-trips",
            "schema": "trips.avsc",
            "key": key,
            "id": "trip_id",
            "time": "started",
            **({"keep": "latest", "version": "version"} if keep == "latest" else {}),
            "traffic": {"peak_per_second": 10, "mean_bytes": 100},
        },
        "parity": {
            "timezone": "America/New_York",
            "accept_late": "24h",
            "lateness_classes": ("0m", "6h", "24h"),
            "from": begins,
            **parity,
        },
        "dimensions": {"cabs": {"relation": "ops.cabs", "key": "rider", "fields": {"weight": "long"}}},
        "kpis": {
            name: {
                "grain": {"day": kpi.time, **{segment: segment for segment in kpi.segments}},
                "segments": kpi.segments,
                "measures": {measure: dict(spec) for measure, spec in kpi.measures.items()},
                "batch": {"model": name, "events": "trip_events"},
            }
            for name, kpi in wanted.items()
        },
        "gates": {"observe": {"closed_days": 2}, "sign_offs": {"data_owner": 1}},
    }
    return compile_migration(Contract.model_validate(contract), parse_schema(schema))


@dataclass(frozen=True)
class Trip:
    """One event as a side has it. weight: of the dimension, as it was looked up."""

    trip_id: str
    rider: str
    kind: str
    started: datetime
    zone: str | None
    fare: int | None
    miles: float | None
    cabs__weight: int | None
    version: int = 1
    toll: Decimal | None = None

    def but(self, **changes: Any) -> Trip:
        return dataclasses.replace(self, **changes)


SAME = "SELECT * FROM folded"


@dataclass
class TwoSides:
    """What each table holds; arrivals follow the order in which records are added to the topic.

    batch_rows, stream_rows: how a KPI's rows come out of the fold of that side's events. rows_of: the same
    for one side (batch, stream) of one KPI.
    """

    folder: Path
    migration: Migration = field(default_factory=migration)
    batch: list[Trip] = field(default_factory=list)
    silver: list[tuple[Trip, int]] = field(default_factory=list)
    late: list[tuple[Trip, int]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    bronze: list[dict[str, Any]] = field(default_factory=list)
    amended: list[int] = field(default_factory=list)
    amended_days: list[date] = field(default_factory=list)
    days: int = 3
    closed: int | None = None
    batch_events: str = "SELECT * FROM batch_rows"
    batch_rows: str = SAME
    stream_rows: str = SAME
    rows_of: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def arrive(
        self,
        trip_id: str | None,
        at: datetime | None = None,
        reason: str | None = None,
        version: int = 1,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Append a record to bronze and return its offset."""
        offset = len(self.bronze)
        self.bronze.append(
            {
                "kafka_partition": 0,
                "kafka_offset": offset,
                "arrived_at": at or datetime(2026, 3, 1, 6, tzinfo=UTC) + timedelta(seconds=offset),
                "event_id": trip_id,
                "event_version": None if trip_id is None else version,
                "reason": reason,
                "headers": list(headers),
            }
        )
        return offset

    def accept(self, trip: Trip, at: datetime | None = None) -> None:
        self.silver.append((trip, self.arrive(trip.trip_id, at, version=trip.version)))

    def come_late(self, trip: Trip) -> int:
        at = self.migration.closes_at(self._day(trip)) + timedelta(hours=1)
        offset = self.arrive(trip.trip_id, at, version=trip.version)
        self.late.append((trip, offset))
        return offset

    def reject(self, key: str | None, trip_id: str | None = None, version: int | None = None) -> None:
        """Refuse a record. version: None when it can't be read."""
        offset = self.arrive(trip_id, reason="not json")
        self.bronze[offset]["event_version"] = version
        self.rejected.append({**self._place(offset), "event_id": trip_id, "key": key, "reason": "not json"})

    def comparison(self) -> DuckDBComparison:
        return DuckDBComparison(self, TEMPLATES, self.folder / "work")

    def files(self) -> LakeFiles:
        event = {**_EVENT, **_PLACE, "business_day": pa.date32()}
        first, last = reach(self.migration, FIRST), FIRST + timedelta(days=self.days - 1)
        accepted: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for row in self.silver:
            accepted[first <= self._day(row[0]) <= last].append(self._event(*row))
        of_days = self._write("silver", accepted[True], event)
        silver = (*of_days, *self._write("silver_of_other_days", accepted[False], event))
        late = self._write("late", [self._event(*row) for row in self.late], event)
        kinds = {"event_id": pa.string(), "event_version": pa.int32(), "reason": pa.string()}
        kinds["headers"] = pa.map_(pa.string(), pa.binary())
        bronze = self._write("bronze", self.bronze, {**_PLACE, **kinds})
        kinds = {**_PLACE, "event_id": pa.string(), "key": pa.string(), "reason": pa.string()}
        return LakeFiles(bronze, silver, of_days, late, self._write("rejected", self.rejected, kinds))

    def question(self) -> Question:
        last = FIRST + timedelta(days=self.days - 1)
        return Question(
            revision=1,
            offsets={0: len(self.bronze)},
            files=self.files(),
            first=FIRST,
            closed_through=last if self.closed is None else FIRST + timedelta(days=self.closed - 1),
            last=last,
            batch_through=self.question_batch_through(),
            amendments=(1,) if self.amended else (),
        )

    def question_batch_through(self) -> datetime:
        return self.migration.closes_at(FIRST + timedelta(days=self.days - 1)) + timedelta(days=9)

    @contextmanager
    def attached(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Stand in for Postgres: the tables that dbt and the stream job would have made."""
        connection.execute("ATTACH ':memory:' AS warehouse")
        for schema in ("batch", "stream"):
            connection.execute(f"CREATE SCHEMA warehouse.{schema}")
        self._table(connection, "batch_rows", [dataclasses.asdict(t) for t in self.batch], _EVENT)
        connection.execute(f"CREATE TABLE warehouse.batch.trip_events AS {self.batch_events}")
        connection.execute("DROP TABLE batch_rows")
        for name, kpi in self.migration.kpis.items():
            fold = kpi.fold("duckdb", "warehouse.batch.trip_events")
            connection.execute(f"CREATE OR REPLACE TEMP VIEW folded AS {fold}")
            rows = self.rows_of.get(("batch", name), self.batch_rows)
            connection.execute(f"CREATE TABLE warehouse.batch.{name} AS {rows}")
        amended = [row for row in self.late if row[1] in self.amended]
        replaces = [self._replaces(offset) for offset in self.amended]
        accepted = self.silver
        if self.migration.contract.events.version:
            gone = {row.trip_id for row, offset in amended if self._replaces(offset)}
            accepted = _newest([row for row in accepted if row[0].trip_id not in gone])
            amended = _newest(amended)
        seen = [self._event(*row) for row in [*accepted, *amended]]
        self._table(connection, "streamed", seen, {**_EVENT, **_PLACE, "business_day": pa.date32()})
        for name, kpi in self.migration.kpis.items():
            connection.execute(f"CREATE OR REPLACE TEMP VIEW folded AS {kpi.fold('duckdb', 'streamed')}")
            rows = self.rows_of.get(("stream", name), self.stream_rows)
            connection.execute(f"CREATE TABLE warehouse.stream.{name}__r1 AS {rows}")
        connection.execute("DROP VIEW folded")
        days = {offset: self._day(trip) for trip, offset in self.late}
        connection.execute(
            "CREATE TABLE warehouse.stream.amended_event AS SELECT 'trips' AS migration, 1 AS revision,"
            " 1 AS amendment_id, 0 AS kafka_partition, unnest(?::BIGINT[]) AS kafka_offset,"
            " unnest(?::DATE[]) AS business_day, unnest(?::BOOLEAN[]) AS replaces",
            [self.amended, [days[offset] for offset in self.amended], replaces],
        )
        connection.execute(
            "CREATE TABLE warehouse.stream.amendment AS SELECT 'trips' AS migration, 1 AS revision,"
            " 1 AS amendment_id, ?::DATE[] AS days",
            [self.amended_days or [days[offset] for offset in self.amended]],
        )
        yield

    def _replaces(self, offset: int) -> bool:
        """Say whether an amended record's id had an accepted version when it came."""
        [identity] = [row.trip_id for row, place in self.late if place == offset]
        return any(row.trip_id == identity and place < offset for row, place in self.silver)

    def _day(self, trip: Trip) -> date:
        return self.migration.business_day(trip.started)

    def _place(self, offset: int) -> dict[str, Any]:
        row = self.bronze[offset]
        return {name: row[name] for name in ("kafka_partition", "kafka_offset", "arrived_at")}

    def _event(self, trip: Trip, offset: int) -> dict[str, Any]:
        return {**dataclasses.asdict(trip), **self._place(offset), "business_day": self._day(trip)}

    def _write(
        self, name: str, rows: Sequence[dict[str, Any]], types: dict[str, pa.DataType]
    ) -> Sequence[str]:
        if not rows:
            return ()
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(list(rows), pa.schema(list(types.items()))), path)
        return (str(path),)

    def _table(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        rows: Sequence[dict[str, Any]],
        types: dict[str, pa.DataType],
    ) -> None:
        connection.register("arrow_rows", pa.Table.from_pylist(list(rows), pa.schema(list(types.items()))))
        temp = "" if "." in name else "TEMP"
        connection.execute(f"CREATE {temp} TABLE {name} AS SELECT * FROM arrow_rows")
        connection.unregister("arrow_rows")


def _newest(rows: Sequence[tuple[Trip, int]]) -> list[tuple[Trip, int]]:
    newest = {row.trip_id: row.version for row, _ in sorted(rows, key=lambda one: one[0].version)}
    return [(row, place) for row, place in rows if row.version == newest[row.trip_id]]


_PLACE = {
    "kafka_partition": pa.int32(),
    "kafka_offset": pa.int64(),
    "arrived_at": pa.timestamp("us", "UTC"),
}
_EVENT = {
    "trip_id": pa.string(),
    "rider": pa.string(),
    "kind": pa.string(),
    "started": pa.timestamp("us", "UTC"),
    "zone": pa.string(),
    "fare": pa.int32(),
    "miles": pa.float64(),
    "cabs__weight": pa.int64(),
    "version": pa.int32(),
    "toll": pa.decimal128(9, 2),
}


def without_files(question: Question) -> Question:
    """Return the question as it is asked when the lake's snapshots are gone."""
    return dataclasses.replace(question, files=LakeFiles((), (), (), (), ()))
