"""The observation window is an unbroken run of passing days, with the named days inside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.contract import Observe
from slipway.domain.evidence import Verdict
from slipway.domain.window import Closing, observed

PASS, FAIL = Verdict.PASS, Verdict.FAIL
FIVE = Observe(closed_days=5, including=("month_end",))
FEB_25 = date(2013, 2, 25)


def days(*verdicts: Verdict, first: date = FEB_25) -> Mapping[date, Verdict]:
    return {first + timedelta(days=n): verdict for n, verdict in enumerate(verdicts)}


def test_five_passing_days_over_a_month_end_complete_the_window() -> None:
    window = observed(days(PASS, PASS, PASS, PASS, PASS), date(2013, 3, 1), FIVE, PASS)

    assert window.complete
    assert (window.days, window.first, window.through) == (5, FEB_25, date(2013, 3, 1))


def test_a_failing_day_breaks_the_run_and_is_named() -> None:
    window = observed(days(PASS, PASS, FAIL, PASS, PASS), date(2013, 3, 1), FIVE, FAIL)

    assert window.days == 2
    assert window.missing == (
        "2 of 5 closed days in a row have passed",
        "27 February 2013 does not pass and breaks the run",
    )


def test_a_run_without_its_month_end_says_when_the_next_one_is() -> None:
    window = observed(
        days(PASS, PASS, PASS, PASS, PASS, first=date(2013, 3, 3)), date(2013, 3, 7), FIVE, PASS
    )

    assert window.missing == ("no month end is among them; the next one is 31 March 2013",)


@pytest.mark.parametrize("night", [Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_a_night_that_could_not_be_judged_completes_nothing(night: Verdict) -> None:
    window = observed(days(PASS, PASS, PASS, PASS, PASS), date(2013, 3, 1), FIVE, night)

    assert not window.complete
    assert window.days == 0


def test_no_closed_day_is_no_window() -> None:
    assert observed({}, None, FIVE, Verdict.INCONCLUSIVE).days == 0
    assert not observed({}, None, Observe(closed_days=1), PASS).complete


def test_a_day_that_was_not_compared_breaks_the_run() -> None:
    verdicts = {date(2013, 2, 26): PASS, date(2013, 2, 28): PASS}

    assert observed(verdicts, date(2013, 2, 28), FIVE, PASS).days == 1


@given(st.lists(st.sampled_from([PASS, FAIL]), min_size=1, max_size=20), st.integers(1, 6))
def test_the_window_is_complete_exactly_when_the_last_days_all_pass(
    verdicts: list[Verdict], needed: int
) -> None:
    last = FEB_25 + timedelta(days=len(verdicts) - 1)

    window = observed(days(*verdicts), last, Observe(closed_days=needed), FAIL if FAIL in verdicts else PASS)

    tail = verdicts[-needed:]
    assert window.complete == (len(tail) == needed and FAIL not in tail)


def weeks(*days: date) -> Closing:
    return Closing("orders_weekly", frozenset(days), max(days, default=FEB_25) + timedelta(days=7))


def test_days_with_which_no_row_closes_neither_count_nor_break_the_run() -> None:
    sundays = [date(2013, 3, 3) + timedelta(weeks=n) for n in range(3)]

    window = observed(
        dict.fromkeys(sundays, PASS), date(2013, 3, 20), Observe(closed_days=3), PASS, [weeks(*sundays)]
    )

    assert (window.days, window.first, window.missing) == (3, sundays[0], ())


def test_a_week_that_fails_breaks_a_run_of_weeks_and_is_named() -> None:
    sundays = [date(2013, 3, 3) + timedelta(weeks=n) for n in range(3)]
    verdicts = {sundays[0]: PASS, sundays[1]: FAIL, sundays[2]: PASS}

    window = observed(verdicts, date(2013, 3, 20), Observe(closed_days=3), FAIL, [weeks(*sundays)])

    assert window.days == 1
    assert "10 March 2013 does not pass and breaks the run" in window.missing


def test_a_kpi_none_of_whose_rows_closed_in_the_run_keeps_the_window_open() -> None:
    last = date(2013, 3, 1)
    daily = Closing("orders_daily", frozenset(days(*[PASS] * 5)), last + timedelta(days=1))
    weekly = Closing("orders_weekly", frozenset({date(2013, 2, 24)}), date(2013, 3, 3))

    window = observed(days(*[PASS] * 5), last, FIVE, PASS, [daily, weekly])

    assert window.missing == ("no row of orders_weekly closes in the run; the next one does on 3 March 2013",)


WEEK = Observe(closed_days=1, including=("weekly_cycle",))
JULY_4 = Observe(closed_days=1, including=(date(2013, 7, 4),))


@pytest.mark.parametrize(
    ("length", "lacking"), [(7, ""), (8, ""), (6, "Monday is lacking"), (5, "Monday, Tuesday is")]
)
def test_a_weekly_cycle_has_every_day_of_the_week(length: int, lacking: str) -> None:
    last = date(2013, 3, 3)  # a Sunday
    window = observed(days(*[PASS] * length, first=last - timedelta(days=length - 1)), last, WEEK, PASS)

    assert window.complete is not bool(lacking)
    assert lacking in "; ".join(window.missing)


def test_a_week_lacks_a_sunday_too() -> None:
    window = observed(days(*[PASS] * 6), FEB_25 + timedelta(days=5), WEEK, PASS)

    assert window.missing == ("not every day of the week is among them; Sunday is lacking",)


def test_a_week_with_a_failing_day_is_no_weekly_cycle() -> None:
    verdicts = days(PASS, PASS, FAIL, PASS, PASS, PASS, PASS, PASS)

    window = observed(verdicts, FEB_25 + timedelta(days=7), WEEK, FAIL)

    assert window.days == 5
    assert "not every day of the week is among them; Tuesday, Wednesday is lacking" in window.missing


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (date(2013, 7, 3), "4 July 2013 is not among them; it has not closed yet"),
        (date(2013, 7, 4), ""),
        (date(2013, 7, 8), ""),
        (date(2013, 7, 9), "4 July 2013 is not among them"),
    ],
)
def test_a_named_day_must_be_in_the_run(last: date, told: str) -> None:
    window = observed(days(*[PASS] * 5, first=last - timedelta(days=4)), last, JULY_4, PASS)

    assert window.missing == ((told,) if told else ())


def test_a_named_day_before_a_failing_one_is_not_in_the_run() -> None:
    verdicts = days(PASS, FAIL, PASS, first=date(2013, 7, 4))

    window = observed(verdicts, date(2013, 7, 6), JULY_4, FAIL)

    assert window.missing == ("4 July 2013 is not among them",)


def test_without_any_closed_day_a_named_day_has_not_closed() -> None:
    assert "4 July 2013 is not among them; it has not closed yet" in observed({}, None, JULY_4, PASS).missing


@pytest.mark.parametrize(
    ("last", "first", "ends"),
    [(date(2024, 2, 29), date(2024, 2, 25), True), (date(2023, 2, 28), date(2023, 2, 28), True),
     (date(2024, 2, 28), date(2024, 2, 24), False), (date(2024, 12, 31), date(2024, 12, 31), True)],
)  # fmt: skip
def test_the_end_of_a_month_is_its_last_day(last: date, first: date, ends: bool) -> None:
    length = (last - first).days + 1
    window = observed(
        days(*[PASS] * length, first=first), last, Observe(closed_days=1, including=("month_end",)), PASS
    )

    assert window.complete is ends


def test_months_are_a_run_of_their_own_and_hold_their_ends() -> None:
    ends = [date(2013, 1, 31), date(2013, 2, 28), date(2013, 3, 31)]
    months = Closing("orders_monthly", frozenset(ends), date(2013, 4, 30))
    observe = Observe(closed_days=3, including=("month_end", date(2013, 2, 28)))

    window = observed(dict.fromkeys(ends, PASS), date(2013, 4, 10), observe, PASS, [months])

    assert (window.complete, window.days, window.first) == (True, 3, ends[0])


def test_a_month_that_fails_breaks_a_run_of_months() -> None:
    ends = [date(2013, 1, 31), date(2013, 2, 28), date(2013, 3, 31)]
    months = Closing("orders_monthly", frozenset(ends), date(2013, 4, 30))
    verdicts = {ends[0]: PASS, ends[1]: FAIL, ends[2]: PASS}

    window = observed(verdicts, date(2013, 4, 10), Observe(closed_days=2), FAIL, [months])

    assert window.days == 1
    assert "28 February 2013 does not pass and breaks the run" in window.missing
