"""The demo is the main job: it runs once, through Airflow, and everything that it leaves behind is checked.

The truth comes from the CSV files by a computation of its own (tests/truth), and from the labels of the
faults that were injected; what the product says of itself is compared with both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from confluent_kafka import Consumer, TopicPartition
from pyiceberg.catalog.sql import SqlCatalog

from tests.stack import Stack
from tests.truth.flights import GRAIN, MEASURES, truth_kpis

FIRST, LAST = date(2013, 2, 25), date(2013, 3, 12)
TABLES = {
    "bronze": "bronze.flights",
    "silver": "silver.flights__r1",
    "late": "late.flights__r1",
    "rejected": "rejected.flights__r1",
}


@dataclass(frozen=True)
class Done:
    """A demo that has run: its world, its own result, and the lake's tables in a DuckDB of the test's."""

    stack: Stack
    result: Mapping[str, Any]
    lake: duckdb.DuckDBPyConnection

    def warehouse(self, query: str) -> list[tuple[Any, ...]]:
        with self.stack.postgres("warehouse") as connection:
            return connection.execute(query.encode()).fetchall()

    def count(self, query: str) -> int:
        row = self.lake.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def evidence(self, night: str) -> Mapping[str, Any]:
        """Return the evidence of the first night whose name begins so."""
        found = next(found for name, found in self.result["nights"] if name.startswith(night))
        document: Mapping[str, Any] = self.result["evidence"][found["digest"]]
        return document


@pytest.fixture(scope="module")
def demo(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Done:
    result = tmp_path_factory.mktemp("demo") / "result.json"
    python = str(stack.settings.world.installation.python)
    stack.run(python, "-m", "demo.run", "--result", str(result))
    return Done(stack, json.loads(Path(result).read_text()), lake_of(stack))


def lake_of(stack: Stack) -> duckdb.DuckDBPyConnection:
    """Read every table through PyIceberg itself, whatever the product thinks of it."""
    conn = stack.conn("lake")
    extra = conn["extra"] if isinstance(conn["extra"], dict) else json.loads(conn["extra"])
    uri = f"postgresql+psycopg://{conn['login']}:{conn['password']}@{conn['host']}:{conn['port']}/{conn['schema']}"
    catalog = SqlCatalog("lake", uri=uri, warehouse=extra["warehouse"], init_catalog_tables="false")
    lake = duckdb.connect()
    for name, table in TABLES.items():
        rows = catalog.load_table(table).scan().to_arrow()
        lake.register(f"{name}_rows", rows)
        lake.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_rows")
    return lake


def test_what_readers_get_is_the_truth_of_the_files(demo: Done) -> None:
    columns = ", ".join(GRAIN + MEASURES)
    rows = demo.warehouse(
        f"SELECT {columns}, served_from FROM serving.flights_daily"
        f" WHERE flight_date BETWEEN '{FIRST}' AND '{LAST}' ORDER BY {', '.join(GRAIN)}"
    )
    truth = truth_kpis(FIRST, LAST)
    assert [row[:-1] for row in rows] == [tuple(row) for row in truth.itertuples(index=False, name=None)]
    assert {row[-1] for row in rows} == {"stream"}
    assert len(rows) == 507


def test_the_spot_that_was_counted_by_hand(demo: Done) -> None:
    (row,) = demo.warehouse(
        "SELECT scheduled, cancelled, departed, departed_on_time, arrived_on_time, delay_minutes, aircraft,"
        " seats FROM serving.flights_daily"
        " WHERE flight_date = '2013-03-08' AND origin = 'EWR' AND carrier = 'UA'"
    )
    assert row == (131, 4, 127, 42, 25, 9519, 113, 21940)


def test_every_record_is_in_bronze_and_in_one_other_place(demo: Done) -> None:
    ((produced,),) = demo.warehouse(
        "SELECT records FROM ops.replay_progress WHERE topic = 'raw-flight-status'"
    )
    bronze = demo.count("SELECT count(*) FROM bronze")
    parts = {name: demo.count(f"SELECT count(*) FROM {name}") for name in ("silver", "late", "rejected")}
    duplicates = demo.count(
        """SELECT count(*) FROM bronze AS b WHERE b.reason IS NULL
           AND EXISTS (SELECT 1 FROM (SELECT event_id, kafka_partition, kafka_offset FROM silver
                                      UNION ALL SELECT event_id, kafka_partition, kafka_offset FROM late) AS t
                       WHERE t.event_id = b.event_id AND t.kafka_partition = b.kafka_partition
                         AND t.kafka_offset < b.kafka_offset)"""
    )
    assert (
        demo.count("SELECT count(*) FROM (SELECT DISTINCT kafka_partition, kafka_offset FROM bronze)")
        == bronze
    )
    assert produced == bronze == sum(parts.values()) + duplicates
    told = demo.evidence("14 March")["balance"]
    assert {name: int(told[name]) for name in ("bronze", "silver", "late", "rejected", "duplicates")} == {
        "bronze": bronze,
        **parts,
        "duplicates": duplicates,
    }


def test_every_injected_fault_is_where_it_belongs_with_its_reason(demo: Done) -> None:
    faults = demo.warehouse("SELECT fault, key, event_id, arrival, reason FROM ops.injected_faults")
    columns = "fault VARCHAR, key VARCHAR, event_id VARCHAR, arrival TIMESTAMPTZ, reason VARCHAR"
    demo.lake.execute(f"CREATE OR REPLACE TABLE faults ({columns})")
    demo.lake.executemany("INSERT INTO faults VALUES (?, ?, ?, ?, ?)", faults)
    assert demo.count("SELECT count(*) FROM faults WHERE fault = 'malformed'") == 40
    assert demo.count("SELECT count(*) FROM rejected") == 40
    wrong = demo.lake.execute(
        """SELECT f.key, f.reason, r.reason FROM faults AS f
           LEFT JOIN rejected AS r ON r.key = f.key AND r.arrived_at = f.arrival
           WHERE f.fault = 'malformed' AND NOT coalesce(starts_with(r.reason, f.reason), FALSE)"""
    ).fetchall()
    assert wrong == []
    delayed = demo.count("SELECT count(*) FROM faults WHERE fault = 'delayed'")
    assert delayed > 0
    assert (
        demo.count(
            """SELECT count(*) FROM late
               SEMI JOIN faults AS f ON f.event_id = late.event_id AND f.fault = 'delayed'"""
        )
        == delayed
    )
    assert demo.count("SELECT count(*) FROM late") == delayed
    doubled = demo.count("SELECT count(*) FROM faults WHERE fault = 'duplicate'")
    in_bronze = demo.count(
        """SELECT count(*) FROM faults AS f JOIN bronze AS b
           ON b.event_id = f.event_id AND b.arrived_at = f.arrival
           WHERE f.fault = 'duplicate' AND NOT EXISTS (
               SELECT 1 FROM silver AS s
               WHERE s.kafka_partition = b.kafka_partition AND s.kafka_offset = b.kafka_offset)"""
    )
    assert in_bronze == doubled


def test_the_dead_letters_hold_the_original_bytes_and_the_reason(demo: Done) -> None:
    letters = dead_letters(demo.stack.env["AIRFLOW_CONN_SLIPWAY_KAFKA"])
    assert len(letters) == 40
    demo.lake.execute("CREATE OR REPLACE TABLE letters (p INT, o BIGINT, value BLOB, reason VARCHAR)")
    demo.lake.executemany("INSERT INTO letters VALUES (?, ?, ?, ?)", letters)
    assert (
        demo.count(
            """SELECT count(*) FROM letters AS l
               JOIN bronze AS b ON b.kafka_partition = l.p AND b.kafka_offset = l.o
               WHERE b.value IS NOT DISTINCT FROM l.value AND b.reason = l.reason"""
        )
        == 40
    )


def dead_letters(connection: str) -> list[tuple[int, int, bytes | None, str]]:
    servers = json.loads(connection)["extra"]["bootstrap.servers"]
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "test-of-dead-letters",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    partitions = consumer.list_topics("dlq-flight-status", timeout=30).topics["dlq-flight-status"].partitions
    consumer.assign([TopicPartition("dlq-flight-status", number, 0) for number in partitions])
    found, ended = [], set()
    while len(ended) < len(partitions):
        message = consumer.poll(30)
        assert message is not None, "no answer from the broker for 30 s"
        if message.error():
            ended.add(message.partition())
            continue
        headers = {key: value.decode() for key, value in message.headers()}
        place = int(headers["source_partition"]), int(headers["source_offset"])
        found.append((*place, message.value(), headers["reason"]))
    consumer.close()
    return found


@pytest.mark.parametrize(
    ("night", "cause"), [("1 March", "not_arrived"), ("2 March", "not_arrived"), ("3 March, 06:00", "late")]
)
def test_the_failing_nights_name_the_cause_and_count_it_to_the_flight(
    demo: Done, night: str, cause: str
) -> None:
    ((delayed,),) = demo.warehouse("SELECT count(*) FROM ops.injected_faults WHERE fault = 'delayed'")
    document = demo.evidence(night)
    assert document["verdict"] == "FAIL"
    (kpi,) = document["kpis"].values()
    departed = [d for d in kpi["differences"] if d["measure"] == "departed"]
    assert {d["day"] for d in departed} == {"2013-02-27"}
    assert {d["cell"]["origin"] for d in departed} == {"EWR"}
    assert sum(int(d["shares"][cause]) for d in departed) == delayed
    assert sum(int(d["batch"]) - int(d["stream"]) for d in departed) == delayed


def test_every_difference_is_the_sum_of_its_causes(demo: Done) -> None:
    differences = [
        difference
        for document in demo.result["evidence"].values()
        for kpi in document["kpis"].values()
        for difference in kpi["differences"]
    ]
    assert differences
    for difference in differences:
        shares = sum(float(share) for share in difference["shares"].values())
        assert float(difference["batch"]) - float(difference["stream"]) == pytest.approx(shares, abs=1e-9)
        assert float(difference["remainder"]) == 0


def test_after_the_amendment_the_window_is_whole(demo: Done) -> None:
    night = next(found for name, found in demo.result["nights"] if name.startswith("3 March, again"))
    assert (night["verdict"], night["window_complete"], night["window_days"]) == ("PASS", True, 5)
    assert demo.warehouse("SELECT actor, rows FROM stream.amendment WHERE migration = 'flights'") == [
        ("ana", demo.warehouse("SELECT count(*) FROM ops.injected_faults WHERE fault = 'delayed'")[0][0])
    ]


def test_an_early_cutover_was_refused_with_all_its_blockers(demo: Done) -> None:
    refusals = "\n".join(demo.result["refusals"])
    assert "The observation window is not complete" in refusals
    for role in ("data_owner", "consumer", "on_call"):
        assert f"The role {role} has not signed" in refusals


def test_readers_were_moved_as_the_story_says_and_nobody_failed(demo: Done) -> None:
    actions = [row["action"] for row in demo.result["switches"]]
    assert actions == ["canary", "switch", "rollback", "canary", "switch"]
    reader = demo.result["reader"]
    assert reader["failures"] == 0, reader["errors"]
    assert reader["reads"] > 100
    assert set(reader["by_source"]) == {"batch", "stream"}


def test_maintenance_left_the_same_rows_in_fewer_files(demo: Done) -> None:
    done = demo.result["maintenance"]
    assert sum(row["files_after"] for row in done) < sum(row["files_before"] for row in done)
    for row in done:
        assert row["rows_before"] == row["rows_after"]
        assert row["content_hash_before"] == row["content_hash_after"]
