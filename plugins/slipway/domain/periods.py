"""Periods that people close: a month, an ISO week, a quarter, or days from one to another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from slipway.errors import Permanent

EXPECTED = (
    "expected a month such as 2013-02, an ISO week such as 2013-W09, a quarter such as 2013-Q1,"
    " or days such as 2013-02-01..2013-02-14"
)
LONGEST = 366
"""Days of the longest period; what is longer is closed in parts, each signed by itself."""

_DAY = timedelta(days=1)
_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")
_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_DAYS = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\.\.([0-9]{4}-[0-9]{2}-[0-9]{2})")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Business days from first to last, both included, under the name that people gave them."""

    first: date
    last: date
    name: str

    @property
    def days(self) -> tuple[date, ...]:
        """The period's business days, ascending."""
        return tuple(self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    @property
    def words(self) -> str:
        """The period as a person says it: February 2013, week 9 of 2013, 1 to 14 February 2013."""
        if found := _WEEK.fullmatch(self.name):
            return f"week {int(found[2])} of {found[1]}"
        if found := _QUARTER.fullmatch(self.name):
            return f"quarter {found[2]} of {found[1]}"
        if _MONTH.fullmatch(self.name):
            return f"{self.first:%B %Y}"
        begin = f"{self.first.day}"
        if (self.first.year, self.first.month) != (self.last.year, self.last.month):
            begin += f" {self.first:%B}"
        if self.first.year != self.last.year:
            begin += f" {self.first:%Y}"
        return f"{begin} to {self.last.day} {self.last:%B %Y}"


def period(name: str) -> Period:
    """Return the period of a name; Permanent says what is expected when there is none of that name."""
    text = name.strip()
    try:
        if found := _WEEK.fullmatch(text):
            monday = date.fromisocalendar(int(found[1]), int(found[2]), 1)
            return Period(monday, monday + timedelta(days=6), text)
        if found := _QUARTER.fullmatch(text):
            first = date(int(found[1]), 3 * int(found[2]) - 2, 1)
            return Period(first, _month_end(first.replace(month=first.month + 2)), text)
        if found := _MONTH.fullmatch(text):
            first = date(int(found[1]), int(found[2]), 1)
            return Period(first, _month_end(first), text)
        if found := _DAYS.fullmatch(text):
            return _of_days(date.fromisoformat(found[1]), date.fromisoformat(found[2]), text)
    except (ValueError, OverflowError) as error:
        raise Permanent(f"{name!r} is not a period, for {error}; {EXPECTED}") from error
    raise Permanent(f"{name!r} is not a period; {EXPECTED}")


def refuse_early(wanted: Period, begins: date) -> None:
    """Refuse a period that begins before parity.from: the stream has never had its first days."""
    if wanted.first < begins:
        raise Permanent(
            f"the period {wanted.name} begins on {wanted.first}, before {begins}, the first day that is"
            f" compared (parity.from); close a period that begins then, such as {begins}..{wanted.last}"
            if wanted.last >= begins
            else f"the period {wanted.name} ends on {wanted.last}, before {begins}, the first day that is"
            " compared (parity.from); the stream never had these days, so there is nothing to close"
        )


def _month_end(day: date) -> date:
    # Not by way of the next month: there is none after December 9999.
    for length in (31, 30, 29):
        try:
            return day.replace(day=length)
        except ValueError:
            continue
    return day.replace(day=28)


def _of_days(first: date, last: date, name: str) -> Period:
    if last < first:
        raise Permanent(f"the period {name} ends before it begins; {EXPECTED}")
    if (last - first).days >= LONGEST:
        raise Permanent(
            f"the period {name} has {(last - first).days + 1} days, more than {LONGEST}; close it in parts"
        )
    return Period(first, last, name)
