"""Which rows an amendment changes, and when: a row is changed once it has closed, never in part.

A row of a week or a month may be open while a day of it is closed. A late row of that day then counts in
the rows of the day at once, and in the row of the month once that has closed: the next amendment takes it in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from slipway.domain.closing import closing_day, is_coarse
from slipway.domain.contract import Migration
from slipway.ports import AmendedEvent, Amendment


def settle(
    migration: Migration,
    candidates: Sequence[AmendedEvent],
    wanted: Collection[date],
    pending: Collection[date],
    last: date,
) -> tuple[set[date], int]:
    """Return the days with which changed rows close, and how many late rows count on them then.

    Every late row of such a day is let in, and changes days of its own: repeated until nothing is added.
    """
    closed = [event for event in candidates if moves_within(migration, event, last)]
    chosen = [event for event in closed if event.days & set(wanted)]
    changed = set(pending)
    while True:
        grown = changed.union(*(_changed_days(migration, event, last) for event in chosen))
        if grown == changed:
            return changed, len(chosen)
        changed = grown
        chosen = [event for event in closed if event.days & set(wanted) or event.days <= changed]


def _changed_days(migration: Migration, event: AmendedEvent, last: date) -> set[date]:
    """Return the days with which rows close that hold one of the event's days and are closed already."""
    closing = {closing_day(kpi.time, day) for kpi in migration.kpis.values() for day in event.days}
    return set(event.days) | {day for day in closing if day <= last}


def moves_within(migration: Migration, event: AmendedEvent, closed: date | Collection[date]) -> bool:
    """Say whether every row that a version leaves or enters is closed, or it stays in the same row.

    An event must not leave one week and be missing in the next until that closes, so it waits.
    closed: the last closed day, or the days that are replaced.
    """
    moves = [
        {closing_day(kpi.time, day) for day in event.days}
        for kpi in migration.kpis.values()
        if is_coarse(kpi.time)
    ]
    return all(
        len(days) == 1 or (max(days) <= closed if isinstance(closed, date) else days <= set(closed))
        for days in moves
    )


def pending_days(
    migration: Migration, amended: Sequence[AmendedEvent], decisions: Sequence[Amendment], last: date
) -> set[date]:
    """Return the days with which rows have closed that were open when a late row of theirs was amended."""
    coarse = [kpi.time for kpi in migration.kpis.values() if is_coarse(kpi.time)]
    closed = {
        (event.amendment, day)
        for event in amended
        for day in (closing_day(time, event.business_day) for time in coarse)
        if day <= last
    }
    return {
        day for decided, day in closed if not any(one.id >= decided and day in one.days for one in decisions)
    }
