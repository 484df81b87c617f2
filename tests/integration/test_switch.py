"""The switch over real databases: killed between its steps, with the ledger away, and by two at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest

from slipway.app import cutover, rollback, sign_off, status
from slipway.domain.contract import Migration
from slipway.domain.evidence import Verdict, digest_of
from slipway.domain.gates import Refused, route_epoch
from slipway.domain.states import State
from slipway.errors import Retryable
from slipway.faults import EXIT_CODE
from slipway.ports import Actor, Attempt, Reconciliation, World
from tests.integration.scratch import database
from tests.integration.switch_process import contract, world
from tests.stack import Stack

REPO = Path(__file__).parents[2]
RITA = Actor("rita", authenticated=True, dag_run="manual__1")
CUTOVER = ["preflight", "arm", "canary", "switch", "verify"]
DIGEST = digest_of({"night": 1})


@dataclass
class Site:
    """Two databases, a migration that is armed, and rows that differ between both sides."""

    ledger: Mapping[str, str]
    warehouse: Mapping[str, str]
    migration: Migration
    world: World

    def run(self, steps: list[str], dag_run: str, fail_at: str = "") -> subprocess.CompletedProcess[str]:
        given = {
            "ledger": dict(self.ledger),
            "warehouse": dict(self.warehouse),
            "dag_run": dag_run,
            "steps": steps,
        }
        return subprocess.run(
            [sys.executable, "-m", "tests.integration.switch_process"],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": f"{REPO / 'plugins'}:{REPO}", "SLIPWAY_FAIL_AT": fail_at},
            check=False,
        )

    def seen(self) -> set[tuple[str | None, str]]:
        """Return (origin, served_from) as readers get them."""
        with psycopg.connect(**self.warehouse) as connection:  # type: ignore[arg-type]
            return set(connection.execute("SELECT origin, served_from FROM serving.flights_daily").fetchall())

    @property
    def state(self) -> State:
        standing = self.world.ledger.standing("flights")
        assert standing is not None
        return standing.state

    def reconcile_and_sign(self) -> None:
        epoch = route_epoch(self.world.serving.routes(["flights_daily"]))
        now, m = datetime.now(UTC), self.migration
        night = Reconciliation(
            0, "flights", DIGEST, Verdict.PASS, now, date(2013, 2, 26), 5, True, (),
            m.contract_digest, m.parity_digest, 1, epoch, "r.html", now,
        )  # fmt: skip
        self.world.ledger.record_reconciliation(night, {"verdict": "PASS"}, RITA)
        status.refresh(m, self.world, RITA)
        for role, user in (("data_owner", "ana"), ("consumer", "carla"), ("on_call", "omar")):
            sign_off.sign_off(m, role, "approve", DIGEST, "seen", Actor(user, True), self.world)


BATCH = {("LGA", "batch"), ("EWR", "batch"), (None, "batch")}
CANARY = {("LGA", "stream"), ("EWR", "batch"), (None, "batch")}
STREAM = {("LGA", "stream"), ("EWR", "stream"), (None, "stream")}


@pytest.fixture
def site(stack: Stack) -> Iterator[Site]:
    with database(stack, "slipway_ledger") as ledger, database(stack, "slipway_warehouse") as warehouse:
        found = Site(ledger, warehouse, contract(), world(ledger, warehouse))
        m, kept = found.migration, found.world.ledger
        kept.upgrade()
        kept.adopt("flights", m.contract_digest, m.parity_digest, RITA)
        kept.advance("flights", State.PROVISIONED, RITA, "test")
        found.world.serving.install()
        found.world.serving.publish(m, [1])
        kept.remember_revision("flights", 1, m.parity_digest, RITA)
        kept.make_current("flights", 1)
        now = datetime.now(UTC)
        kept.open_attempt(
            Attempt(0, "flights", "revision", 1, 1, m.parity_digest, "1" * 32, "w", "running", now)
        )
        kept.advance("flights", State.HYDRATING, RITA, "test")
        with psycopg.connect(**warehouse) as connection:  # type: ignore[arg-type]
            for table, seats in (("batch.flights_daily", 1), ("stream.flights_daily__r1", 2)):
                connection.execute(
                    f"INSERT INTO {table} (flight_date, origin, carrier, seats) "  # type: ignore[arg-type]
                    f"SELECT DATE '2013-02-26', unnest(ARRAY['LGA', 'EWR', NULL]), 'UA', {seats}"
                )
        found.reconcile_and_sign()
        yield found


@pytest.mark.parametrize(
    ("fail_at", "left"),
    [
        ("canary.routed", CANARY),
        ("switch.routed", STREAM),
        ("switch.mirrored", STREAM),
    ],
)
def test_a_process_killed_between_two_steps_leaves_one_source_and_a_second_run_completes(
    site: Site, fail_at: str, left: set[tuple[str | None, str]]
) -> None:
    died = site.run(CUTOVER, "manual__1", fail_at)
    assert died.returncode == EXIT_CODE, died.stderr
    assert site.seen() == left

    done = site.run(CUTOVER, "manual__2")

    assert done.returncode == 0, done.stderr
    assert site.seen() == STREAM
    assert site.state is State.SWITCHED
    journal = list(site.world.serving.journal("flights"))
    assert [row.action for row in journal] == ["canary", "switch"]
    assert list(site.world.ledger.switches("flights")) == journal


def test_a_rollback_killed_after_the_point_of_no_return_is_known_to_the_ledger_later(site: Site) -> None:
    assert site.run(CUTOVER, "manual__1").returncode == 0
    assert site.run(["rollback"], "manual__2", "rollback.routed").returncode == EXIT_CODE
    assert site.seen() == BATCH
    assert site.state is State.SWITCHED

    status.refresh(site.migration, site.world, RITA)

    assert site.state is State.ROLLED_BACK
    with pytest.raises(Refused, match="moved back after this evidence"):
        cutover.arm(site.migration, site.world, RITA)
    site.reconcile_and_sign()
    assert site.run(CUTOVER, "manual__3").returncode == 0
    assert site.seen() == STREAM


def test_a_rollback_works_while_the_ledgers_database_is_away(site: Site) -> None:
    assert site.run(CUTOVER, "manual__1").returncode == 0
    alone = world({**site.ledger, "port": "1"}, site.warehouse)

    done = rollback.rollback(site.migration, alone, RITA, "the ledger is on fire")

    assert site.seen() == BATCH
    assert "the ledger does not know it yet" in str(done)
    assert done.changes[0].measures["seats"] == (3, "3")


def test_a_switch_and_a_rollback_at_once_end_on_batch(site: Site) -> None:
    cutover.arm(site.migration, site.world, RITA)
    cutover.canary(site.migration, 0, site.world, RITA)

    with ThreadPoolExecutor(2) as pool:
        switching = pool.submit(cutover.switch, site.migration, site.world, RITA, "now")
        rolling = pool.submit(rollback.rollback, site.migration, site.world, RITA, "no")
        rolling.result()
        refused = switching.exception()

    assert refused is None or isinstance(refused, (Retryable, Refused))
    if refused is None:  # the switch came first; the rollback came after it and won
        assert [row.action for row in site.world.serving.journal("flights")][-2:] == ["switch", "rollback"]
    assert site.seen() == BATCH
