"""Verdicts: only what was seen whole and agrees passes."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.accounting import Compared, ComparedKpi, Counted, DayTotal, Hidden
from slipway.domain.contract_judging import Reconcile, Warn
from slipway.domain.evidence import Balance, Digest, Verdict
from slipway.domain.judging import Night, day_verdicts, days_of_all, judge, worst
from slipway.domain.revalidation import Earlier, earlier
from slipway.domain.waivers import Used

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
        ({"changed": "revision 2 was deployed"}, Verdict.INCONCLUSIVE, "contract_changed"),
        ({"expired": "3 records"}, Verdict.INCONCLUSIVE, "records_expired"),
        ({"reconcile": Reconcile(closed_days=2)}, Verdict.INCONCLUSIVE, "too_few_closed_days"),
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


HIDDEN = (Hidden("flight_events", DAY, "differs", 2, ("a", "b")),)
AGREES = Compared({"k": kpi(total())}, (), ())
WORST_FIRST = (Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS)
REASONS: dict[str, tuple[dict[str, Any], Verdict]] = {
    "cut": ({"incomplete": "3 records"}, Verdict.INCONCLUSIVE),
    "batch": ({"batch": "it failed"}, Verdict.INCONCLUSIVE),
    "changed": ({"changed": "revision 2"}, Verdict.INCONCLUSIVE),
    "expired": ({"expired": "3 records"}, Verdict.INCONCLUSIVE),
    "few": ({"reconcile": Reconcile(closed_days=2)}, Verdict.INCONCLUSIVE),
    "checks": ({"failed_checks": ("unique on id",)}, Verdict.FAIL),
    "backwards": ({"counted": dataclasses.replace(CLOSES, backwards=((0, 7),))}, Verdict.ERROR),
    "balance": ({"counted": dataclasses.replace(CLOSES, balance=Balance(10, 9, 8, 1, 0, 0))}, Verdict.FAIL),
    "differs": ({"compared": Compared({"k": kpi(total(beyond=1))}, (), ())}, Verdict.FAIL),
    "broken": ({"compared": Compared({"k": kpi(total(), broken=1)}, (), ())}, Verdict.ERROR),
    "crowded": ({"compared": Compared({"k": kpi(total(), crowded=1)}, (), ())}, Verdict.ERROR),
    "nothing": ({"compared": None}, Verdict.INCONCLUSIVE),
    "warns": ({"warned_checks": ("mean of delay",)}, Verdict.PASS),
}


@given(st.sets(st.sampled_from(sorted(REASONS))))
def test_no_reason_hides_behind_another_and_the_weightiest_decides(chosen: set[str]) -> None:
    changes: dict[str, Any] = {}
    counting: dict[str, str] = {}
    for name in sorted(chosen):
        for key, value in REASONS[name][0].items():
            # Two reasons about the same field: the later one stands.
            changes[key], counting[key] = value, name
    expected = {REASONS[name][1] for name in counting.values()}

    verdict, findings = judge(night(**changes))

    assert verdict is worst([Verdict.PASS, *expected])
    assert verdict is worst([Verdict.PASS, *(finding.verdict for finding in findings)])
    order = [WORST_FIRST.index(finding.verdict) for finding in findings]
    assert order == sorted(order)
    if any(finding.verdict is not Verdict.PASS for finding in findings):
        assert verdict is not Verdict.PASS


def test_enough_closed_days_say_something() -> None:
    days = Compared({"k": kpi(total(), total(day=date(2013, 2, 26)))}, (), ())

    verdict, findings = judge(night(compared=days, reconcile=Reconcile(closed_days=2)))

    assert (verdict, findings) == (Verdict.PASS, ())


def test_days_that_are_open_do_not_count_among_the_closed() -> None:
    days = Compared({"k": kpi(total(), total(day=date(2013, 2, 28)))}, (), ())

    verdict, findings = judge(night(compared=days, reconcile=Reconcile(closed_days=2)))

    assert verdict is Verdict.INCONCLUSIVE
    assert findings[0].what.startswith("1 closed day could be compared, and a night needs 2")


def test_hidden_differences_fail_a_night_whose_contract_says_so() -> None:
    compared = Compared({"k": kpi(total())}, HIDDEN, ())

    warned = judge(night(compared=compared))
    failed = judge(night(compared=compared, reconcile=Reconcile(hidden="fail"), hidden_days={"k": {DAY}}))

    assert (warned[0], warned[1][0].warns) == (Verdict.PASS, True)
    assert (failed[0], failed[1][0].warns) == (Verdict.FAIL, False)
    assert day_verdicts(kpi(total()), DAY, {DAY}) == {DAY: Verdict.FAIL}
    assert day_verdicts(kpi(total()), DAY) == {DAY: Verdict.PASS}


def test_a_broken_walk_names_the_cell() -> None:
    broken = Compared({"k": kpi(total(), broken=2)}, (), ())

    _, findings = judge(night(compared=broken, broken_cells={"k": "departed of origin EWR"}))

    assert "first of all in departed of origin EWR" in findings[0].what


def warning(**shares: float) -> Reconcile:
    """Return what a contract says that warns from these shares on."""
    return Reconcile(warn=Warn.model_validate(shares))


def counted(silver: int, late: int, rejected: int, duplicates: int) -> Counted:
    whole = silver + late + rejected + duplicates
    return Counted(Balance(whole, whole, silver, late, rejected, duplicates), {}, 0, {}, ())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (
            {"counted": counted(97, 0, 3, 0), "reconcile": warning(rejected=0.03)},
            "many_rejected",
        ),
        (
            {"counted": counted(98, 0, 2, 0), "reconcile": warning(rejected=0.03)},
            None,
        ),
        ({"counted": counted(97, 0, 3, 0)}, None),
        (
            {"counted": counted(97, 0, 0, 3), "reconcile": warning(duplicates=0.03)},
            "many_duplicates",
        ),
        (
            {"counted": counted(98, 0, 0, 2), "reconcile": warning(duplicates=0.03)},
            None,
        ),
        ({"counted": counted(9, 0, 0, 0), "reconcile": warning(duplicates=0)}, None),
        (
            {
                "compared": dataclasses.replace(AGREES, late_of_days={DAY: (1, 100)}),
                "reconcile": warning(late=0.01),
            },
            "many_late",
        ),
        (
            {
                "compared": dataclasses.replace(AGREES, late_of_days={DAY: (1, 101)}),
                "reconcile": warning(late=0.01),
            },
            None,
        ),
        (
            {"compared": Compared({"k": kpi(dataclasses.replace(total(tolerated=2), close=1))}, (), ())},
            "tolerance_nearly_used",
        ),
        ({"compared": Compared({"k": kpi(total(tolerated=2))}, (), ())}, None),
        ({"warned_checks": ("mean of delay",)}, "expectation_warned"),
    ],
)
def test_a_night_that_comes_close_warns_and_passes(changes: dict[str, Any], code: str | None) -> None:
    verdict, findings = judge(night(**changes))

    assert verdict is Verdict.PASS
    assert [f.code for f in findings] == ([code] if code else [])
    assert all(f.warns for f in findings)


def test_open_days_do_not_warn() -> None:
    later = dataclasses.replace(total(day=date(2013, 2, 28), tolerated=1), close=1)

    assert judge(night(compared=Compared({"k": kpi(total(), later)}, (), ())))[1] == ()


def test_waived_cells_pass_and_are_told() -> None:
    waived = dataclasses.replace(total(beyond=2), waived=2)
    used = (Used(4, DAY, "departed", 2, 10, covers=True), Used(5, DAY, "departed", 9, 10, covers=False))
    all_of_it = dataclasses.replace(kpi(waived), used=used)

    verdict, findings = judge(night(compared=Compared({"k": all_of_it}, (), ())))

    assert verdict is Verdict.PASS
    assert [(f.code, f.warns) for f in findings] == [("waiver_beyond_its_bound", True), ("waived", False)]
    assert "2 cells of 27 February 2013" in findings[1].what
    assert "by waiver 4." in findings[1].what
    partly = dataclasses.replace(waived, waived=1)
    assert judge(night(compared=Compared({"k": kpi(partly)}, (), ())))[0] is Verdict.FAIL
    engine = dataclasses.replace(waived, engine=1)
    assert judge(night(compared=Compared({"k": kpi(engine)}, (), ())))[0] is Verdict.FAIL


def before(stream: object = 10, verdict: str = "PASS", kind: str = "long") -> Earlier:
    measures = {"departed": {"batch": 10, "stream": stream}}
    return earlier(
        Digest("e" * 64),
        {
            "kpis": {
                "k": {
                    "measures": [{"name": "departed", "type": kind}],
                    "days": [{"day": DAY.isoformat(), "verdict": verdict, "measures": measures}],
                }
            }
        },
    )


def test_a_closed_day_that_passed_before_and_fails_now_is_told_with_its_values() -> None:
    fails = Compared({"k": kpi(dataclasses.replace(total(beyond=1), stream=7))}, (), ())

    verdict, findings = judge(night(compared=fails, earlier=before()))

    assert verdict is Verdict.FAIL
    told = next(f for f in findings if f.code == "closed_day_changed")
    assert told.verdict is Verdict.FAIL
    assert told.what == (
        "k passed on 27 February 2013 in the evidence eeeeeeeeeeee and does not pass now: departed was 10 and"
        " is 7 (stream)."
    )


def test_a_closed_day_that_still_passes_with_other_values_warns() -> None:
    verdict, findings = judge(night(earlier=before(stream=9)))

    assert verdict is Verdict.PASS
    assert [(f.code, f.warns) for f in findings] == [("closed_day_changed", True)]
    assert "departed was 9 and is 10 (stream)" in findings[0].what


@pytest.mark.parametrize(
    "evidence", [before(), before(stream=9, verdict="FAIL"), before(stream=9, verdict="INCONCLUSIVE")]
)
def test_what_is_as_it_was_or_did_not_pass_is_not_told(evidence: Earlier) -> None:
    assert judge(night(earlier=evidence)) == (Verdict.PASS, ())


def test_sums_of_instants_are_not_told_to_anybody() -> None:
    _, findings = judge(night(earlier=before(stream=9, kind="timestamp")))

    assert "departed changed (stream)." in findings[0].what


def test_values_are_compared_as_evidence_writes_them() -> None:
    same = dataclasses.replace(total(), stream=Decimal("10.50"))

    assert judge(night(compared=Compared({"k": kpi(same)}, (), ()), earlier=before(stream="10.5")))[1] == ()
