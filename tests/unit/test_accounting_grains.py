"""Cells of an hour, a week or a month are compared whole, and judged on the day they close on."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from slipway.adapters.evidence_files import EvidenceFiles
from slipway.domain.accounting import ComparedKpi
from slipway.domain.closing import (
    closing_day,
    closing_days,
    midnight_sql,
    next_closing_day,
    opening_day,
    reach,
    span,
)
from slipway.domain.evidence import Cause
from tests.fakes.two_sides import FIRST, Trip, TwoSides, migration

SPRING_FORWARD = date(2026, 3, 8)
"""A day of 23 hours in New York: 01:59 EST is followed by 03:00 EDT."""


def trip(n: int, started: datetime, **changes: object) -> Trip:
    return Trip(f"t{n}", f"r{n}", "A", started, "N", 100, 1.5, 2 ** (n % 60)).but(**changes)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 17, tzinfo=UTC)


def compared(sides: TwoSides) -> ComparedKpi:
    store = EvidenceFiles(sides.folder / "store")
    [kpi] = sides.comparison().compare(sides.migration, sides.question(), store).kpis.values()
    return kpi


def sides_of(folder: Path, time: str, days: int, closed: int | None = None) -> TwoSides:
    return TwoSides(folder, migration(kpis={"trips_kpi": time}), days=days, closed=closed)


def both(sides: TwoSides, one: Trip) -> None:
    sides.batch.append(one)
    sides.accept(one)


def test_a_difference_is_found_in_its_own_hour_and_shown_in_local_time(tmp_path: Path) -> None:
    sides = sides_of(tmp_path, "hour(started)", days=8)
    eight = datetime(2026, 3, 8, 5, tzinfo=UTC)  # midnight in New York
    for n in range(23):
        both(sides, trip(n, eight + timedelta(hours=n)))
    sides.batch.append(trip(40, eight + timedelta(hours=2, minutes=5)))

    kpi = compared(sides)

    assert (kpi.cells, kpi.differing, kpi.broken) == (23, 1, 0)
    assert {d.cell["day"] for d in kpi.listed} == {"2026-03-08T03:00-04:00"}
    assert {d.day for d in kpi.listed} == {SPRING_FORWARD}
    assert {c.cause for c in kpi.causes} == {Cause.NOT_ARRIVED}
    assert [d.cells for d in kpi.days if d.measure == "trips"] == [23]


def test_an_event_that_only_changed_its_hour_is_named(tmp_path: Path) -> None:
    sides = sides_of(tmp_path, "hour(started)", days=2)
    sides.batch.append(trip(1, noon(FIRST)))
    sides.accept(trip(1, noon(FIRST) + timedelta(hours=1)))

    kpi = compared(sides)

    moved = [c for c in kpi.causes if c.measure == "trips"]
    assert [(c.cause, c.net, c.gross) for c in moved] == [(Cause.TIME_BUCKET, 0, 2)]


def test_a_month_is_folded_from_its_first_day_although_only_its_end_is_looked_back_to(tmp_path: Path) -> None:
    sides = sides_of(tmp_path, "month(started)", days=31)
    for day in range(31):
        both(sides, trip(day, noon(FIRST + timedelta(days=day))))
    question = sides.question()
    late_look = dataclasses.replace(question, first=date(2026, 3, 25))
    store = EvidenceFiles(sides.folder / "store")

    [kpi] = sides.comparison().compare(sides.migration, late_look, store).kpis.values()

    trips = [d for d in kpi.days if d.measure == "trips"]
    assert [(d.day, d.batch, d.recomputed, d.stream) for d in trips] == [(date(2026, 3, 31), 31, 31, 31)]
    assert kpi.differing == 0


def test_a_week_that_opens_before_the_streams_first_day_is_not_compared(tmp_path: Path) -> None:
    # 1 March 2026 is a Sunday, so its week began on 23 February.
    sides = sides_of(tmp_path, "week(started)", days=8)
    for day in range(8):
        both(sides, trip(day, noon(FIRST + timedelta(days=day))))
    sides.stream_rows = "SELECT * REPLACE (trips + 5 AS trips) FROM folded WHERE day < DATE '2026-03-01'"
    sides.stream_rows += " UNION ALL SELECT * FROM folded WHERE day >= DATE '2026-03-01'"

    kpi = compared(sides)

    assert (kpi.cells, kpi.differing) == (1, 0)
    assert {d.day for d in kpi.days} == {date(2026, 3, 8)}


def test_a_month_that_is_still_open_is_shown_with_its_last_day_and_not_judged(tmp_path: Path) -> None:
    sides = sides_of(tmp_path, "month(started)", days=5, closed=3)
    sides.batch.append(trip(1, noon(FIRST)))

    kpi = compared(sides)

    assert {d.day for d in kpi.days} == {date(2026, 3, 31)}
    assert sides.question().closed_through < date(2026, 3, 31)


def test_a_late_event_amended_while_its_month_was_open_is_late_to_the_month_until_that_is_amended(
    tmp_path: Path,
) -> None:
    sides = sides_of(tmp_path, "month(started)", days=31)
    both(sides, trip(1, noon(FIRST)))
    sides.batch.append(trip(2, noon(FIRST)))
    sides.amended = [sides.come_late(trip(2, noon(FIRST)))]
    alone = "1 AS trips, 1 AS short, 100 AS fares, 2 AS weights, 1 AS riders"
    sides.stream_rows = f"SELECT * REPLACE ({alone}) FROM folded"

    waiting = compared(sides)
    sides.amended_days = [FIRST, date(2026, 3, 31)]
    sides.stream_rows = "SELECT * FROM folded"
    taken = compared(sides)

    assert {c.cause for c in waiting.causes} == {Cause.LATE}
    assert waiting.broken == 0
    assert taken.differing == 0


def test_days_with_which_rows_open_and_close() -> None:
    week, month = (migration(kpis={"k": f"{unit}(started)"}) for unit in ("week", "month"))
    [w], [m] = week.kpis.values(), month.kpis.values()
    wednesday = date(2026, 3, 11)

    assert (opening_day(w.time, wednesday), closing_day(w.time, wednesday)) == (
        date(2026, 3, 9),
        date(2026, 3, 15),
    )
    assert closing_day(m.time, date(2028, 2, 3)) == date(2028, 2, 29)
    assert closing_days(week, w, FIRST, wednesday) == (date(2026, 3, 8),)
    assert next_closing_day(week, w, wednesday) == date(2026, 3, 15)
    assert next_closing_day(month, m, FIRST) == date(2026, 3, 31)
    assert reach(month, date(2026, 4, 10)) == date(2026, 4, 1)
    assert reach(month, date(2026, 3, 10)) == FIRST
    assert span(month, [wednesday]) == (FIRST, wednesday)


@pytest.mark.parametrize(
    "zone",
    ["America/Havana", "America/Sao_Paulo", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "UTC"],
)
def test_a_day_begins_at_the_same_instant_for_the_engine_and_for_us(zone: str) -> None:
    days = [date(2015, 1, 1) + timedelta(days=n) for n in range(12 * 365)]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        begin = midnight_sql(ZoneInfo(zone), "day")
        query = f"SELECT epoch_us({begin}) FROM (SELECT unnest(?::DATE[]) AS day)"
        seen = [instant for (instant,) in connection.execute(query, [days]).fetchall()]

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    local = [datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) for day in days]
    assert seen == [(at - epoch) // timedelta(microseconds=1) for at in local]
