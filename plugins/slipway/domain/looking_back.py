"""How many days a night must look back, so that what the gate waits for can be seen in one night."""

from __future__ import annotations

from datetime import date

from slipway.domain.contract import Migration
from slipway.domain.measures import GrainColumn

LONGEST_MONTH = 31


def enough_for(time: GrainColumn) -> int:
    """Return the closed days among which, on any night, is one with which a row of this grain closes."""
    match time.function:
        case "week":
            return 7
        case "month":
            return LONGEST_MONTH
        case _:
            return 1


def enough_days(migration: Migration) -> int:
    """Return the closed days in which, on any night, the whole observation window fits.

    That is closed_days days with which some row closes, one row of every KPI, and the kinds of day asked for.
    A month end is taken for seen within a month, which holds unless every row is by week.
    """
    observe = migration.contract.gates.observe
    rows = max(enough_for(kpi.time) for kpi in migration.kpis.values())
    asked = {"month_end": LONGEST_MONTH, "weekly_cycle": 7}
    kinds = max((asked.get(str(kind), 1) for kind in observe.including), default=1)
    return max(rows, kinds, _span(migration, observe.closed_days, whole=True))


def fewest_days(migration: Migration) -> int:
    """Return the closed days below which no night can hold the closed_days that the window needs."""
    return _span(migration, migration.contract.gates.observe.closed_days, whole=False)


def _span(migration: Migration, rows: int, *, whole: bool) -> int:
    """Return the days that hold so many days with which rows close: on any night, or on the best one."""
    grains = {kpi.time.function for kpi in migration.kpis.values()}
    if not grains <= {"week", "month"}:
        return rows
    if grains == {"month"}:
        return max(_months(rows)) if whole else min(_months(rows - 1)) + 1
    if whole:
        return 7 * rows
    return 7 * (rows - 1) + 1 if grains == {"week"} else rows


def _months(count: int) -> list[int]:
    """Return how many days so many months in a row have, from each month of four years."""
    starts = [date(2024 + n // 12, n % 12 + 1, 1) for n in range(48)]
    return [(_later(start, count) - start).days for start in starts]


def _later(start: date, months: int) -> date:
    year, month = divmod(start.month - 1 + months, 12)
    return date(start.year + year, month + 1, 1)
