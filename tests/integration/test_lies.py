"""A batch side or a stream side that lies, on real parts: dbt's models, Iceberg's tables, rows in Postgres.

The models that lie are in the folder lying_models, beside the right ones; dbt builds all of them once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from confluent_kafka import Producer

from slipway.adapters.dbt import DbtBaseline
from slipway.app.verify import verify
from slipway.domain.evidence import STREAM_FAULTS, Cause, Verdict
from slipway.ports import BaselineRun, Checked, Reconciliation
from tests.fakes.two_sides import FIRST, MEASURES, TOLLED, Kpi, Trip, migration
from tests.integration.scratch import database
from tests.integration.test_reconcile import NOON, Night
from tests.stack import Stack

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
JOURNAL = REPO / "include" / "sql" / "batch" / "slipway_run.sql"
KPI = Kpi(
    "day(started)",
    {name: spec for name, spec in MEASURES.items() if name != "short"} | {"tolls": {"sum": "toll"}},
)


def trip(n: int) -> Trip:
    """Every other trip starts late in the evening of New York, when it is the next day in UTC."""
    started = NOON + timedelta(days=n % 3, hours=9 if n % 2 else 0, minutes=n)
    weight = None if n == 7 else 2**n
    toll = Decimal("9999999.99") if n % 2 else None
    zone = None if n == 5 else "NS"[n % 2]
    return Trip(f"t{n}", f"r{n}", "A", started, zone, 100 + n, n / 4, weight, 1, toll)


class LyingNight(Night):
    """Twelve trips that both sides have; dbt has built what is right, and what is not."""

    def __init__(
        self, stack: Stack, server: Mapping[str, str], ledger: Mapping[str, str], folder: Path
    ) -> None:
        super().__init__(
            stack, server, ledger, folder, migration(schema=TOLLED, kpis={"trips_daily": KPI}), days=3
        )
        project = folder / "lying_models"
        shutil.copytree(HERE / "lying_models", project)
        shutil.copy(REPO / "dbt_project" / "profiles.yml", project)
        self.dbt = DbtBaseline(project, server, JOURNAL, folder / "dbt")
        for n in range(12):
            self.sides.batch.append(trip(n))
            self.sides.accept(trip(n))
        # What the checks say of events is not asked here, and would take most of the time.
        self.world.expectations.check = lambda *asked, **more: Checked(True, (), "none", "")  # type: ignore[method-assign]
        self.publish()

    def publish(self) -> None:
        """Put the trips into the topic, the lake and the operational tables, and let dbt build."""
        producer = Producer(self.kafka)
        for row in self.sides.bronze:
            producer.produce(self.topic, json.dumps(row["event_id"]).encode(), partition=0)
        producer.flush(30)
        bronze, silver, _, _ = self.tables
        self._append(bronze, [row | {"arrived_on": FIRST} for row in self.sides.bronze])
        self._append(silver, [self.sides._event(*row) for row in self.sides.silver])
        self._events("ops.trips", self.sides.batch)
        self.run("CREATE TABLE ops.cabs AS SELECT rider, cabs__weight AS weight FROM ops.trips")
        self.run("DELETE FROM ops.cabs WHERE weight IS NULL")
        run = self.dbt.begin("trips", self.as_of, self.as_of, datetime.now(UTC), "ana")
        found = self.dbt.build("trips", self.as_of, run)
        assert found.ok, found.nodes
        self.dbt.finish(found, datetime.now(UTC))
        for model in ("trip_events", "trips_daily"):
            self.run(f"CREATE TABLE ops.right_{model} AS SELECT * FROM batch.{model}")
        self.run(f"CREATE TABLE stream.trips_daily__r1 AS {self.folded}")

    @property
    def folded(self) -> str:
        """The rows that the stream's job would have written."""
        return self.migration.kpis["trips_daily"].fold("postgres", "ops.trips")

    def built(self, lie: str, loaded_through: datetime, events: bool = True) -> None:
        """Let a build be the newest whose models are those of a lie; none: they are right.

        events: whether the model of events lies, or the KPI's alone.
        """
        run = self.dbt.begin("trips", self.as_of, loaded_through, datetime.now(UTC), "ana")
        for model in ("trip_events", "trips_daily"):
            lies = lie and (events or model == "trips_daily")
            rows = f"batch.{model}__{lie}" if lies else f"ops.right_{model}"
            self.run(f"TRUNCATE batch.{model}; INSERT INTO batch.{model} SELECT * FROM {rows}")
        self.dbt.finish(BaselineRun(run, self.as_of, True, ()), datetime.now(UTC))

    def served(self) -> None:
        """Let the serving table be the fold of silver."""
        self.run(f"TRUNCATE stream.trips_daily__r1; INSERT INTO stream.trips_daily__r1 {self.folded}")

    def document(self, found: Reconciliation) -> Mapping[str, Any]:
        return self.store.get(found.digest)


@pytest.fixture(scope="module")
def night(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LyingNight]:
    with (
        database(stack, "slipway_warehouse") as server,
        database(stack, "slipway_ledger") as ledger,
    ):
        found = LyingNight(stack, server, ledger, tmp_path_factory.mktemp("lies"))
        yield found
        found.admin.delete_topics([found.topic])[found.topic].result(30)


@pytest.fixture(autouse=True)
def honest(night: LyingNight) -> Iterator[None]:
    """Both sides are right again when a test begins."""
    night.built("", night.as_of)
    night.served()
    yield


def causes(document: Mapping[str, Any]) -> set[str]:
    return {cause["cause"] for cause in document["kpis"]["trips_daily"]["causes"]}


def named(document: Mapping[str, Any]) -> set[str]:
    return {identity for one in document["kpis"]["trips_daily"]["examples"] for identity in one["ids"]}


def test_without_a_lie_nothing_differs(night: LyingNight) -> None:
    found = night.reconciled()

    document = night.document(found)
    assert found.verdict is Verdict.PASS, document["findings"]
    assert (document["kpis"]["trips_daily"]["differing"], document["hidden"]) == (0, [])


@pytest.mark.parametrize(
    ("lie", "cause", "ids"),
    [
        ("wrong_definition", Cause.DEFINITION, set()),
        ("wrong_time_zone", Cause.DEFINITION, set()),
        ("lost_join", Cause.DEFINITION, set()),
        ("wrong_time", Cause.TIME_BUCKET, {f"t{n}" for n in range(12)}),
        ("wrong_field", Cause.VALUE, {f"t{n}" for n in range(12)}),
        ("changed_dimension", Cause.DIMENSION, {"t3"}),
        ("incomplete", Cause.NOT_IN_BATCH, {"t4"}),
    ],
)
def test_a_dbt_model_that_lies_is_named_and_the_stream_is_not_blamed(
    night: LyingNight, lie: str, cause: Cause, ids: set[str]
) -> None:
    night.built(lie, night.as_of, events=cause is not Cause.DEFINITION)

    found = night.reconciled()

    document = night.document(found)
    assert found.verdict is Verdict.FAIL
    assert causes(document) == {cause}
    assert not causes(document) & STREAM_FAULTS
    assert named(document) == ids
    assert document["kpis"]["trips_daily"]["broken"] == 0
    assert all(one["shares"] for one in document["kpis"]["trips_daily"]["differences"])


def test_a_batch_that_looked_early_keeps_its_last_day_open(night: LyingNight) -> None:
    night.built("early", night.as_of - timedelta(hours=1))

    found = night.reconciled()

    document = night.document(found)
    assert document["days"]["closed_through"] == (FIRST + timedelta(days=1)).isoformat()
    assert {finding["code"] for finding in document["findings"]} >= {"batch_behind"}
    judged = [day for day in document["kpis"]["trips_daily"]["days"] if not day["open"]]
    assert [day["verdict"] for day in judged] == ["PASS", "PASS"]
    assert causes(document) == {Cause.NOT_IN_BATCH}
    assert {cause["day"] for cause in document["kpis"]["trips_daily"]["causes"]} == {
        (FIRST + timedelta(days=2)).isoformat()
    }


DAY = FIRST + timedelta(days=1)
ROW = f"day = '{DAY}' AND zone = 'N'"
STREAM_LIES = {
    "a total that began anew": f"UPDATE stream.trips_daily__r1 SET trips = 1, fares = 101 WHERE {ROW}",
    "a zombie's older row": f"UPDATE stream.trips_daily__r1 SET trips = trips - 1, weights = 0 WHERE {ROW}",
    "a lost flush": f"DELETE FROM stream.trips_daily__r1 WHERE {ROW}",
    "a row edited by hand": f"UPDATE stream.trips_daily__r1 SET tolls = tolls + 0.01 WHERE {ROW}",
    "a row of nobody": f"INSERT INTO stream.trips_daily__r1 (day, zone, trips) VALUES ('{DAY}', 'X', 1)",
}


@pytest.mark.parametrize("lie", STREAM_LIES)
def test_a_serving_table_that_is_not_the_fold_of_silver_is_the_engines_fault(
    night: LyingNight, lie: str
) -> None:
    night.run(STREAM_LIES[lie])

    found = night.reconciled()

    document = night.document(found)
    assert found.verdict is Verdict.FAIL
    assert causes(document) == {Cause.ENGINE}
    assert {one["cell"]["day"] for one in document["kpis"]["trips_daily"]["differences"]} == {str(DAY)}
    assert named(document) == set()


def test_two_lies_that_cancel_in_every_cell_are_found_by_their_events(night: LyingNight) -> None:
    night.run("UPDATE batch.trip_events SET trip_id = 'ghost' WHERE trip_id = 't2'")

    found = night.reconciled()

    document = night.document(found)
    assert document["kpis"]["trips_daily"]["differing"] == 0
    assert {(one["kind"], one["day"], tuple(one["ids"])) for one in document["hidden"]} == {
        ("batch_only", "2026-03-03", ("ghost",)),
        ("stream_only", "2026-03-03", ("t2",)),
    }


def test_a_sum_beyond_the_digits_of_a_double_is_compared_to_its_last_one(night: LyingNight) -> None:
    large = Decimal("12345678901234567890.12")
    for table, value in (("batch.trips_daily", large), ("stream.trips_daily__r1", large + Decimal("0.01"))):
        night.run(f"UPDATE {table} SET tolls = {value} WHERE {ROW}")

    found = night.reconciled()

    [one] = night.document(found)["kpis"]["trips_daily"]["differences"]
    assert Decimal(one["stream"]) - Decimal(one["batch"]) == Decimal("0.01")


def test_what_was_found_of_a_lie_is_verified_after_dbt_has_mended_it(night: LyingNight) -> None:
    night.built("incomplete", night.as_of)
    found = night.reconciled()
    night.built("", night.as_of)

    verified = verify(night.migration, found.digest, night.world)

    assert verified.same, verified.differences


def test_numbers_of_the_batch_side_have_no_precision_here(night: LyingNight) -> None:
    """The test of large sums stands on it: Postgres' own sums are of type numeric, without one."""
    with psycopg.connect(**cast(Any, night.server)) as connection:
        found = connection.execute(
            "SELECT numeric_precision FROM information_schema.columns"
            " WHERE table_schema = 'batch' AND table_name = 'trips_daily' AND column_name = 'tolls'"
        ).fetchall()
    assert found == [(None,)]
