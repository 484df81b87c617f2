"""The observation window: the unbroken run of passing days that a switch needs behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from slipway.domain.contract import Observe
from slipway.domain.evidence import Verdict


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


def observed(
    verdicts: Mapping[date, Verdict], closed_through: date | None, observe: Observe, night: Verdict
) -> Window:
    """Return the window as this night's verdicts by closed day make it.

    Every day of the run must pass tonight. A night whose check broke or saw too little completes nothing.
    """
    run = _run(verdicts, closed_through)
    missing = []
    if night in (Verdict.ERROR, Verdict.INCONCLUSIVE):
        missing.append(f"tonight's verdict is {night}, so no day counts")
        run = []
    breaker = (run[-1] if run else (closed_through or date.min) + timedelta(days=1)) - timedelta(days=1)
    if len(run) < observe.closed_days:
        lacking = observe.closed_days - len(run)
        missing.append(
            f"{len(run)} of {observe.closed_days} closed days in a row have passed; {lacking} more"
            f" {'is' if lacking == 1 else 'are'} needed"
        )
        if night not in (Verdict.ERROR, Verdict.INCONCLUSIVE) and verdicts.get(breaker) is Verdict.FAIL:
            missing.append(f"{spoken(breaker)} does not pass and breaks the run")
    for kind in observe.including:
        if not any(_is(kind, day) for day in run):
            latest = run[0] if run else closed_through
            when = f"; the next one is {spoken(_next(kind, latest))}" if latest else ""
            missing.append(f"no {kind.replace('_', ' ')} is among them{when}")
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


def _run(verdicts: Mapping[date, Verdict], closed_through: date | None) -> list[date]:
    run: list[date] = []
    day = closed_through
    while day is not None and verdicts.get(day) is Verdict.PASS:
        run.append(day)
        day -= timedelta(days=1)
    return run


def _is(kind: str, day: date) -> bool:
    match kind:
        case "month_end":
            return (day + timedelta(days=1)).month != day.month
        case _:
            raise ValueError(f"no rule says which days are a {kind}")


def _next(kind: str, after: date) -> date:
    day = after + timedelta(days=1)
    while not _is(kind, day):
        day += timedelta(days=1)
    return day
