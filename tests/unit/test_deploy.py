"""Deploying: every attempt has its own identity, and a second run goes on where the first one stopped."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from slipway.app import attempts
from slipway.app.attempts import checkpoint_number, job_id_of
from slipway.app.deploy import deploy_ingest, deploy_revision
from slipway.app.deploy_gate import GateFailed
from slipway.domain.states import State
from slipway.errors import Permanent, Retryable
from slipway.faults import InjectedFault
from tests.fakes.deploying import OPERATOR, Yard
from tests.fakes.engine import FakeJob

SILVER = "silver.flights__r1"
BRONZE = "bronze.flights"


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path).provisioned()


def ingest(yard: Yard) -> attempts.Deployed:
    return deploy_ingest(yard.migration, yard.world, OPERATOR)


def revision(yard: Yard) -> attempts.Deployed:
    return deploy_revision(yard.migration, yard.world, OPERATOR)


def test_the_first_deployment_runs_both_jobs_behind_their_gates(yard: Yard) -> None:
    yard.produce(7)

    first, second = ingest(yard), revision(yard)

    assert (first.attempt.state, second.attempt.state) == ("OPEN", "OPEN")
    assert [attempt.state for attempt in yard.ledger.attempts("flights")] == ["RUNNING", "RUNNING"]
    assert second.passed is not None and second.passed.records == 7
    assert yard.rows(BRONZE) == yard.rows(SILVER) == 7
    assert yard.writers.roles == {
        "flink_flights_r1_a1": (("stream.flights_daily__r1",), ("ops.planes",)),
    }
    assert yard.ledger.revisions("flights") == {1: yard.scripts.revision_digest(yard.migration)}
    standing = yard.ledger.standing("flights")
    assert standing is not None and standing.state is State.HYDRATING


def test_deploying_again_touches_nothing(yard: Yard) -> None:
    ingest(yard), revision(yard)
    calls, roles = list(yard.engine.calls), list(yard.writers.calls)

    assert "nothing to do" in str(ingest(yard))
    assert "nothing to do" in str(revision(yard))

    assert yard.engine.calls == calls
    assert yard.writers.calls == roles


def test_a_forgotten_job_goes_on_from_its_newest_checkpoint_as_another_attempt(yard: Yard) -> None:
    yard.produce(3)
    ingest(yard), revision(yard)
    before = yard.ledger.attempts("flights", "revision")[0]
    yard.engine.forget()
    yard.produce(2)

    deployed = revision(yard)

    again = deployed.attempt
    assert again.attempt == 2
    assert again.job_id != before.job_id
    assert deployed.restored == f"file:///checkpoints/{before.job_id}/chk-1"
    assert yard.engine.submitted[-1].restore_from == deployed.restored
    assert yard.writers.calls[-2:] == ["close flink_flights_r1_a1", "open flink_flights_r1_a2"]
    assert [one.state for one in yard.ledger.attempts("flights", "revision")] == ["RUNNING", "LOST"]


def test_what_was_committed_after_the_checkpoint_is_taken_back_first(yard: Yard) -> None:
    yard.produce(3)
    ingest(yard)
    job = yard.engine.submitted[-1].job_id
    yard.produce(4)
    yard.engine.checkpoint(job)  # its commit is there, its checkpoint is lost with the disk's last write
    assert yard.rows(BRONZE) == 7
    yard.engine.jobs[job].disk.pop()
    yard.engine.forget()
    restored = []
    yard.engine.begin = lambda _: restored.append(yard.rows(BRONZE))

    ingest(yard)

    assert restored == [3]
    assert yard.rows(BRONZE) == 7


@pytest.mark.parametrize(
    "step",
    [
        "deploy.revision_recorded",
        "deploy.attempt_recorded",
        "deploy.former_ended",
        "deploy.before_submit",
        "deploy.submitted",
        "deploy.gate_passed",
        "deploy.revision_current",
    ],
)
def test_a_run_that_dies_anywhere_is_finished_by_the_next(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    yard.produce(5)
    ingest(yard)
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    monkeypatch.setenv("SLIPWAY_FAIL_AT", step)
    with pytest.raises(InjectedFault):
        revision(yard)
    monkeypatch.delenv("SLIPWAY_FAIL_AT")

    deployed = revision(yard)

    assert deployed.attempt.attempt == 1, "what was begun is gone on with, not begun anew"
    assert len(yard.engine.submitted) == 2, "each job was submitted exactly once"
    assert yard.rows(SILVER) == 5
    assert yard.ledger.revisions("flights").keys() == {1}


def test_another_meaning_is_a_new_revision_beside_the_old_one(yard: Yard) -> None:
    yard.produce(5)
    ingest(yard), revision(yard)
    old = yard.engine.submitted[-1].job_id
    yard.scripts.revision_version = 2

    deployed = revision(yard)

    assert deployed.job.revision == 2
    assert deployed.restored is None, "it replays the topic"
    assert yard.engine.jobs[old].state == "RUNNING"
    assert yard.rows("silver.flights__r2") == yard.rows(SILVER) == 5
    assert set(yard.writers.roles) == {"flink_flights_r1_a1", "flink_flights_r2_a1"}


def test_a_new_revision_is_current_only_once_it_is_through_its_gate(yard: Yard) -> None:
    def failing(job: FakeJob) -> None:
        job.state, job.failure = "FAILED", "no such function"

    yard.produce(5)
    ingest(yard), revision(yard)
    yard.scripts.revision_version = 2
    yard.engine.begin = failing

    with pytest.raises(GateFailed, match="no such function"):
        revision(yard)
    assert current(yard) == 1
    assert yard.ledger.revisions("flights").keys() == {1, 2}

    yard.engine.begin = lambda job: None
    assert revision(yard).job.revision == 2
    assert current(yard) == 2


def current(yard: Yard) -> int | None:
    standing = yard.ledger.standing("flights")
    return standing.revision if standing else None


def test_a_changed_ingest_script_goes_on_where_the_old_one_stood(yard: Yard) -> None:
    yard.produce(5)
    ingest(yard)
    old = yard.engine.submitted[-1].job_id
    yard.scripts.ingest_version = 2
    yard.produce(1)

    deployed = ingest(yard)

    assert yard.engine.jobs[old].state == "CANCELED"
    assert deployed.restored == f"file:///checkpoints/{old}/chk-2"
    assert yard.rows(BRONZE) == 6
    assert [one.state for one in yard.ledger.attempts("flights", "ingest")] == ["RUNNING", "REPLACED"]


def test_a_job_that_keeps_restarting_is_cancelled_and_the_error_says_why(yard: Yard) -> None:
    def restarting(job: FakeJob) -> None:
        job.state, job.failure, job.restarts = "RESTARTING", "no table stream.flights_daily__r1", 9

    ingest(yard)
    yard.engine.begin = restarting

    with pytest.raises(GateFailed, match=r"does not come to run: RESTARTING.* no table stream"):
        revision(yard)

    assert yard.engine.jobs[yard.engine.submitted[-1].job_id].state == "CANCELED"
    assert yard.ledger.attempts("flights", "revision")[0].state == "FAILED"
    assert yard.writers.roles == {}
    standing = yard.ledger.standing("flights")
    assert standing is not None and standing.state is State.PROVISIONED


def test_after_a_failed_gate_the_next_attempt_has_an_id_of_its_own(yard: Yard) -> None:
    def failing(job: FakeJob) -> None:
        job.state, job.failure = "FAILED", "savepoint not found"

    ingest(yard)
    yard.engine.begin = failing
    with pytest.raises(GateFailed, match=r"ended: FAILED.*savepoint not found"):
        revision(yard)
    yard.engine.begin = lambda job: None

    assert revision(yard).attempt.attempt == 2


@pytest.mark.parametrize(("checkpoints", "attempt"), [(0, 1), (1, 2)])
def test_a_job_that_is_forgotten_behind_its_gate_is_brought_back_by_the_next_try(
    yard: Yard, checkpoints: int, attempt: int
) -> None:
    def forgotten(job: FakeJob) -> None:
        for _ in range(checkpoints):
            yard.engine.checkpoint(job.submission.job_id)
        yard.engine.forget()

    yard.produce(5)
    yard.engine.begin = forgotten
    with pytest.raises(Retryable, match="Flink has forgotten slipway-flights-ingest"):
        ingest(yard)
    assert [one.state for one in yard.ledger.attempts("flights", "ingest")] == ["OPEN"]
    yard.engine.begin = lambda job: None

    deployed = ingest(yard)

    assert deployed.attempt.attempt == attempt, "an id that has left checkpoints is not used again"
    assert yard.rows(BRONZE) == 5


def test_a_job_that_is_forgotten_while_it_is_replaced_goes_on_where_it_stood(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgotten(job_id: str) -> None:
        yard.engine.forget()
        raise Retryable(f"Flink does not know job {job_id}")

    yard.produce(5)
    ingest(yard)
    old = yard.engine.submitted[-1].job_id
    yard.scripts.ingest_version = 2
    with monkeypatch.context() as patch:
        patch.setattr(yard.engine, "checkpoint", forgotten)
        with pytest.raises(Retryable, match="does not know"):
            ingest(yard)

    deployed = ingest(yard)

    assert deployed.restored == f"file:///checkpoints/{old}/chk-1"
    assert yard.rows(BRONZE) == 5


def test_records_that_never_arrive_in_a_table_do_not_pass(yard: Yard) -> None:
    yard.produce(5)
    yard.lost = 2

    with pytest.raises(GateFailed, match="2 of 5 records are in no table of slipway-flights-ingest"):
        ingest(yard)


def test_a_slow_job_passes_as_long_as_it_gets_on(yard: Yard) -> None:
    yard.produce(200)
    yard.lost = 200

    def catch_up() -> None:
        yard.lost = max(yard.lost - 1, 0)
        yard.engine.checkpoint(yard.engine.submitted[-1].job_id)

    yard.clock.on_pause = catch_up

    deployed = ingest(yard)

    assert deployed.passed is not None
    assert deployed.passed.took > timedelta(minutes=3)


def test_a_restart_while_records_are_counted_makes_the_gate_look_again(yard: Yard) -> None:
    yard.produce(5)
    job: list[FakeJob] = []
    yard.engine.begin = job.append
    counts: list[int] = []
    look = yard.held

    def counting(*given: object) -> object:
        counts.append(1)
        if len(counts) == 1:
            job[0].restarts += 1
        return look(*given)  # type: ignore[arg-type]

    yard.held = counting  # type: ignore[assignment,method-assign]

    deployed = ingest(yard)

    assert len(counts) == 2
    assert deployed.passed is not None and deployed.passed.restarts == 1


def test_a_topic_that_was_made_again_is_not_read_into_the_old_lake(yard: Yard) -> None:
    yard.produce(3)
    ingest(yard)
    spec = yard.topics.describe(yard.migration.contract.events.topic)
    assert spec is not None
    yard.topics.delete(spec.name)
    yard.topics.create(spec)
    yard.produce(5)

    with pytest.raises(Permanent, match="another topic"):
        ingest(yard)
    assert len(yard.engine.submitted) == 1


def test_an_empty_topic_passes(yard: Yard) -> None:
    assert "0 records accounted for" in str(ingest(yard).passed)


def test_without_free_slots_nothing_is_started(yard: Yard) -> None:
    yard.engine.slots = 1

    with pytest.raises(Retryable, match="needs 2 slots, but Flink has 1 free"):
        ingest(yard)

    assert yard.ledger.attempts("flights") == []


def test_a_revision_without_any_checkpoint_left_is_written_anew_elsewhere(yard: Yard) -> None:
    yard.produce(5)
    ingest(yard), revision(yard)
    yard.engine.forget()
    yard.engine.lose_checkpoints()

    deployed = revision(yard)

    assert deployed.job.revision == 2
    assert yard.rows(SILVER) == yard.rows("silver.flights__r2") == 5


def test_bronze_is_never_written_twice(yard: Yard) -> None:
    yard.produce(5)
    ingest(yard)
    yard.engine.forget()
    yard.engine.lose_checkpoints()

    with pytest.raises(Permanent, match=r"bronze\.flights holds 5 rows, but no checkpoint"):
        ingest(yard)


def test_an_unprovisioned_or_changed_contract_is_refused(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    with pytest.raises(Permanent, match=r"not provisioned; trigger flights\.provision first"):
        ingest(yard)

    yard.provisioned()
    changed = yard.migration.contract.model_copy(update={"description": "another"})
    yard.migration = type(yard.migration)(changed, yard.migration.schema, yard.migration.kpis)
    with pytest.raises(Permanent, match="has changed since it was provisioned"):
        ingest(yard)


def test_job_ids_differ_by_everything_that_must_not_be_mixed_up(yard: Yard) -> None:
    one, two = ingest(yard).job, revision(yard).job

    ids = {job_id_of(c, job, n) for c in ("k1", "k2") for job in (one, two) for n in (1, 2)}

    assert len(ids) == 8
    assert all(len(found) == 32 and int(found, 16) for found in ids)


def test_the_number_of_a_checkpoint_is_read_from_its_path() -> None:
    assert checkpoint_number("file:///a/chk-120") == 120
    with pytest.raises(Permanent, match="is no checkpoint"):
        checkpoint_number("file:///a/savepoint-1a2b")
