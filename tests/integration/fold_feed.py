"""What a test of folds holds: trips with every kind of measure, revised, late, amended, beyond the cut."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from slipway.domain.avro import parse_schema
from slipway.domain.contract import Contract, Migration, compile_migration

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


class Feed:
    """The events of a migration. amended: late rows that count; replaces: ids whose accepted ones do not.

    ends: next offset of the cut by partition; some of the records lie beyond it.
    """

    def __init__(self, keep: str) -> None:
        self._draw = random.Random(42)
        self._next = dict.fromkeys(BEYOND, 0)
        self.day_of = migration(keep, "duckdb").business_day
        self.late = [self.trip(n, started=AMENDED_DAYS[n % 3]) for n in range(600, 650)]
        self.silver = [self.trip(n) for n in range(600)]
        self.replaces: set[str] = set()
        if keep == "latest":
            self._revise()
        self.ends = {partition: self._next[partition] - beyond for partition, beyond in BEYOND.items()}
        self.amended = [trip for trip in self.late if trip.place[1] % 2 and self.below(trip)]

    def trip(self, n: int, started: date | None = None) -> Trip:
        """Draw an event; its record is the next one of a partition."""
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

    def below(self, trip: Trip) -> bool:
        """Say whether the cut has the record."""
        return trip.place[1] < self.ends[trip.place[0]]

    def counted(self, unit: str) -> Iterator[Trip]:
        """Yield what the serving rows are folded of: rows of a week only with what was amended with it."""
        sunday = max(day for day in AMENDED_DAYS if day.weekday() == 6)
        taken = [t for t in self.amended if unit != "weekly" or self.day_of(t.started) <= sunday]
        gone = {trip.trip_id for trip in taken if trip.trip_id in self.replaces}
        accepted = [t for t in self.silver if self.below(t) and t.trip_id not in gone]
        for rows in (accepted, taken):
            newest = {trip.trip_id: trip for trip in sorted(rows, key=lambda one: one.version)}
            yield from newest.values()
