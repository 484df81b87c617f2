"""The first task of the reconcile DAG: for which instant, and for which period."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from slipway import bootstrap
from slipway.errors import Permanent
from slipway.orchestration import tasks
from slipway.orchestration.factory import baseline_asset
from slipway.ports import BatchRun
from tests.fakes.control import control

BUILT = datetime(2013, 3, 5, 5, tzinfo=UTC)
Ask = Callable[..., str]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run the task with params, for a run that ana has started by a way of Airflow's."""
    found = control()
    runs: list[BatchRun | None] = [BatchRun("dbt-1", BUILT, BUILT, True)]
    facts = SimpleNamespace(batch_run=lambda name: runs[-1])
    monkeypatch.setattr(bootstrap, "migration", lambda name: found.migration)
    monkeypatch.setattr(bootstrap, "ledger", lambda: found.ledger)
    monkeypatch.setattr(bootstrap, "world", lambda: SimpleNamespace(facts=facts, ledger=found.ledger))

    def asked(way: str = "rest_api", *, built: bool = True, **params: Any) -> str:
        run = SimpleNamespace(
            dag_id="flights.reconcile", run_id=f"run__{way}", triggering_user_name="ana", conf=params
        )
        found.ledger.note_origin(run.dag_id, run.run_id, "ana", way)
        if not built:
            runs.append(None)
        context = {
            "params": {"as_of": None, "period": "", **params},
            "dag_run": run,
            "triggering_asset_events": {baseline_asset("flights"): []},
        }
        monkeypatch.setattr(tasks, "get_current_context", lambda: context)
        return str(tasks.as_of.function("flights"))

    return asked


def test_a_period_is_closed_as_of_the_newest_baseline_or_of_a_given_instant(ask: Ask) -> None:
    assert ask(period="2013-02-25..2013-02-28") == BUILT.isoformat()
    assert ask(period="2013-W09", as_of="2013-03-04T05:00:00Z") == "2013-03-04T05:00:00+00:00"


def test_a_night_by_hand_still_needs_an_instant(ask: Ask) -> None:
    with pytest.raises(Permanent, match="there is no instant to reconcile at"):
        ask()
    assert ask(as_of="2013-03-04T05:00:00Z") == "2013-03-04T05:00:00+00:00"


@pytest.mark.parametrize(
    ("way", "period", "reason"),
    [
        ("cli", "2013-W09", "'ana' was not proven"),
        ("rest_api", "2013-02", "before 2013-02-25"),
        ("rest_api", "soon", "expected a month such as 2013-02"),
    ],
)
def test_what_cannot_be_closed_is_refused_before_anything_is_touched(
    ask: Ask, way: str, period: str, reason: str
) -> None:
    with pytest.raises(Permanent, match=reason):
        ask(way, period=period)


def test_nothing_is_closed_before_a_baseline_was_built(ask: Ask) -> None:
    with pytest.raises(Permanent, match=r"trigger flights\.baseline first"):
        ask(built=False, period="2013-W09")
