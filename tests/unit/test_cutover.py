"""The way of readers from batch to stream, and what happens when it is cut at any step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from slipway.app import cutover, observe, rollback, status
from slipway.domain.evidence import Verdict
from slipway.domain.gates import Refused
from slipway.domain.states import State
from slipway.errors import Permanent, Retryable
from slipway.faults import InjectedFault
from slipway.ports import Actor, EpochMoved, JobStatus, RouteChange, Source
from tests.fakes.control import RITA, Control, control

FAULTS = [
    "arm.armed",
    "canary.checked",
    "canary.routed",
    "canary.mirrored",
    "canary.advanced",
    "switch.checked",
    "switch.routed",
    "switch.mirrored",
    "switch.advanced",
]


@pytest.fixture
def armed() -> Control:
    found = control()
    found.reconcile()
    found.sign_all()
    return found


def run(found: Control, by: Actor = RITA) -> cutover.Switched:
    """Do what the cutover DAG does."""
    cutover.preflight(found.migration, found.world, by)
    cutover.request(found.migration, found.world, by, "it is time")
    cutover.arm(found.migration, found.world, by)
    for step in range(len(found.migration.contract.cutover.canary)):
        cutover.canary(found.migration, step, found.world, by)
    done = cutover.switch(found.migration, found.world, by, "it is time")
    cutover.verify(found.migration, found.world, by)
    return done


def served(found: Control) -> set[str]:
    """Return which sides the routes name; the view of every KPI must give exactly that."""
    routes = found.serving.routes(list(found.migration.kpis))
    assert all(each.strays == 0 for each in found.serving.served(found.migration))
    return {str(route.source) for route in routes}


def test_readers_move_through_a_canary_to_the_stream(armed: Control) -> None:
    done = run(armed)

    assert not done.already
    assert served(armed) == {"stream"}
    assert armed.state is State.SWITCHED
    assert [row.action for row in armed.ledger.switches("flights")] == ["canary", "switch"]
    assert {row.evidence for row in armed.ledger.switches("flights")} == {
        armed.ledger.reconciliations("flights")[0].digest
    }
    sources = {row["served_from"] for row in armed.serving.read(armed.migration.kpis["flights_daily"])}
    assert sources == {"batch", "stream"}  # days before from_period stay on batch


def test_an_early_cutover_is_refused_with_all_its_blockers_and_changes_nothing() -> None:
    found = control()
    found.reconcile(Verdict.FAIL, window_complete=False, window_days=2, missing=("3 more days", "month_end"))
    before = (found.ledger.standings(), found.ledger.transitions("flights"), found.serving.journal("flights"))

    with pytest.raises(Refused) as refused:
        cutover.preflight(found.migration, found.world, Actor("root", authenticated=False))

    codes = {blocker.code for blocker in refused.value.blockers}
    assert codes == {
        "requester_unauthenticated",
        "evidence_not_pass",
        "window_incomplete",
        "quorum_incomplete",
    }
    assert "month_end" in str(refused.value)
    after = (found.ledger.standings(), found.ledger.transitions("flights"), found.serving.journal("flights"))
    assert after == before


def test_preflight_says_what_would_happen() -> None:
    found = control()
    found.reconcile()

    told = str(cutover.preflight(found.migration, found.world, RITA))

    assert "serve origin LGA from the stream" in told
    assert "switch flights_daily from batch to revision 1" in told
    assert told.count("waits:") == 3


@pytest.mark.parametrize("step", ["arm", "canary", "switch"])
def test_a_cutover_whose_sensor_was_marked_success_by_hand_is_refused(step: str) -> None:
    found = control()
    found.reconcile()
    found.sign("data_owner")

    with pytest.raises(Refused) as refused:
        if step == "arm":
            cutover.arm(found.migration, found.world, RITA)
        elif step == "canary":
            cutover.canary(found.migration, 0, found.world, RITA)
        else:
            cutover.switch(found.migration, found.world, RITA, "forced")

    assert "quorum_incomplete" in {blocker.code for blocker in refused.value.blockers}
    assert served(found) == {"batch"}
    assert found.serving.journal("flights") == []


def test_a_canary_task_marked_success_by_hand_does_not_help_either(armed: Control) -> None:
    cutover.arm(armed.migration, armed.world, RITA)

    with pytest.raises(Refused) as refused:
        cutover.switch(armed.migration, armed.world, RITA, "forced")

    (blocker,) = refused.value.blockers
    assert blocker.code == "canary_missing"
    assert blocker.seen == "readers of flights_daily get all from batch"
    assert blocker.needed == "origin LGA from the stream, the rest from batch"
    assert served(armed) == {"batch"}


def test_a_canary_that_was_not_watched_for_its_soak_is_taken_back(armed: Control) -> None:
    cutover.arm(armed.migration, armed.world, RITA)

    class Impatient(Exception):
        pass

    def stop() -> None:
        raise Impatient

    armed.clock.on_pause = stop
    with pytest.raises(Impatient):
        cutover.canary(armed.migration, 0, armed.world, RITA)
    with pytest.raises(Refused, match="not watched long enough"):
        cutover.switch(armed.migration, armed.world, RITA, "forced")

    assert served(armed) == {"batch"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_crash_between_any_two_steps_leaves_one_source_and_a_second_run_completes(
    armed: Control, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "arm.armed":
        armed.ledger.advance("flights", State.ELIGIBLE, RITA, "so that arming has something to do")
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    monkeypatch.setenv("SLIPWAY_FAIL_AT", fault)

    with pytest.raises(InjectedFault):
        run(armed)
    assert len(served(armed)) == 1

    monkeypatch.delenv("SLIPWAY_FAIL_AT")
    again = replace(RITA, dag_run="manual__2")
    run(armed, again)

    assert served(armed) == {"stream"}
    assert armed.state is State.SWITCHED
    actions = [row.action for row in armed.serving.journal("flights")]
    assert actions == ["canary", "switch"]
    assert list(armed.ledger.switches("flights")) == list(armed.serving.journal("flights"))


def test_after_a_crash_past_the_point_of_no_return_nobody_has_to_sign_again(
    armed: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    monkeypatch.setenv("SLIPWAY_FAIL_AT", "switch.routed")
    with pytest.raises(InjectedFault):
        run(armed)
    monkeypatch.delenv("SLIPWAY_FAIL_AT")
    armed.clock.pass_(48 * 3600)

    done = cutover.switch(armed.migration, armed.world, RITA, "it is time")

    assert done.already
    assert armed.state is State.SWITCHED


def test_a_stale_switch_that_wakes_up_late_changes_nothing(armed: Control) -> None:
    cutover.arm(armed.migration, armed.world, RITA)
    cutover.canary(armed.migration, 0, armed.world, RITA)

    def rolled_back_meanwhile() -> None:
        seen = armed.serving.routes(["flights_daily"])[0]
        armed.serving.change(
            "flights", [RouteChange(seen, Source.BATCH, None, {})], "rollback", None, RITA, "no"
        )

    armed.serving.meddle = rolled_back_meanwhile
    with pytest.raises(Retryable, match="epoch"):
        cutover.switch(armed.migration, armed.world, RITA, "late")
    assert served(armed) == {"batch"}

    with pytest.raises(Refused, match="moved back after this evidence"):
        cutover.switch(armed.migration, armed.world, RITA, "the retry")
    assert served(armed) == {"batch"}
    assert armed.state is State.ROLLED_BACK


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda c: c.reconcile(Verdict.FAIL), "evidence_not_pass"),
        (lambda c: c.reconcile(document={"night": 2}), "evidence_superseded"),
        (lambda c: c.sign("on_call", "withdraw"), "quorum_incomplete"),
        (lambda c: c.clock.pass_(13 * 3600), "quorum_incomplete"),
        (lambda c: c.clock.pass_(25 * 3600), "evidence_expired"),
        (lambda c: c.jobs.jobs.clear(), "job_not_running"),
        (lambda c: c.serving.batch["flights_daily"].clear(), "batch_fallback_stale"),
    ],
    ids=["failed", "superseded", "withdrawn", "signature expired", "expired", "job gone", "no batch"],
)
def test_what_spoils_the_switch_after_the_canary_gives_readers_the_batch_side_back(
    armed: Control, spoil: Callable[[Control], object], code: str
) -> None:
    cutover.request(armed.migration, armed.world, RITA, "it is time")
    cutover.arm(armed.migration, armed.world, RITA)
    cutover.canary(armed.migration, 0, armed.world, RITA)
    assert served(armed) == {"canary"}
    spoil(armed)

    with pytest.raises(Refused) as refused:
        cutover.switch(armed.migration, armed.world, RITA, "it is time")

    assert code in {blocker.code for blocker in refused.value.blockers}
    assert served(armed) == {"batch"}
    assert armed.state in (State.SHADOW, State.ELIGIBLE)


def test_an_edited_contract_closes_the_gate(armed: Control) -> None:
    gates = armed.migration.contract.gates.model_copy(update={"sign_off_valid": timedelta(days=9)})
    contract = armed.migration.contract.model_copy(update={"gates": gates})
    edited = type(armed.migration)(contract, armed.migration.schema, armed.migration.kpis)

    with pytest.raises(Refused) as refused:
        cutover.arm(edited, armed.world, RITA)

    assert "contract_changed" in {blocker.code for blocker in refused.value.blockers}


def test_a_canary_whose_job_dies_is_taken_back_without_voiding_the_sign_offs(armed: Control) -> None:
    cutover.arm(armed.migration, armed.world, RITA)

    def die() -> None:
        armed.jobs.jobs = {name: replace(job, state="FAILED") for name, job in armed.jobs.jobs.items()}

    armed.clock.on_pause = die
    with pytest.raises(Refused, match="not running"):
        cutover.canary(armed.migration, 0, armed.world, RITA)
    assert served(armed) == {"batch"}

    armed.jobs.jobs = {name: replace(job, state="RUNNING") for name, job in armed.jobs.jobs.items()}
    status.refresh(armed.migration, armed.world, RITA)
    assert armed.state is State.ARMED


def test_a_rejection_during_the_canary_takes_it_back_and_holds(armed: Control) -> None:
    cutover.arm(armed.migration, armed.world, RITA)
    cutover.canary(armed.migration, 0, armed.world, RITA)

    armed.sign("consumer", "reject", comment="LGA looks wrong")

    assert served(armed) == {"batch"}
    assert armed.state is State.HELD


def test_verify_rolls_back_when_readers_get_rows_that_the_route_does_not_give(armed: Control) -> None:
    cutover.arm(armed.migration, armed.world, RITA)
    cutover.canary(armed.migration, 0, armed.world, RITA)
    cutover.switch(armed.migration, armed.world, RITA, "it is time")
    row = {**armed.serving.stream["flights_daily", 1][-1], "seats": -1}
    armed.serving.stream["flights_daily", 1].append(row)
    armed.serving.corrupt = [{**row, "served_from": "stream"}]

    with pytest.raises(Refused, match="was rolled back"):
        cutover.verify(armed.migration, armed.world, RITA)

    armed.serving.corrupt = []
    assert served(armed) == {"batch"}
    assert armed.state is State.ROLLED_BACK


def test_a_second_cutover_after_the_first_does_nothing(armed: Control) -> None:
    run(armed)
    armed.clock.pass_(48 * 3600)

    assert run(armed, replace(RITA, dag_run="manual__2")).already
    assert len(armed.serving.journal("flights")) == 2


def test_readers_move_to_a_new_revision_by_the_same_gate(armed: Control) -> None:
    run(armed)
    armed.deploy(revision=2)

    with pytest.raises(Refused) as refused:
        cutover.switch(armed.migration, armed.world, RITA, "revision 2")
    assert "revision_changed" in {blocker.code for blocker in refused.value.blockers}

    armed.reconcile(document={"revision": 2})
    armed.sign_all()
    run(armed, replace(RITA, dag_run="manual__2"))
    assert [route.revision for route in armed.serving.routes(["flights_daily"])] == [2]


def test_the_first_passing_day_after_the_switch_completes_the_migration(armed: Control) -> None:
    run(armed)
    armed.reconcile()
    assert armed.state is State.SWITCHED

    kept = armed.ledger.reconciliations("flights")[0]
    assert kept.closed_through is not None
    armed.reconcile(document={"night": 2}, closed_through=kept.closed_through + timedelta(days=1))

    assert armed.state is State.COMPLETED


@pytest.mark.parametrize(("cause", "state"), [("engine", State.ROLLED_BACK), ("definition", State.HELD)])
def test_a_failure_after_the_switch_rolls_back_when_it_is_the_streams_fault_and_is_held_otherwise(
    armed: Control, cause: str, state: State
) -> None:
    run(armed)

    armed.reconcile(
        Verdict.FAIL, document={"kpis": {"flights_daily": {"causes": [{"cause": cause, "gross": 3}]}}}
    )

    assert armed.state is state
    assert served(armed) == ({"batch"} if state is State.ROLLED_BACK else {"stream"})


def test_a_cutover_cannot_pass_without_a_route(armed: Control) -> None:
    armed.serving._routes.clear()
    with pytest.raises((Refused, Permanent)):
        cutover.verify(armed.migration, armed.world, RITA)


def all_jobs(found: Control, state: str) -> None:
    found.jobs.jobs = {name: replace(job, state=state) for name, job in found.jobs.jobs.items()}


def away_for(found: Control, seconds: int) -> Callable[[], None]:
    """Return what happens while somebody waits: the job restarts, and runs again after a while."""
    begun: list[datetime] = []

    def look() -> None:
        begun.append(found.clock.now())
        back = found.clock.now() - begun[0] >= timedelta(seconds=seconds)
        all_jobs(found, "RUNNING" if back else "RESTARTING")

    return look


def silent(job_id: str) -> JobStatus | None:
    raise Retryable("Flink at 127.0.0.1 can't be reached")


def no_lag(found: Control) -> None:
    found.jobs.jobs = {name: replace(job, pending=None) for name, job in found.jobs.jobs.items()}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda c: all_jobs(c, "RESTARTING"), "seen RESTARTING.*needed RUNNING.*To do: wait"),
        (lambda c: setattr(c.jobs, "status", silent), "can't be reached.*needed RUNNING.*To do: wait"),
        (no_lag, "lag can't be told"),
    ],
    ids=["restarting", "unreachable", "lag unknown"],
)
def test_a_job_that_is_coming_back_is_worth_another_try(
    armed: Control, spoil: Callable[[Control], object], told: str
) -> None:
    cutover.arm(armed.migration, armed.world, RITA)
    cutover.canary(armed.migration, 0, armed.world, RITA)
    spoil(armed)

    with pytest.raises(Retryable, match=told):
        cutover.preflight(armed.migration, armed.world, RITA)
    with pytest.raises(Retryable, match=told):
        cutover.canary(armed.migration, 0, armed.world, RITA)
    with pytest.raises(Retryable, match=told):
        cutover.switch(armed.migration, armed.world, RITA, "it is time")

    assert served(armed) == {"canary"}
    assert armed.state is State.CANARY


def test_a_restarting_job_is_one_of_all_blockers_when_others_need_a_person(armed: Control) -> None:
    armed.sign("consumer", "withdraw")
    cutover_codes = {"job_coming_back", "quorum_incomplete"}
    all_jobs(armed, "RESTARTING")

    with pytest.raises(Refused) as refused:
        cutover.switch(armed.migration, armed.world, RITA, "it is time")

    assert cutover_codes <= {blocker.code for blocker in refused.value.blockers}


def test_a_canary_whose_job_is_back_within_the_grace_goes_on(armed: Control) -> None:
    cutover.arm(armed.migration, armed.world, RITA)
    armed.clock.on_pause = away_for(armed, 40)

    cutover.canary(armed.migration, 0, armed.world, RITA)

    assert served(armed) == {"canary"}


def test_a_canary_never_ends_well_while_its_job_is_away(armed: Control) -> None:
    cutover.arm(armed.migration, armed.world, RITA)
    soak = armed.migration.contract.cutover.soak
    begun = armed.clock.now()

    def away_at_the_end() -> None:
        late = armed.clock.now() - begun >= soak - timedelta(seconds=2)
        all_jobs(armed, "RESTARTING" if late else "RUNNING")

    armed.clock.on_pause = away_at_the_end
    with pytest.raises(Refused, match="RESTARTING"):
        cutover.canary(armed.migration, 0, armed.world, RITA)

    assert served(armed) == {"batch"}
    assert armed.clock.now() - begun >= soak + timedelta(seconds=50)


def test_verify_waits_for_a_job_that_restarts(armed: Control) -> None:
    run(armed)
    all_jobs(armed, "RESTARTING")
    armed.clock.on_pause = away_for(armed, 40)

    cutover.verify(armed.migration, armed.world, RITA)

    assert served(armed) == {"stream"}


@pytest.mark.parametrize(("state", "waited"), [("RESTARTING", 60), ("FAILED", 0)])
def test_verify_rolls_back_when_the_job_does_not_come_back(armed: Control, state: str, waited: int) -> None:
    run(armed)
    all_jobs(armed, state)
    begun = armed.clock.now()

    with pytest.raises(Refused, match="rolled back"):
        cutover.verify(armed.migration, armed.world, RITA)

    assert served(armed) == {"batch"}
    assert armed.clock.now() - begun == timedelta(seconds=waited)


def test_a_lock_that_is_held_is_a_blocker_but_a_lost_ledger_is_not(
    armed: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    with armed.ledger.lock("flights"), pytest.raises(Refused) as refused:
        cutover.preflight(armed.migration, armed.world, RITA)
    assert [blocker.code for blocker in refused.value.blockers] == ["lock_held"]

    def lost(migration: str) -> AbstractContextManager[None]:
        raise Retryable("the ledger can't be reached")

    monkeypatch.setattr(armed.ledger, "lock", lost)
    with pytest.raises(Retryable, match="can't be reached"):
        cutover.preflight(armed.migration, armed.world, RITA)


def test_a_rollback_that_comes_in_between_is_told_as_such(armed: Control) -> None:
    cutover.canary(armed.migration, 0, armed.world, RITA)
    rollback.rollback(armed.migration, armed.world, Actor("omar", True), "consumers complain")

    with pytest.raises(EpochMoved, match="moved again meanwhile"):
        observe.follow_journal(armed.migration, armed.world, State.SWITCHED, RITA, "the journal said so")

    assert armed.world.serving.journal("flights")[-1].action == "rollback"


def test_a_state_that_the_journal_never_proved_stays_refused_for_good(armed: Control) -> None:
    with pytest.raises(Permanent, match="can't"):
        observe.follow_journal(armed.migration, armed.world, State.COMPLETED, RITA, "wishful")
