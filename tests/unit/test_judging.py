"""Verdicts: only what was seen whole and agrees passes."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest

from slipway.domain.accounting import Compared, ComparedKpi, Counted, DayTotal, Hidden
from slipway.domain.evidence import Balance, Digest, Verdict
from slipway.domain.judging import Night, day_verdicts, days_of_all, judge

DAY = date(2013, 2, 27)
CLOSES = Counted(Balance(10, 10, 7, 1, 1, 1), {}, 0, {}, ())


def total(day: date = DAY, beyond: int = 0, engine: int = 0, tolerated: int = 0) -> DayTotal:
    return DayTotal(day, "departed", 3, tolerated, beyond, engine, 10, 10, 10)


def kpi(*totals: DayTotal, broken: int = 0, crowded: int = 0) -> ComparedKpi:
    digest = Digest("0" * 64)
    return ComparedKpi(totals, (), (), (), (), (), 3, 0, 0, crowded, broken, digest, digest)


def night(**changes: object) -> Night:
    passing = Night("flights", "", "", CLOSES, Compared({"k": kpi(total())}, (), ()), DAY, ())
    return dataclasses.replace(passing, **changes)  # type: ignore[arg-type]


def test_a_night_in_which_all_agrees_passes() -> None:
    assert judge(night()) == (Verdict.PASS, ())


@pytest.mark.parametrize(
    ("changes", "verdict", "code"),
    [
        ({"incomplete": "records: 3 of partition 0"}, Verdict.INCONCLUSIVE, "cut_incomplete"),
        ({"batch": "it failed"}, Verdict.INCONCLUSIVE, "batch_behind"),
        ({"compared": None}, Verdict.INCONCLUSIVE, "nothing_compared"),
        ({"compared": Compared({"k": kpi()}, (), ())}, Verdict.INCONCLUSIVE, "nothing_compared"),
        ({"compared": Compared({"k": kpi(total(beyond=1))}, (), ())}, Verdict.FAIL, "day_differs"),
        ({"compared": Compared({"k": kpi(total(engine=1))}, (), ())}, Verdict.FAIL, "day_differs"),
        ({"compared": Compared({"k": kpi(total(), broken=1)}, (), ())}, Verdict.ERROR, "walk_broken"),
        ({"compared": Compared({"k": kpi(total(), crowded=1)}, (), ())}, Verdict.ERROR, "grain_not_unique"),
        ({"failed_checks": ("unique on id",)}, Verdict.FAIL, "expectation_failed"),
        ({"counted": dataclasses.replace(CLOSES, backwards=((0, 7),))}, Verdict.ERROR, "arrival_goes_back"),
        (
            {"counted": dataclasses.replace(CLOSES, balance=Balance(10, 10, 8, 1, 1, 1))},
            Verdict.FAIL,
            "balance_open",
        ),
    ],
)
def test_each_reason_gives_its_verdict(changes: dict[str, object], verdict: Verdict, code: str) -> None:
    found, findings = judge(night(**changes))

    assert found is verdict
    assert findings[0].code == code
    assert findings[0].fix


def test_a_difference_within_the_tolerance_passes() -> None:
    assert judge(night(compared=Compared({"k": kpi(total(tolerated=3))}, (), ())))[0] is Verdict.PASS


def test_hidden_differences_are_told_and_do_not_fail() -> None:
    hidden = (Hidden("flight_events", DAY, "differs", 2, ("a", "b")),)

    verdict, findings = judge(night(compared=Compared({"k": kpi(total())}, hidden, ())))

    assert verdict is Verdict.PASS
    assert [f.code for f in findings] == ["hidden_difference"]


def test_too_little_seen_weighs_more_than_a_difference_and_a_broken_check_more_than_both() -> None:
    differs = Compared({"k": kpi(total(beyond=1))}, (), ())

    assert judge(night(compared=differs, incomplete="records"))[0] is Verdict.INCONCLUSIVE
    broken = Compared({"k": kpi(total(beyond=1), broken=1)}, (), ())
    assert judge(night(compared=broken, incomplete="records"))[0] is Verdict.ERROR


def test_an_open_day_is_never_judged() -> None:
    assert day_verdicts(kpi(total(beyond=9)), date(2013, 2, 26)) == {}


def test_a_day_that_one_kpi_did_not_show_does_not_pass_for_all() -> None:
    other = date(2013, 2, 28)

    assert days_of_all([{DAY: Verdict.PASS, other: Verdict.PASS}, {DAY: Verdict.PASS}]) == {
        DAY: Verdict.PASS,
        other: Verdict.INCONCLUSIVE,
    }


def test_a_day_with_which_no_row_of_a_kpi_closes_is_judged_by_the_others() -> None:
    other = date(2013, 2, 28)
    daily, monthly = {DAY: Verdict.PASS, other: Verdict.PASS}, {other: Verdict.FAIL}

    assert days_of_all([daily, monthly], [{DAY, other}, {other}]) == {
        DAY: Verdict.PASS,
        other: Verdict.FAIL,
    }


def test_a_kpi_whose_rows_are_still_open_is_told_and_holds_nobody_up() -> None:
    both = Compared({"daily": kpi(total()), "monthly": kpi()}, (), ())

    verdict, findings = judge(night(compared=both, waiting={"monthly": date(2013, 3, 31)}))

    assert verdict is Verdict.PASS
    assert [f.code for f in findings] == ["row_still_open"]
    assert "the next one closes on 31 March 2013" in findings[0].what


def test_a_night_that_compared_open_rows_only_proves_nothing() -> None:
    open_day = total(day=date(2013, 3, 31))

    verdict, findings = judge(
        night(compared=Compared({"k": kpi(open_day)}, (), ()), waiting={"k": date(2013, 3, 31)})
    )

    assert verdict is Verdict.INCONCLUSIVE
    assert findings[0].code == "row_still_open"
