"""dbt on a real warehouse: the right numbers, and readers who never notice that they are being replaced."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

from demo import operational
from demo.flights import SLICE_A, events_of, load_flights, load_planes
from slipway.adapters.dbt import DbtBaseline
from slipway.errors import Permanent, Retryable
from slipway.ports import BaselineRun
from tests.stack import Stack
from tests.truth.flights import GRAIN, MEASURES, truth_kpis

REPO = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
NIGHT = datetime.fromisoformat("2013-03-01T06:00-05:00")
EARLY = datetime.fromisoformat("2013-02-26T00:30-05:00")
END = datetime.fromisoformat("2013-03-14T06:00-04:00")


@pytest.fixture(scope="module")
def warehouse(stack: Stack) -> Iterator[dict[str, str]]:
    """Libpq parameters of a database of its own, with everything that ever happened in its ops tables."""
    name = f"baseline_{uuid.uuid4().hex[:8]}"
    with stack.postgres("postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER slipway_warehouse")
    found = stack.conn("warehouse")
    parameters = {
        "host": found["host"],
        "port": str(found["port"]),
        "user": found["login"],
        "password": found["password"],
        "dbname": name,
    }
    with psycopg.connect(**parameters, autocommit=True) as connection:
        operational.prepare(connection, load_planes())
        operational.upsert(connection, load_flights(SLICE_A), END)
    yield parameters
    with stack.postgres("postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def dbt(warehouse: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> DbtBaseline:
    journal = REPO / "include" / "sql" / "batch" / "slipway_run.sql"
    return DbtBaseline(REPO / "dbt_project", warehouse, journal, tmp_path_factory.mktemp("dbt"))


def build(dbt: DbtBaseline, as_of: datetime) -> BaselineRun:
    run_id = dbt.begin("flights", as_of, as_of, NOW, "ana")
    run = dbt.build("flights", as_of, run_id)
    dbt.finish(run, NOW)
    return run


def rows(warehouse: dict[str, str], query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(**warehouse) as connection:
        return connection.execute(query).fetchall()


def batch_kpis(warehouse: dict[str, str]) -> pd.DataFrame:
    columns = GRAIN + MEASURES
    found = rows(warehouse, f"SELECT {', '.join(columns)} FROM batch.flights_daily ORDER BY 1, 2, 3")
    return pd.DataFrame(found, columns=columns)


@pytest.mark.parametrize("as_of", [EARLY, NIGHT, END], ids=["half past midnight", "a night", "the end"])
def test_the_kpi_is_what_an_independent_computation_finds(
    dbt: DbtBaseline, warehouse: dict[str, str], as_of: datetime
) -> None:
    run = build(dbt, as_of)

    assert run.ok, run.nodes
    truth = truth_kpis(SLICE_A.first, SLICE_A.last, as_of)
    pd.testing.assert_frame_equal(batch_kpis(warehouse), truth, check_dtype=False)


def test_the_events_are_field_by_field_those_that_the_stream_is_sent(
    dbt: DbtBaseline, warehouse: dict[str, str]
) -> None:
    build(dbt, NIGHT)

    happened = [event for event in events_of(load_flights(SLICE_A)) if event.happened_at <= NIGHT]
    expected = {}
    for event in happened:
        fields = event.fields()
        typed = {
            "flight_date": date.fromisoformat(str(fields["flight_date"])),
            "event_time": datetime.fromisoformat(str(fields["event_time"])),
        }
        expected[event.event_id] = tuple((fields | typed).values())
    names = ", ".join(happened[0].fields())
    found = rows(warehouse, f"SELECT {names} FROM batch.flight_events")
    assert {row[0]: row for row in found} == expected
    assert len(found) == len(expected)


def test_event_times_of_arrival_and_seats_are_those_of_the_operational_tables(
    dbt: DbtBaseline, warehouse: dict[str, str]
) -> None:
    build(dbt, NIGHT)

    seats = {plane.tailnum: plane.seats for plane in load_planes()}
    expected = {
        event.event_id: (event.happened_at, seats.get(event.flight.tailnum or ""))
        for event in events_of(load_flights(SLICE_A))
        if event.happened_at <= NIGHT
    }
    found = rows(warehouse, "SELECT event_id, arrived_at, planes__seats FROM batch.flight_events")
    assert {id_: (arrived, known) for id_, arrived, known in found} == expected
    assert None in {known for _, known in expected.values()}


def test_readers_of_a_view_see_whole_results_while_the_table_is_replaced(
    dbt: DbtBaseline, warehouse: dict[str, str]
) -> None:
    build(dbt, EARLY)
    with psycopg.connect(**warehouse, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS serving")
        connection.execute("CREATE VIEW serving.trial AS SELECT * FROM batch.flights_daily")
    before = rows(warehouse, "SELECT count(*), sum(departed) FROM serving.trial")[0]
    seen: list[tuple[Any, ...]] = []
    stop = threading.Event()

    def read() -> None:
        with psycopg.connect(**warehouse, autocommit=True) as connection:
            while not stop.wait(0.002):
                seen.extend(
                    connection.execute("SELECT count(*), sum(departed) FROM serving.trial").fetchall()
                )

    reader = threading.Thread(target=read)
    reader.start()
    try:
        build(dbt, NIGHT)
    finally:
        stop.set()
        reader.join()
    after = rows(warehouse, "SELECT count(*), sum(departed) FROM serving.trial")[0]
    assert before != after
    assert set(seen) == {before, after}


def test_a_build_that_fails_before_its_commit_leaves_the_old_rows(
    dbt: DbtBaseline, warehouse: dict[str, str]
) -> None:
    build(dbt, EARLY)
    before = batch_kpis(warehouse)
    with psycopg.connect(**warehouse, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE batch.flights_daily ADD CONSTRAINT early CHECK (flight_date < '2013-02-28')"
        )
    try:
        run = build(dbt, NIGHT)
    finally:
        with psycopg.connect(**warehouse, autocommit=True) as connection:
            connection.execute("ALTER TABLE batch.flights_daily DROP CONSTRAINT early")

    assert not run.ok
    assert any("early" in message for _, status, _, message in run.nodes if status == "error")
    pd.testing.assert_frame_equal(batch_kpis(warehouse), before)
    journal = rows(warehouse, "SELECT run_id, as_of, ok FROM batch.slipway_run ORDER BY id DESC LIMIT 1")
    assert journal == [(run.run_id, NIGHT, False)]


def test_a_failing_test_is_named_with_its_message(dbt: DbtBaseline, warehouse: dict[str, str]) -> None:
    with psycopg.connect(**warehouse, autocommit=True) as connection:
        connection.execute("UPDATE ops.flights SET origin = 'XXX' WHERE flight_id = '2013-02-25-US-1117-EWR'")
    try:
        run = build(dbt, NIGHT)
    finally:
        with psycopg.connect(**warehouse, autocommit=True) as connection:
            connection.execute("UPDATE ops.flights SET origin = 'EWR' WHERE origin = 'XXX'")

    failed = {name: message for name, status, _, message in run.nodes if status == "fail"}
    assert not run.ok
    assert any("accepted_values_ops_flights_origin" in name for name in failed)
    assert all("Got 1 result" in message for message in failed.values())


def test_of_two_builds_at_once_the_second_is_to_come_again(
    dbt: DbtBaseline, warehouse: dict[str, str]
) -> None:
    run_id = dbt.begin("flights", NIGHT, NIGHT, NOW, "ana")
    with psycopg.connect(**warehouse) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('slipway.baseline'), hashtext('flights'))")
        with pytest.raises(Retryable, match="another baseline"):
            dbt.build("flights", NIGHT, run_id)


def test_a_warehouse_that_goes_away_is_no_failure_of_the_models(
    stack: Stack, dbt: DbtBaseline, warehouse: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = dbt.begin("flights", NIGHT, NIGHT, NOW, "ana")

    def crash(*arguments: object) -> list[dict[str, Any]]:
        with stack.postgres("postgres", autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (warehouse["dbname"],),
            )
        return [
            {"unique_id": "model.x", "status": "error", "execution_time": 1.0, "message": "connection lost"}
        ]

    monkeypatch.setattr(dbt, "_dbt", crash)
    with pytest.raises(Retryable, match="went away"):
        dbt.build("flights", NIGHT, run_id)
    journal = rows(warehouse, "SELECT ok, finished_at FROM batch.slipway_run ORDER BY id DESC LIMIT 1")
    assert journal == [(None, None)]


def test_what_dbt_can_not_even_start_is_permanent_and_says_what_it_said(
    dbt: DbtBaseline, warehouse: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(Permanent, match="no dbt models for nothing"):
        dbt.build("nothing", NIGHT, "run")

    (tmp_path / "models" / "flights").mkdir(parents=True)
    broken = DbtBaseline(tmp_path, warehouse, REPO / "include/sql/batch/slipway_run.sql", tmp_path / "work")
    with pytest.raises(Permanent, match=r"(?s)before it built anything.*dbt_project\.yml"):
        broken.build("flights", NIGHT, "run")


def test_the_password_is_in_no_file(
    dbt: DbtBaseline, warehouse: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    build(dbt, EARLY)

    secret = warehouse["password"].encode()
    written = [path for path in dbt._work.rglob("*") if path.is_file()]
    assert any(path.name == "dbt.log" for path in written)
    assert not [path for path in written if secret in path.read_bytes()]
