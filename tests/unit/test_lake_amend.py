"""Who may amend, which late rows count, and that a crash anywhere doubles and loses nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slipway.app.amend import RUN_AT_MOST, amend
from slipway.domain.evidence import Verdict
from slipway.errors import Permanent, Retryable
from slipway.faults import InjectedFault
from slipway.ports import Actor, AmendedEvent
from tests.fakes.amending import ANA, MONDAY, TUESDAY, WEDNESDAY, Amending, event
from tests.fakes.lake import FakeLake

LONG_AFTER = datetime(2999, 1, 1, tzinfo=UTC)
WHY = "the Newark feed was down"
STEPS = [
    "amend.after_tag",
    "amend.after_open",
    "amend.after_prepare",
    "amend.after_submit",
    "amend.after_run",
    "amend.after_check",
    "amend.in_swap",
    "amend.before_swap_commit",
    "amend.after_swap",
    "amend.after_clean",
]


@pytest.fixture
def amending(tmp_path: Path) -> Amending:
    """Two closed days, and a third that is open; two parcels of Monday came late, one of them twice."""
    made = Amending(FakeLake(tmp_path))
    made.accept(event("a", MONDAY, 1), event("b", TUESDAY, 2), event("c", WEDNESDAY, 3))
    made.lake.append(
        made.late,
        [
            event("x", MONDAY, 4, grams=500),
            event("y", MONDAY, 5, depot="south", van="v1"),
            event("x", MONDAY, 6, grams=999),
            event("a", MONDAY, 7, grams=888),
        ],
    )
    return made


def run(amending: Amending, *days: object, by: Actor = ANA) -> str:
    return str(amend(amending.migration, list(days), WHY, amending.world, by))  # type: ignore[arg-type]


def test_late_rows_of_closed_days_count_once_each(amending: Amending) -> None:
    printed = run(amending)

    assert amending.kpi_rows()[MONDAY, "north"] == (2, 600, 0, 300.0, 500)
    assert amending.kpi_rows()[MONDAY, "south"] == (1, 100, 1, 100.0, 100)
    assert amending.kpi_rows()[TUESDAY, "north"] == (1, 100, 0, 100.0, 100)
    assert amending.kpi_rows()[WEDNESDAY, "north"] == (1, 100, 0, 100.0, 100)
    assert amending.warehouse.amended("parcels", 1) == [
        AmendedEvent("x", MONDAY, 0, 4),
        AmendedEvent("y", MONDAY, 0, 5),
    ]
    assert "2 late rows of 2024-01-01 count now, decided by ana: the Newark feed was down" in printed


def test_the_decision_names_who_why_and_the_late_tables_snapshot(amending: Amending) -> None:
    snapshot = amending.lake.snapshot(amending.late)

    run(amending)

    [decision] = amending.ledger.decisions.values()
    assert (decision.by, decision.reason, decision.late_snapshot) == ("ana", WHY, snapshot)
    assert (decision.state, decision.rows, decision.days) == ("applied", 2, (MONDAY,))


def test_an_amendment_leaves_nothing_that_could_still_write(amending: Amending) -> None:
    run(amending)

    assert (amending.warehouse.side, amending.warehouse.writer) == ({}, None)


def test_amending_again_finds_nothing_left(amending: Amending) -> None:
    run(amending)

    assert "nothing to amend" in run(amending)
    assert len(amending.engine.jobs) == 1


def test_rows_that_came_late_since_are_added_to_those_amended_before(amending: Amending) -> None:
    run(amending)
    amending.lake.append(amending.late, [event("z", MONDAY, 8)])

    run(amending, MONDAY)

    assert amending.kpi_rows()[MONDAY, "north"] == (3, 700, 0, pytest.approx(700 / 3), 500)
    assert [event.event_id for event in amending.warehouse.amended("parcels", 1)] == ["x", "y", "z"]


def test_only_the_wanted_days_are_amended(amending: Amending) -> None:
    amending.lake.append(amending.late, [event("t", TUESDAY, 9)])

    run(amending, TUESDAY)

    assert [event.event_id for event in amending.warehouse.amended("parcels", 1)] == ["t"]
    assert amending.kpi_rows()[MONDAY, "north"] == (1, 100, 0, 100.0, 100)


def test_an_id_that_silver_took_on_another_day_does_not_count_again(amending: Amending) -> None:
    amending.lake.append(amending.late, [event("c", TUESDAY, 9)])

    assert "nothing to amend" in run(amending, TUESDAY)


def test_without_late_rows_there_is_nothing_to_amend(tmp_path: Path) -> None:
    amending = Amending(FakeLake(tmp_path))
    amending.accept(event("a", MONDAY, 1))

    assert "nothing to amend" in run(amending)
    assert amending.ledger.decisions == {}


@pytest.mark.parametrize(
    ("by", "named"),
    [
        (replace(ANA, authenticated=False), "logged in"),
        (replace(ANA, name="carla"), r"carla may not amend parcels.*\(ana"),
    ],
)
def test_only_a_data_owner_who_is_logged_in_may_amend(amending: Amending, by: Actor, named: str) -> None:
    with pytest.raises(Permanent, match=named):
        run(amending, by=by)
    assert amending.ledger.decisions == {}


def test_an_open_day_is_refused_with_the_instant_of_its_close(amending: Amending) -> None:
    with pytest.raises(Permanent, match=r"2024-01-03 from 2024-01-05T05:00:00\+00:00"):
        run(amending, MONDAY, WEDNESDAY)
    assert amending.ledger.decisions == {}


def test_a_day_before_the_streams_history_is_refused(amending: Amending) -> None:
    with pytest.raises(Permanent, match="before 2024-01-01"):
        run(amending, MONDAY - timedelta(days=1))


def test_nothing_is_amended_before_every_record_was_accounted_for(amending: Amending) -> None:
    amending.ledger.verdict = Verdict.INCONCLUSIVE
    with pytest.raises(Permanent, match="the newest one is INCONCLUSIVE"):
        run(amending)

    amending.ledger.closed_through = None
    with pytest.raises(Permanent, match="none was run"):
        run(amending)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("reconciled_revision", 2, r"of revision 2.*revision 1.*trigger parcels\.reconcile first"),
        ("reconciled_contract", "f" * 64, r"of contract f{12}.*trigger parcels\.reconcile first"),
    ],
)
def test_a_reconciliation_of_another_revision_or_contract_closes_no_day(
    amending: Amending, field: str, value: object, told: str
) -> None:
    setattr(amending.ledger, field, value)

    with pytest.raises(Permanent, match=told):
        run(amending)
    assert amending.ledger.decisions == {}


def test_what_was_decided_on_outlives_maintenance_between_a_crash_and_the_next_call(
    amending: Amending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_FAIL_AT", "amend.after_open")
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    with pytest.raises(InjectedFault):
        run(amending)
    monkeypatch.delenv("SLIPWAY_FAIL_AT")
    amending.lake.append(amending.late, [event("z", MONDAY, 8)])
    amending.lake.maintain(amending.late, MONDAY, LONG_AFTER, LONG_AFTER)

    run(amending)

    assert [event.event_id for event in amending.warehouse.amended("parcels", 1)] == ["x", "y", "z"]


def test_a_run_that_lost_rows_changes_nothing(amending: Amending) -> None:
    before = amending.kpi_rows()

    def spoil() -> None:
        del amending.warehouse.side["parcels_daily"][MONDAY, "south"]

    amending.engine.spoil = spoil

    with pytest.raises(
        Retryable, match=r"with 1 rows where the recompute has 2; .*south\) is only in the recompute"
    ):
        run(amending)

    assert amending.kpi_rows() == before
    assert amending.warehouse.journal == {}


def test_a_run_that_folds_differently_changes_nothing(amending: Amending) -> None:
    def spoil() -> None:
        amending.warehouse.side["parcels_daily"][MONDAY, "south"] = (1, 101, 1, 100.0, 100)

    amending.engine.spoil = spoil

    with pytest.raises(Retryable, match=r"grams of \(2024-01-01, south\) is 101, expected 100"):
        run(amending)
    assert amending.warehouse.journal == {}


def test_a_run_that_fails_says_why_and_the_next_call_takes_it_up(amending: Amending) -> None:
    amending.engine.state = "FAILED"
    with pytest.raises(Retryable, match="a disk is full"):
        run(amending)

    amending.engine.state = "FINISHED"
    run(amending)

    assert list(amending.warehouse.journal) == [1]


def test_a_run_that_never_ends_is_cancelled(amending: Amending) -> None:
    amending.engine.state = "RUNNING"

    with pytest.raises(Retryable, match=str(RUN_AT_MOST)):
        run(amending)

    assert amending.engine.cancelled == [amending.engine.jobs[0].job_id]


def test_without_a_free_slot_nothing_is_begun(amending: Amending) -> None:
    amending.engine.slots = 0

    with pytest.raises(Retryable, match="free slot"):
        run(amending)
    assert amending.engine.jobs == []


@pytest.mark.parametrize("step", STEPS)
def test_after_a_crash_at_any_step_a_second_call_finishes_what_was_decided(
    amending: Amending, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_FAIL_AT", step)
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    with pytest.raises(InjectedFault):
        run(amending)
    assert amending.kpi_rows()[MONDAY, "north"] in [(1, 100, 0, 100.0, 100), (2, 600, 0, 300.0, 500)]

    monkeypatch.delenv("SLIPWAY_FAIL_AT")
    amending.lake.append(amending.late, [event("z", MONDAY, 8)])
    run(amending, by=ANA)

    assert amending.kpi_rows()[MONDAY, "north"] == (3, 700, 0, pytest.approx(700 / 3), 500)
    assert [event.event_id for event in amending.warehouse.amended("parcels", 1)] == ["x", "y", "z"]
    assert {decision.state for decision in amending.ledger.decisions.values()} == {"applied"}
    assert len(amending.ledger.decisions) == (1 if step == "amend.after_tag" else 2)
