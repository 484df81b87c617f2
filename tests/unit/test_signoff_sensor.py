"""What the sensor makes of a wake-up: only a whole quorum lets the run go on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from slipway import bootstrap
from slipway.domain.evidence import Verdict
from slipway.domain.gates import Refused
from slipway.domain.states import State
from slipway.errors import Permanent
from slipway.orchestration import tasks
from slipway.orchestration.signoff_trigger import SignOffSensor
from tests.fakes.control import RITA, Control, control


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> Control:
    found = control()
    found.reconcile()
    monkeypatch.setattr(bootstrap, "world", lambda: found.world)
    monkeypatch.setattr(bootstrap, "migration", lambda _name: found.migration)
    monkeypatch.setattr(tasks, "actor_of", lambda _context: RITA)
    return found


def sensor() -> SignOffSensor:
    return SignOffSensor(task_id="sign_offs", migration="flights", timeout=60)


def context() -> Any:
    return SimpleNamespace()


def woken(found: TaskDeferred) -> dict[str, Any]:
    """Return what Airflow keeps for the time when the trigger has fired."""
    assert found.method_name == "resume"
    kwargs: dict[str, Any] = dict(found.kwargs or {})
    return kwargs


def test_it_waits_until_the_last_role_has_signed(ready: Control) -> None:
    ready.sign("data_owner")
    with pytest.raises(TaskDeferred) as first:
        sensor().execute(context())
    ready.sign("consumer")
    with pytest.raises(TaskDeferred) as second:
        sensor().resume(context(), {"status": "changed"}, **woken(first.value))
    ready.sign("on_call")

    sensor().resume(context(), {"status": "changed"}, **woken(second.value))

    assert woken(first.value) == woken(second.value)  # the deadline does not move with every signature
    assert ready.state is State.ARMED


def test_a_rejection_fails_the_run_and_holds(ready: Control) -> None:
    ready.sign("consumer", "reject", comment="seats look wrong")
    with pytest.raises(Refused, match="seats look wrong"):
        sensor().execute(context())
    assert ready.state is State.HELD


def test_a_time_out_holds_and_never_goes_forward(ready: Control) -> None:
    ready.sign("data_owner")
    with pytest.raises(TaskDeferred) as waiting:
        sensor().execute(context())

    with pytest.raises(Permanent, match="not everybody signed"):
        sensor().resume(context(), {"status": "timed_out"}, **woken(waiting.value))

    assert ready.state is State.HELD
    assert "not everybody signed" in str(ready.ledger.incidents("flights")[0]["what"])


def test_evidence_that_is_gone_ends_the_wait(ready: Control) -> None:
    ready.sign_all()
    ready.reconcile(Verdict.FAIL)
    with pytest.raises(Refused, match="did not pass"):
        sensor().execute(context())
