"""Periods by name: what they hold, what they are called, and that they tile the calendar."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.periods import Period, period, refuse_early
from slipway.errors import Permanent

ONE_DAY = timedelta(days=1)
DAYS = st.dates(date(1971, 1, 1), date(2199, 12, 31))


@pytest.mark.parametrize(
    ("name", "first", "last", "words"),
    [
        ("2013-02", date(2013, 2, 1), date(2013, 2, 28), "February 2013"),
        ("2012-02", date(2012, 2, 1), date(2012, 2, 29), "February 2012"),
        ("2013-12", date(2013, 12, 1), date(2013, 12, 31), "December 2013"),
        ("2013-W09", date(2013, 2, 25), date(2013, 3, 3), "week 9 of 2013"),
        ("2020-W53", date(2020, 12, 28), date(2021, 1, 3), "week 53 of 2020"),
        ("2013-Q1", date(2013, 1, 1), date(2013, 3, 31), "quarter 1 of 2013"),
        ("2013-Q4", date(2013, 10, 1), date(2013, 12, 31), "quarter 4 of 2013"),
        (
            "2013-02-01..2013-02-14",
            date(2013, 2, 1),
            date(2013, 2, 14),
            "1 to 14 February 2013",
        ),
        (
            "2012-12-30..2013-01-02",
            date(2012, 12, 30),
            date(2013, 1, 2),
            "30 December 2012 to 2 January 2013",
        ),
        ("9999-12", date(9999, 12, 1), date(9999, 12, 31), "December 9999"),
    ],
)
def test_a_name_stands_for_days(name: str, first: date, last: date, words: str) -> None:
    found = period(f" {name} ")

    assert (found.first, found.last, found.name, found.words) == (first, last, name, words)
    assert (found.days[0], found.days[-1], len(found.days)) == (first, last, (last - first).days + 1)
    assert first in found and last in found
    assert first - ONE_DAY not in found


@pytest.mark.parametrize(
    "name",
    [
        "",
        "2013",
        "2013-13",
        "2013-00",
        "2013-2",
        "2013-W54",
        "2013-W53",
        "2013-Q5",
        "2013-02-01",
        "2013-02-30..2013-03-01",
        "February",
        "٢٠١٣-٠٢",
        "0000-01",
        "2013-02..2013-03",
    ],
)
def test_what_is_no_period_is_refused_with_what_is_expected(name: str) -> None:
    with pytest.raises(Permanent, match=r"expected a month such as 2013-02, an ISO week"):
        period(name)


def test_days_that_end_before_they_begin_or_never_end_are_refused() -> None:
    with pytest.raises(Permanent, match="ends before it begins"):
        period("2013-02-14..2013-02-01")
    with pytest.raises(Permanent, match="367 days, more than 366; close it in parts"):
        period("2012-01-01..2013-01-01")
    assert len(period("2012-01-01..2012-12-31").days) == 366


def test_a_period_that_begins_before_the_first_compared_day_is_refused() -> None:
    begins = date(2013, 2, 25)
    refuse_early(period("2013-W09"), begins)
    with pytest.raises(Permanent, match=r"such as 2013-02-25\.\.2013-02-28"):
        refuse_early(period("2013-02"), begins)
    with pytest.raises(Permanent, match="the stream never had these days"):
        refuse_early(period("2013-01"), begins)


def names_of(day: date) -> list[str]:
    year, week, _ = day.isocalendar()
    return [f"{day:%Y-%m}", f"{year:04}-W{week:02}", f"{day.year}-Q{(day.month + 2) // 3}"]


@given(DAYS, st.integers(0, 2))
def test_every_day_lies_in_exactly_one_period_of_a_kind(day: date, kind: int) -> None:
    own = period(names_of(day)[kind])

    assert day in own
    assert all(period(names_of(other)[kind]) == own for other in own.days)
    assert period(names_of(own.last + ONE_DAY)[kind]).first == own.last + ONE_DAY


@given(DAYS, st.integers(0, 365))
def test_days_are_named_by_their_first_and_last(day: date, more: int) -> None:
    own = period(f"{day}..{day + timedelta(days=more)}")
    assert len(own.days) == more + 1
    assert own == Period(day, day + timedelta(days=more), own.name)
