"""A waiver on its whole way, over a ledger on Postgres: from a DAG's form to the evidence, and back again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from slipway import bootstrap
from slipway.app.reconcile import reconcile
from slipway.domain.evidence import Verdict
from slipway.errors import Permanent
from slipway.ledger.store import PostgresLedger
from slipway.orchestration import tasks
from slipway.ports import Reconciliation
from tests.fakes.night import ANA, NightWorld
from tests.fakes.two_sides import TwoSides
from tests.integration.scratch import database
from tests.stack import Stack
from tests.unit.test_waivers import LAST, generous, trip

FORM = {
    "kpi": "trips_daily",
    "cause": "",
    "days": [],
    "measures": [],
    "segments": {},
    "at_most": 0.5,
    "expires": None,
    "withdraw": None,
    "reason": "",
}


@pytest.fixture
def server(stack: Stack) -> Iterator[Mapping[str, str]]:
    with database(stack, "slipway_ledger") as found:
        yield found


@pytest.fixture
def night(tmp_path: Path, server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> NightWorld:
    """Three days, on the first of which one trip of twelve came late; the ledger is Postgres."""
    sides = TwoSides(tmp_path, generous())
    for n in range(33):
        sides.batch.append(trip(n, n % 3))
        sides.accept(sides.batch[-1])
    sides.batch.append(trip(40))
    sides.come_late(trip(40))
    found = NightWorld(sides, as_of=sides.migration.closes_at(LAST) + timedelta(hours=2))
    ledger = PostgresLedger(server)
    ledger.upgrade()
    migration = sides.migration
    ledger.adopt("trips", migration.contract_digest, migration.parity_digest, ANA)
    ledger.remember_revision("trips", 1, migration.parity_digest, ANA)
    ledger.make_current("trips", 1)
    found.ledger = ledger  # type: ignore[assignment]
    monkeypatch.setattr(bootstrap, "world", found.world)
    monkeypatch.setattr(bootstrap, "ledger", lambda: ledger)
    monkeypatch.setattr(bootstrap, "migration", lambda name: migration)
    return found


class Triggered:
    """Runs of the DAG trips.waive, as the scheduler starts them. came: how Airflow says that a run came."""

    def __init__(self, night: NightWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        self.night, self.patch, self.runs = night, monkeypatch, 0

    def __call__(self, user: str, came: str = "rest_api", **conf: Any) -> None:
        self.runs += 1
        run = SimpleNamespace(dag_id="trips.waive", run_id=f"manual__{self.runs}", triggering_user_name=user)
        bootstrap.ledger().note_origin(run.dag_id, run.run_id, user, came)
        context = {"params": {**FORM, **conf}, "dag_run": run}
        self.patch.setattr(tasks, "get_current_context", lambda: context)
        tasks.waive.function("trips")


@pytest.fixture
def waive(night: NightWorld, monkeypatch: pytest.MonkeyPatch) -> Triggered:
    return Triggered(night, monkeypatch)


def reconciled(night: NightWorld) -> Reconciliation:
    return reconcile(night.sides.migration, night.as_of, night.world(), ANA, wait=night.wait)


def test_a_waiver_goes_from_the_form_to_the_evidence_and_stays_there_when_it_is_withdrawn(
    night: NightWorld, waive: Triggered, server: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    failed = reconciled(night)
    assert failed.verdict is Verdict.FAIL

    waive("ana", cause="late", days=["2026-03-01"], segments={"zone": ["N"]}, reason="the feed was down")

    assert (
        "waiver 1: late in every measure of trips_daily, 1 March 2026, where zone N"
        in capsys.readouterr().out
    )
    passed = reconciled(night)
    assert (passed.verdict, passed.window_complete) == (Verdict.PASS, True)
    kept = night.ledger.evidence(passed.digest)
    assert kept is not None
    assert [(w["id"], w["by"], w["reason"]) for w in kept["waivers"]] == [(1, "ana", "the feed was down")]
    assert all(used["covers"] for used in kept["waivers"][0]["used"])

    waive("ana", withdraw=1, reason="it came after all")

    again = reconciled(night)
    assert (again.verdict, again.digest) == (Verdict.FAIL, failed.digest)
    assert night.ledger.evidence(passed.digest) == kept
    with psycopg.connect(**server) as connection:  # type: ignore[arg-type]
        rows = connection.execute(
            "SELECT id, withdraws, by, dag_run, reason FROM slipway.waivers ORDER BY id"
        ).fetchall()
    assert rows == [
        (1, None, "ana", "manual__1", "the feed was down"),
        (2, 1, "ana", "manual__2", "it came after all"),
    ]


@pytest.mark.parametrize(
    ("user", "came", "conf", "why"),
    [
        ("ana", "cli", {}, "the name is not proven"),
        ("vic", "rest_api", {}, "vic may not waive"),
        ("ana", "rest_api", {"reason": " "}, "`reason` is empty"),
        ("ana", "rest_api", {"days": []}, "names 0 days"),
        ("ana", "rest_api", {"withdraw": 1}, "given `withdraw` and `cause`, which contradict"),
        ("ana", "rest_api", {"cause": "engine"}, "can't be waived"),
        ("ana", "rest_api", {"expires": "2026-12-01"}, "has no zone"),
    ],
)
def test_a_run_that_is_refused_leaves_nothing_behind(
    night: NightWorld, waive: Triggered, user: str, came: str, conf: dict[str, Any], why: str
) -> None:
    reconciled(night)
    wanted = {"cause": "late", "days": ["2026-03-01"], "reason": "known"}

    with pytest.raises(Permanent, match=why):
        waive(user, came, **{**wanted, **conf})

    assert night.ledger.waivers("trips") == []
