"""A migration whose silver, late rows and serving tables are written by a test, on the stack's real parts."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from slipway import bootstrap
from slipway.adapters.evidence_files import EvidenceFiles
from slipway.adapters.serving.statements import stream_table
from slipway.app.tables import revision_tables
from slipway.connections import endpoint
from slipway.domain import names
from slipway.domain.accounting import Compared
from slipway.domain.avro import parse_schema
from slipway.domain.contract import Contract, Migration, compile_migration
from slipway.domain.rendering import sql_type
from slipway.ports import LakeFiles, Question
from tests.fakes.lake import arrow_schema
from tests.stack import Stack

FROM, FIRST = date(2026, 3, 2), date(2026, 3, 4)
CLOSED, LAST = date(2026, 3, 15), date(2026, 3, 17)
"""A Monday; a Wednesday, so that its week reaches back; a Sunday; a Tuesday. Clocks change on the 8th."""

AMENDED_DAYS = (date(2026, 3, 6), date(2026, 3, 8), date(2026, 3, 11))
"""With the first Sunday: the first week's row has been amended, the second one's has not."""

BEYOND = {0: 12, 1: 5}
"""Records of each partition that came after the cut's offsets, though the snapshots have them."""

SCHEMA = """{"type": "record", "name": "Trip", "fields": [
 {"name": "trip_id", "type": "string", "doc": "Identity"},
 {"name": "rider", "type": "string", "doc": "Kafka key"},
 {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "doc": "What it is"},
 {"name": "started", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When, UTC"},
 {"name": "zone", "type": ["null", "string"], "doc": "Where; null when unknown"},
 {"name": "fare", "type": ["null", "int"], "doc": "Cents"},
 {"name": "toll", "type": ["null",
  {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}], "doc": "Dollars"},
 {"name": "miles", "type": ["null", "double"], "doc": "Miles"},
 {"name": "shared", "type": ["null", "boolean"], "doc": "Whether others rode along, if known"},
 {"name": "version", "type": "int", "doc": "Grows with every revision"}]}"""
MEASURES: Mapping[str, Mapping[str, Any]] = {
    "trips": {"count": "*"},
    "tolled": {"count": "toll"},
    "short": {"count": "*", "where": "fare < 500 AND NOT shared"},
    "fares": {"sum": "fare"},
    "tolls": {"sum": "toll"},
    "distance": {"sum": "miles", "where": "kind = 'A'"},
    "riders": {"count_distinct": "rider"},
    "first": {"min": "started"},
    "last": {"max": "started"},
    "cheapest": {"min": "toll"},
    "farthest": {"max": "miles"},
    "mean_miles": {"avg": "miles"},
    "mean_fare": {"avg": "fare"},
    "mean_toll": {"avg": "toll", "tolerance": {"relative": 0.01}},
}
GRAINS = {
    "hourly": {"hour": "hour(started)", "zone": "zone"},
    "daily": {"day": "day(started)", "kind": "kind", "zone": "zone"},
    "weekly": {"week": "week(started)", "zone": "zone"},
}


@dataclasses.dataclass(frozen=True)
class Trip:
    """One event. place: partition and offset of its record."""

    trip_id: str
    rider: str
    kind: str
    started: datetime
    zone: str | None
    fare: int | None
    toll: Decimal | None
    miles: float | None
    shared: bool | None
    version: int
    place: tuple[int, int]

    def revised(self, version: int, place: tuple[int, int], **changes: Any) -> Trip:
        """Return a newer version of the event."""
        return dataclasses.replace(self, version=version, place=place, **changes)

    def values(self) -> dict[str, Any]:
        """Return the event's own fields."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "place"}


def migration(keep: str, engine: str) -> Migration:
    """Return the migration, under a name of its own for each way to keep events."""
    name = f"fold{keep}"
    contract = {
        "migration": name,
        "description": "Trips with every kind of measure",
        "owners": {"data_owner": ("ana",)},
        "events": {
            "topic": f"raw-{name}",
            "schema": "trips.avsc",
            "key": ("rider",),
            "id": "trip_id",
            "time": "started",
            **({"keep": "latest", "version": "version"} if keep == "latest" else {}),
            "traffic": {"peak_per_second": 10, "mean_bytes": 100},
        },
        "parity": {"timezone": "America/New_York", "accept_late": "24h", "from": FROM},
        "kpis": {
            f"{name}_{unit}": {
                "grain": grain,
                "segments": tuple(column for column in grain if column in ("zone", "kind")),
                "measures": MEASURES,
                "batch": {"model": f"{name}_{unit}", "events": f"{name}_events"},
            }
            for unit, grain in GRAINS.items()
        },
        "gates": {"sign_offs": {"data_owner": 1}},
        "reconcile": {"engine": engine},
    }
    return compile_migration(Contract.model_validate(contract), parse_schema(SCHEMA))


class FoldWorld:
    """Both sides of a migration. amended: late rows that count; replaces: ids whose accepted ones do not."""

    def __init__(self, keep: str, folder: Path) -> None:
        self.keep = keep
        self.migration = migration(keep, "duckdb")
        self.world = bootstrap.world()
        self.store = EvidenceFiles(folder / "store")
        self._server: Any = dict(bootstrap.libpq(endpoint("slipway_warehouse")))
        self._tables = revision_tables(self.migration, 1)[:2]
        self._draw = random.Random(42)
        self._day_of = self.migration.business_day
        self._next = dict.fromkeys(BEYOND, 0)
        self.late = [self._trip(n, started=AMENDED_DAYS[n % 3]) for n in range(600, 650)]
        self.silver = [self._trip(n) for n in range(600)]
        self.replaces: set[str] = set()
        if keep == "latest":
            self._revise()
        self.ends = {partition: self._next[partition] - beyond for partition, beyond in BEYOND.items()}
        self.amended = [trip for trip in self.late if trip.place[1] % 2 and self._below(trip)]

    @property
    def question(self) -> Question:
        """Return the question at the first snapshots, though later ones are there."""
        silver, late = names.silver(self.migration.name, 1), names.late(self.migration.name, 1)
        lake = self.world.lake
        return Question(
            revision=1,
            offsets=self.ends,
            files=LakeFiles(
                bronze=(),
                silver=lake.data_files(silver, self._snapshots[silver]),
                silver_of_days=lake.data_files(silver, self._snapshots[silver]),
                late=lake.data_files(late, self._snapshots[late]),
                rejected=(),
            ),
            first=FIRST,
            closed_through=CLOSED,
            last=LAST,
            batch_through=datetime(2026, 3, 30, tzinfo=UTC),
            amendments=(1,),
            snapshots=self._snapshots,
        )

    def compare(self, engine: str) -> Compared:
        """Compare with the engine that a contract may name."""
        return self.world.comparison.compare(migration(self.keep, engine), self.question, self.store)

    def begin(self) -> None:
        """Write both sides: the lake's tables, the warehouse's, and one serving row edited by hand."""
        self.end()
        for table, rows in zip(self._tables, (self.silver, self.late), strict=True):
            self.world.lake.ensure(table)
            self._append(table.full_name, rows)
        found = {table.full_name: self.world.lake.snapshot(table.full_name) for table in self._tables}
        self._snapshots = {name: snapshot for name, snapshot in found.items() if snapshot is not None}
        # After the cut: below its offsets, so that only the snapshot keeps these out.
        later = [self._trip(n) for n in range(650, 660)]
        self._append(self._tables[0].full_name, [dataclasses.replace(one, place=(1, 9)) for one in later])
        for schema in ("batch", "stream"):
            self.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self.world.amendments.install()
        self._batch()
        for unit, name in zip(GRAINS, self.migration.kpis, strict=True):
            self._serve(name, unit if unit == "weekly" else "daily")
        self._amend()
        self.run(f"UPDATE stream.fold{self.keep}_daily__r1 SET tolls = tolls + 1 WHERE day = '{CLOSED}'")

    def end(self) -> None:
        """Remove everything."""
        for table in self._tables:
            self.world.lake.drop(table.full_name)
        for name in self.migration.kpis:
            self.run(f"DROP TABLE IF EXISTS batch.{name}; DROP TABLE IF EXISTS stream.{name}__r1")
        self.run(f"DROP TABLE IF EXISTS batch.{self.migration.name}_events")
        self.world.amendments.install()
        for journal in ("amended_event", "amendment"):
            self.run(f"DELETE FROM stream.{journal} WHERE migration = '{self.migration.name}'")

    def run(self, text: str) -> list[tuple[Any, ...]]:
        """Run statements in the warehouse; return the rows of the last one."""
        with psycopg.connect(**self._server) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def left_behind(self) -> list[str]:
        """Return side tables and roles of this migration."""
        mine = self.migration.name
        found = self.run(
            f"SELECT tablename FROM pg_tables WHERE schemaname = 'side' AND starts_with(tablename, '{mine}')"
            f" UNION ALL SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'side_{mine}')"
        )
        return [str(name) for (name,) in found]

    def _trip(self, n: int, started: date | None = None) -> Trip:
        draw = self._draw
        day = started or FROM + timedelta(days=draw.randrange((LAST - FROM).days))
        noon = datetime(day.year, day.month, day.day, 17, tzinfo=UTC)
        return Trip(
            trip_id=f"t{n}",
            rider=f"r{draw.randrange(40)}",
            kind=draw.choice("AB"),
            started=noon + timedelta(microseconds=draw.randrange(-36_000_000_000, 36_000_000_000) // 10_000),
            zone=draw.choice(["N", "é'", "", None]),
            fare=draw.choice([None, draw.randrange(2_000), 2**31 - 1]),
            toll=draw.choice([None, Decimal(draw.randrange(10**11)) / 100, Decimal("-0.01")]),
            miles=draw.choice([None, draw.random() * 30, 1 / 3, -0.0, 123456789012.123456]),
            shared=draw.choice([None, True, False]),
            version=1,
            place=self._place(n % 2),
        )

    def _place(self, partition: int) -> tuple[int, int]:
        self._next[partition] += 1
        return partition, self._next[partition] - 1

    def _revise(self) -> None:
        """Add versions: late ones, most of which replace what was accepted; accepted ones on other days."""
        for n in range(30):
            older, begun = self.silver[300 + n], self.late[n].started
            self.late.append(older.revised(3, self._place(n % 2), fare=n, started=begun))
            self.replaces.add(older.trip_id)
        for n in range(12):
            self.late.append(self.late[50 + n].revised(4, self._place(n % 2), fare=-n))
        for n in range(6):  # accepted after the amendment, so both count
            self.late.append(self.silver[400 + n].revised(0, self._place(0), fare=n))
        for n in range(0, 120, 2):
            moved = self.silver[n].started + timedelta(days=n % 3)
            newer = self.silver[n].revised(2, self._place(0), fare=n, started=moved)
            self.silver.append(newer)

    def _below(self, trip: Trip) -> bool:
        return trip.place[1] < self.ends[trip.place[0]]

    def _counted(self, unit: str) -> Iterator[Trip]:
        """Yield what the serving rows are folded of: rows of a week only with what was amended with it."""
        sunday = max(day for day in AMENDED_DAYS if day.weekday() == 6)
        taken = [t for t in self.amended if unit != "weekly" or self._day_of(t.started) <= sunday]
        gone = {trip.trip_id for trip in taken if trip.trip_id in self.replaces}
        accepted = [t for t in self.silver if self._below(t) and t.trip_id not in gone]
        for rows in (accepted, taken):
            newest = {trip.trip_id: trip for trip in sorted(rows, key=lambda one: one.version)}
            yield from newest.values()

    def _append(self, table: str, rows: Iterable[Trip]) -> None:
        wanted = next(one for one in self._tables if one.full_name == table)
        placed = [
            {
                **trip.values(),
                "business_day": self._day_of(trip.started),
                "kafka_partition": trip.place[0],
                "kafka_offset": trip.place[1],
                "arrived_at": trip.started + timedelta(hours=1),
            }
            for trip in rows
        ]
        arrow = pa.Table.from_pylist(placed, schema=arrow_schema(wanted))
        self.world.lake._catalog.load_table(table).append(arrow)  # type: ignore[attr-defined]

    def _batch(self) -> None:
        """Build the batch side: without one event, with another fare, all late rows, and one of its own."""
        rows = list(self._counted("daily"))
        seen = {trip.trip_id for trip in rows}
        rows += [trip for trip in self.late if trip.trip_id not in seen]
        rows = [*rows[1:], self._trip(999)]
        rows[5] = dataclasses.replace(rows[5], fare=7)
        self._events(f"batch.{self.migration.name}_events", rows)
        for name, kpi in self.migration.kpis.items():
            fold = kpi.fold("postgres", f"batch.{self.migration.name}_events")
            self.run(f"CREATE TABLE batch.{name} AS {fold}")

    def _serve(self, name: str, unit: str) -> None:
        kpi = self.migration.kpis[name]
        columns = ", ".join(f'"{column}"' for column, _ in kpi.column_types())
        with psycopg.connect(**self._server) as connection:
            connection.execute(stream_table(kpi, 1))
        self._events("batch.fold_served", list(self._counted(unit)))
        fold = kpi.fold("postgres", "batch.fold_served")
        key = ", grain_key" if kpi.key_may_hold_null else ""
        made = ", row_number() OVER ()" if kpi.key_may_hold_null else ""
        self.run(f"INSERT INTO stream.{name}__r1 ({columns}{key}) SELECT *{made} FROM ({fold}) AS f")
        self.run("DROP TABLE batch.fold_served")

    def _amend(self) -> None:
        name = self.migration.name
        days = ", ".join(f"DATE '{day}'" for day in AMENDED_DAYS)
        self.run(
            "INSERT INTO stream.amendment (migration, amendment_id, revision, days, late_snapshot, rows,"
            f" actor, reason, dag_run) VALUES ('{name}', 1, 1, ARRAY[{days}], 1, 1, 'ana', 'test', '')"
        )
        places = ", ".join(
            f"('{name}', 1, 1, '{trip.trip_id}', DATE '{self._day_of(trip.started)}', {trip.place[0]},"
            f" {trip.place[1]}, {trip.trip_id in self.replaces})"
            for trip in self.amended
        )
        self.run(
            "INSERT INTO stream.amended_event (migration, revision, amendment_id, event_id, business_day,"
            f" kafka_partition, kafka_offset, replaces) VALUES {places}"
        )

    def _events(self, table: str, rows: Sequence[Trip]) -> None:
        fields = {field.name: field.type for field in self.migration.event_fields}
        columns = ", ".join(f'"{name}" {sql_type(kind, "postgres")}' for name, kind in fields.items())
        self.run(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns})")
        insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(*table.split(".")),
            sql.SQL(", ").join(map(sql.Identifier, fields)),
            sql.SQL(", ").join(map(sql.Placeholder, fields)),
        )
        with psycopg.connect(**self._server) as connection:
            connection.cursor().executemany(insert, [trip.values() for trip in rows])


@contextmanager
def fold_world(stack: Stack, keep: str, folder: Path) -> Iterator[FoldWorld]:
    """Yield the world with both sides written, its adapters made as in production; remove it afterwards."""
    caches = (bootstrap.world, bootstrap.scripts, bootstrap.ledger)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.env.items():
            patch.setenv(name, value)
        for cached in caches:
            cached.cache_clear()
        found = FoldWorld(keep, folder)
        found.begin()
        try:
            yield found
        finally:
            found.end()
            for cached in caches:
                cached.cache_clear()
