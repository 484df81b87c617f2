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
