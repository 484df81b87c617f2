"""When a row of a KPI opens and closes, in business days: GrainColumn.opens_on and closes_on in Python."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from slipway.domain.contract import Migration
from slipway.domain.measures import CompiledKpi, GrainColumn
from slipway.domain.rendering import text_literal

_MONDAY_TO_SUNDAY = 6


def midnight_sql(zone: ZoneInfo, day: str) -> str:
    """Return the SQL of DuckDB and Postgres for the instant with which a business day begins.

    day: SQL of a date. Where clocks go back at one o'clock, midnight comes twice: asked for it, these engines
    say the second, Python and Flink the first. An hour before is unambiguous, or taken for the second there.
    """
    before = f"timezone({text_literal(zone.key)}, CAST({day} AS TIMESTAMP) - INTERVAL '1 hour')"
    return f"({before} + INTERVAL '1 hour')"


def opening_day(time: GrainColumn, day: date) -> date:
    """Return the first business day of the row that holds a day: a Monday, the 1st, or the day itself."""
    match time.function:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case _:
            return day


def closing_day(time: GrainColumn, day: date) -> date:
    """Return the last business day of the row that holds a day: the day with which that row closes."""
    match time.function:
        case "week":
            return opening_day(time, day) + timedelta(days=_MONDAY_TO_SUNDAY)
        case "month":
            return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        case _:
            return day


def closes(time: GrainColumn, day: date) -> bool:
    """Say whether a row closes with a day."""
    return closing_day(time, day) == day


def is_coarse(time: GrainColumn) -> bool:
    """Say whether a row may hold several business days: it can be open while a day of it is closed."""
    return time.function in ("week", "month")


def reach(migration: Migration, first: date) -> date:
    """Return the first day whose events are needed to compare the rows that close on `first` or later.

    Rows that open before parity.from are never compared, so nothing before it is needed.
    """
    opened = min(opening_day(kpi.time, first) for kpi in migration.kpis.values())
    return max(opened, migration.contract.parity.from_day)


def closing_days(migration: Migration, kpi: CompiledKpi, first: date, last: date) -> tuple[date, ...]:
    """Return the days from first to last with which a compared row of the KPI closes, ascending."""
    start = migration.contract.parity.from_day
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(day for day in days if closes(kpi.time, day) and opening_day(kpi.time, day) >= start)


def next_closing_day(migration: Migration, kpi: CompiledKpi, after: date) -> date:
    """Return the next day after a day with which a compared row of the KPI closes."""
    day = closing_day(kpi.time, after + timedelta(days=1))
    while opening_day(kpi.time, day) < migration.contract.parity.from_day:
        day = closing_day(kpi.time, day + timedelta(days=1))
    return day


def span(migration: Migration, days: Iterable[date]) -> tuple[date, date]:
    """Return the first and last business day of all rows, of any KPI, that close on one of the days."""
    chosen = sorted(days)
    opened = min(opening_day(kpi.time, day) for kpi in migration.kpis.values() for day in chosen)
    return opened, chosen[-1]
