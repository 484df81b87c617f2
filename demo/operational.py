"""The operational database of the demo: what the airline knew at an instant, which the batch side reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, LiteralString

from psycopg import Connection

from demo.faults import Injection
from demo.flights import Flight, Plane

BATCH = 5_000
"""Flights a transaction: a reader never waits long for one."""

Row = tuple[Any, ...]


def prepare(connection: Connection[Row], planes: Sequence[Plane]) -> None:
    """Create what is absent and fill the register of aircraft; doing it again changes nothing."""
    with connection.transaction():
        # Two at once would both find nothing and both create.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('demo.operational'))")
        connection.execute(_sql("ops.sql"))
        if _count(connection, "SELECT count(*) FROM ops.planes") != len(planes):
            connection.execute("CREATE TEMP TABLE arriving_planes (LIKE ops.planes) ON COMMIT DROP")
            _copy(connection, "COPY arriving_planes FROM STDIN", map(astuple, planes))
            connection.execute(
                "INSERT INTO ops.planes SELECT * FROM arriving_planes ON CONFLICT (tailnum) DO NOTHING"
            )


def record_faults(connection: Connection[Row], injections: Sequence[Injection]) -> None:
    """Write down every fault of the whole feed, those included that have not come yet."""
    with connection.transaction():
        connection.execute("DELETE FROM ops.injected_faults")
        rows = ((number, *astuple(injection)) for number, injection in enumerate(injections))
        _copy(connection, "COPY ops.injected_faults FROM STDIN", rows)


def upsert(connection: Connection[Row], flights: Sequence[Flight], at: datetime) -> int:
    """Bring ops.flights to what was known at an instant; returns how many rows were new or changed."""
    changed = 0
    rows = (row for flight in flights if (row := known_at(flight, at)) is not None)
    while batch := list(islice(rows, BATCH)):
        with connection.transaction():
            connection.execute("CREATE TEMP TABLE arriving (LIKE ops.flights) ON COMMIT DROP")
            _copy(connection, "COPY arriving FROM STDIN", batch)
            changed += connection.execute(_sql("upsert_flights.sql")).rowcount
    return changed


def known_at(flight: Flight, at: datetime) -> Row | None:
    """Return the row of a flight as it stood at an instant; None before its day had begun."""
    if at < flight.announced_at:
        return None
    departed = _past(flight.departed_at, at)
    arrived = _past(flight.arrived_at, at)
    cancelled = _past(flight.cancelled_at, at)
    return (
        flight.flight_id,
        flight.flight_date,
        flight.carrier,
        flight.flight,
        flight.origin,
        flight.dest,
        flight.tailnum,
        flight.distance,
        flight.scheduled_departure,
        flight.dep_delay if departed else None,
        flight.arr_delay if arrived else None,
        departed,
        arrived,
        cancelled,
        max(instant for instant in (flight.announced_at, departed, arrived, cancelled) if instant),
    )


def note_progress(connection: Connection[Row], topic: str, through: datetime, records: int) -> None:
    """Record that the topic holds every record that arrived up to an instant; never goes back."""
    connection.execute(
        "INSERT INTO ops.replay_progress AS known VALUES (%s, %s, %s) ON CONFLICT (topic) DO UPDATE"
        " SET replayed_through = excluded.replayed_through, records = excluded.records"
        " WHERE known.replayed_through < excluded.replayed_through",
        (topic, through, records),
    )


def _past(instant: datetime | None, at: datetime) -> datetime | None:
    return instant if instant is not None and instant <= at else None


def _copy(connection: Connection[Row], statement: LiteralString, rows: Iterator[Row] | Sequence[Row]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _count(connection: Connection[Row], query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _sql(name: str) -> LiteralString:
    return (Path(__file__).parent / "sql" / name).read_text(encoding="utf-8")
