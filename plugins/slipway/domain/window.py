"""The observation window: the unbroken run of passing days that a switch needs behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from slipway.domain.contract_judging import Kind, Observe
from slipway.domain.evidence import Verdict


@dataclass(frozen=True, slots=True)
class Closing:
    """With which of the compared, closed days rows of a KPI close; next: the first such day after them."""

    kpi: str
    days: frozenset[date]
    next: date


@dataclass(frozen=True, slots=True)
class Window:
    """The run of passing days that ends at the last closed day. missing: sentences; empty when complete."""

    days: int
    needed: int
    first: date | None
    through: date | None
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """True when nothing is missing."""
        return not self.missing


NO_WINDOW = Window(0, 0, None, None, ())
"""Stands in evidence that is about no night, such as that of a close run; it opens no gate."""


def observed(
    verdicts: Mapping[date, Verdict],
    closed_through: date | None,
    observe: Observe,
    night: Verdict,
    closing: Sequence[Closing] = (),
) -> Window:
    """Return the window as this night's verdicts by closed day make it.

    Every day of the run must pass tonight. A night whose check broke or saw too little completes nothing.
    closing: of every KPI. A day with which no row closes neither counts nor breaks the run, and a KPI counts
    as seen only when one of its rows has closed within the run.
    """
    silent = _silent(verdicts, closing)
    walked = _run(verdicts, closed_through, silent)
    run = [day for day in walked if day not in silent]
    missing = []
    if night in (Verdict.ERROR, Verdict.INCONCLUSIVE):
        missing.append(f"tonight's verdict is {night}, so no day counts")
        run = []
    breaker = (walked[-1] if walked else (closed_through or date.min) + timedelta(days=1)) - timedelta(days=1)
    if len(run) < observe.closed_days:
        many = observe.closed_days > 1
        missing.append(
            f"{len(run)} of {observe.closed_days} closed days in a row have passed"
            if many
            else "no closed day has passed"
        )
        if night not in (Verdict.ERROR, Verdict.INCONCLUSIVE) and verdicts.get(breaker) is Verdict.FAIL:
            missing.append(f"{spoken(breaker)} does not pass and breaks the run")
    for kind in observe.including:
        missing += _lacking(kind, run, run[0] if run else closed_through)
    for one in closing:
        if run and not one.days & set(run):
            missing.append(f"no row of {one.kpi} closes in the run; the next one does on {spoken(one.next)}")
    return Window(
        days=len(run),
        needed=observe.closed_days,
        first=run[-1] if run else None,
        through=closed_through,
        missing=tuple(missing),
    )


def spoken(day: date) -> str:
    """Return a day as a person says it: 27 February 2013."""
    return f"{day.day} {day:%B %Y}"


def _silent(verdicts: Mapping[date, Verdict], closing: Sequence[Closing]) -> frozenset[date]:
    """Return the days between the first and the last of any KPI with which no row of a KPI closes."""
    loud = set(verdicts).union(*(one.days for one in closing))
    until = max((one.next for one in closing), default=None)
    if not loud or until is None:
        return frozenset()
    first = min(loud)
    days = (first + timedelta(days=n) for n in range((until - first).days))
    return frozenset(day for day in days if day not in loud)


def _run(
    verdicts: Mapping[date, Verdict], closed_through: date | None, silent: Collection[date]
) -> list[date]:
    run: list[date] = []
    day = closed_through
    while day is not None and (verdicts.get(day) is Verdict.PASS or day in silent):
        run.append(day)
        day -= timedelta(days=1)
    return run


def kind_of_day(kind: Kind) -> str:
    """Return one entry of gates.observe.including in words, such as a month end, or 4 July 2013."""
    match kind:
        case date():
            return spoken(kind)
        case "weekly_cycle":
            return "every day of the week"
        case "month_end":
            return "a month end"


def _lacking(kind: Kind, run: Sequence[date], latest: date | None) -> Iterator[str]:
    """Yield what an unbroken run of days lacks of a kind. latest: the last closed day, if there is one."""
    match kind:
        case date() if kind not in run:
            behind = latest is not None and kind <= latest
            yield f"{spoken(kind)} is not among them" + ("" if behind else "; it has not closed yet")
        case "weekly_cycle":
            absent = [_WEEKDAYS[n] for n in sorted(set(range(7)) - {day.weekday() for day in run})]
            if absent:
                yield f"not every day of the week is among them; {', '.join(absent)} is lacking"
        case "month_end" if not any(_is_month_end(day) for day in run):
            when = f"; the next one is {spoken(_next_month_end(latest))}" if latest else ""
            yield f"no month end is among them{when}"


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _is_month_end(day: date) -> bool:
    return (day + timedelta(days=1)).month != day.month


def _next_month_end(after: date) -> date:
    day = after + timedelta(days=1)
    while not _is_month_end(day):
        day += timedelta(days=1)
    return day
