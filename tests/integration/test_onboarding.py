"""A draft stands up in the real world: a topic is sampled from a real broker, and dbt takes the stubs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from slipway import cli
from slipway.adapters.contracts import load_migration
from slipway.adapters.dbt import DbtBaseline
from slipway.adapters.onboarding import sampling
from slipway.errors import Permanent
from slipway.ports import BaselineRun
from tests.stack import Stack

REPO = Path(__file__).parents[2]
NIGHT = datetime(2026, 1, 7, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "include" / "migrations").mkdir(parents=True)
    shutil.copytree(REPO / "dbt_project", tmp_path / "dbt_project", ignore=shutil.ignore_patterns("target"))
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def topic(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in stack.env.items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    admin, name = AdminClient(settings(stack)), f"raw-shop-{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(name, 3, 1)])[name].result()
    yield name
    admin.delete_topics([name])[name].result()


def settings(stack: Stack) -> dict[str, str]:
    return {"bootstrap.servers": stack.conn("kafka")["extra"]["bootstrap.servers"]}


def event(number: int) -> bytes:
    values = {
        "event_id": f"e{number}",
        "order_id": f"o{number // 3}",
        "kind": "paid" if number % 2 else "sent",
    }
    return json.dumps({**values, "happened_at": "2026-01-05T08:00:00Z"}).encode()


def test_the_newest_records_of_a_topic_become_a_valid_draft(home: Path, stack: Stack, topic: str) -> None:
    producer = Producer(settings(stack))
    for number in range(400):
        value = b"no json" if number % 40 == 0 else event(number)
        producer.produce(topic, value, key=f"o{number // 3}".encode())
    assert producer.flush(30) == 0
    sample = sampling.from_topic(settings(stack), topic, 300)
    assert 0 < sample.unreadable < 20
    assert 200 < len(sample.records) + sample.unreadable <= 300
    assert all(record.arrived_at and record.size == len(event(int(record.values["event_id"][1:])))
               for record in sample.records)  # fmt: skip

    assert cli.main(["init", "shop", "--from-topic", topic, "--records", "300"]) == cli.DONE
    events = load_migration(home / "include" / "migrations" / "shop.yaml").contract.events
    assert (events.topic, events.key, events.id, events.time) == (
        topic,
        ("order_id",),
        "event_id",
        "happened_at",
    )


def test_an_empty_and_an_absent_topic_are_refused_at_once(stack: Stack, topic: str) -> None:
    with pytest.raises(Permanent, match="it holds no record"):
        sampling.from_topic(settings(stack), topic, 10)
    with pytest.raises(Permanent, match="the cluster has no topic raw-nothing; it has"):
        sampling.from_topic(settings(stack), "raw-nothing", 10)


def test_dbt_parses_the_project_with_drafts_in_it(home: Path) -> None:
    hostile = [
        {**json.loads(event(n)), "odd": "{{ 1/0 }} {% endfor %} \"'\n#", "order": n} for n in range(40)
    ]
    sample = home / "sample.jsonl"
    sample.write_text("\n".join(map(json.dumps, hostile)))
    assert cli.main(["init", "shop", "--from-file", str(sample)]) == cli.DONE
    assert cli.main(["init", "punctuality", "--from-dbt-model", "flight_events"]) == cli.DONE
    given = {f"SLIPWAY_DBT_{name}": "x" for name in ("HOST", "USER", "DBNAME")}
    given |= {"SLIPWAY_DBT_PORT": "1", "DBT_ENV_SECRET_PASSWORD": "x"}
    project = str(home / "dbt_project")
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--no-use-colors", "parse"]
    command += ["--project-dir", project, "--profiles-dir", project]
    command += ["--target-path", str(home / "target"), "--log-path", str(home / "log")]
    done = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    nodes = set(json.loads((home / "target" / "manifest.json").read_text())["nodes"])
    wanted = {"shop_daily", "shop_events", "punctuality_daily"}
    assert {f"model.slipway.{name}" for name in wanted} <= nodes


@pytest.fixture
def warehouse(stack: Stack) -> Iterator[dict[str, str]]:
    """Libpq parameters of a database of its own, whose ops.shop_events holds one event more each time."""
    name, found = f"onboarding_{uuid.uuid4().hex[:8]}", stack.conn("warehouse")
    with stack.postgres("postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER slipway_warehouse")
    server = {"host": found["host"], "port": str(found["port"]), "user": found["login"]}
    server |= {"password": found["password"], "dbname": name}
    with psycopg.connect(**server, autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA ops; CREATE TABLE ops.shop_events AS SELECT 'e1' AS event_id, 'o1' AS order_id,"
            " 'paid' AS kind, 9.95 AS amount, timestamptz '2026-01-05T08:00Z' AS happened_at,"
            " timestamptz '2026-01-05T08:00Z' AS arrived_at"
        )
    yield server
    with stack.postgres("postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_dbt_builds_a_draft_again_and_again_and_a_bare_max_of_money_is_why_it_casts(
    home: Path, warehouse: dict[str, str]
) -> None:
    sample = home / "sample.jsonl"
    rows = [{**json.loads(event(n)), "amount": f"{n}.50"} for n in range(40)]
    sample.write_text("\n".join(map(json.dumps, rows)))
    assert cli.main(["init", "shop", "--from-file", str(sample)]) == cli.DONE
    journal = REPO / "include" / "sql" / "batch" / "slipway_run.sql"
    dbt = DbtBaseline(home / "dbt_project", warehouse, journal, home / "work")

    def built() -> BaselineRun:
        return dbt.build("shop", NIGHT, dbt.begin("shop", NIGHT, NIGHT, NIGHT, "ana"))

    assert [built().ok, built().ok] == [True, True]
    with psycopg.connect(**warehouse) as connection:
        row = connection.execute("SELECT events, amount_total FROM batch.shop_daily").fetchone()
    assert row == (1, Decimal("9.95"))

    model = home / "dbt_project" / "models" / "shop" / "shop_daily.sql"
    drafted = model.read_text()
    (cast,) = [line for line in drafted.splitlines() if line.endswith("as amount_total,")]
    model.write_text(drafted.replace(cast, "    sum(amount) as amount_total,"))
    assert not built().ok
    model.write_text(drafted.replace(cast, "    cast(sum(amount) as numeric(38, 2)) as amount_total,"))
    assert built().ok
