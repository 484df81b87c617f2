"""Rendering: the same contract gives the same script, and nothing in a contract can leave its place in it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from slipway.adapters.contracts import load_migration
from slipway.adapters.flink.decoding import decoder_schema
from slipway.adapters.flink.render import Endpoints, FlinkScripts
from slipway.domain.contract import Migration, compile_migration
from slipway.errors import Permanent
from slipway.ports import Amendment

REPO = Path(__file__).parents[2]
HERE = Endpoints(
    "broker:9092",
    "jdbc:postgresql://db:5432/warehouse",
    "jdbc:postgresql://db:5432/lake?user=l",
    "file:///lake",
)
THERE = Endpoints(
    "b:1", "jdbc:postgresql://x:1/w", "jdbc:postgresql://x:1/l?user=l", "s3://lake", "http://registry:1"
)


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    jar = tmp_path / "decode.jar"
    jar.write_bytes(b"classes")
    return jar


@pytest.fixture
def flights() -> Migration:
    return load_migration(REPO / "include" / "migrations" / "flights.yaml")


def scripts(jar: Path, endpoints: Endpoints = HERE) -> FlinkScripts:
    return FlinkScripts(REPO / "flink_jobs" / "pipeline", endpoints, jar)


def test_every_measure_and_sink_is_in_the_script(jar: Path, flights: Migration) -> None:
    script = scripts(jar).revision(flights, 3, "flink_flights_r3_a1")

    for table in ("silver", "late", "rejected"):
        assert script.count(f"INSERT INTO `lake`.`{table}`.`flights__r3`") == 1
    assert "'table-name' = 'stream.flights_daily__r3'" in script
    assert "jdbc:postgresql://db:5432/warehouse?user=flink_flights_r3_a1" in script
    for measure in flights.kpis["flights_daily"].measures:
        assert f"{measure.sql('flink')} AS `{measure.name}`" in script
    assert script.count("EXECUTE STATEMENT SET") == 1


def test_a_script_carries_no_password(jar: Path, flights: Migration) -> None:
    both = scripts(jar).ingest(flights, 1) + scripts(jar).revision(flights, 1, "w")

    assert "password" not in both.lower().replace("the password comes from pgpassfile", "")


def test_the_digest_is_of_the_meaning_not_of_the_place(jar: Path, flights: Migration) -> None:
    assert scripts(jar, HERE).revision_digest(flights) == scripts(jar, THERE).revision_digest(flights)
    assert scripts(jar, HERE).ingest_digest(flights) == scripts(jar, THERE).ingest_digest(flights)


def test_another_decoder_is_another_meaning(jar: Path, flights: Migration) -> None:
    before = scripts(jar).revision_digest(flights), scripts(jar).ingest_digest(flights)
    jar.write_bytes(b"other classes")

    after = scripts(jar).revision_digest(flights), scripts(jar).ingest_digest(flights)

    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_changed_constant_in_a_measure_is_another_meaning(
    jar: Path, flights: Migration, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(REPO / "include" / "migrations", folder)
    contract = folder / "flights.yaml"
    contract.write_text(contract.read_text().replace("dep_delay < 15", "dep_delay < 16"))

    assert scripts(jar).revision_digest(load_migration(contract)) != scripts(jar).revision_digest(flights)


def test_a_missing_decoder_says_how_to_build_it(flights: Migration, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"no decode function at .*mvn package"):
        scripts(tmp_path / "absent.jar").revision_digest(flights)


def test_a_quote_in_the_contract_stays_inside_its_literal(jar: Path, flights: Migration) -> None:
    raw = json.loads(flights.schema.text)
    raw["fields"][2]["type"]["symbols"] = ["D", "it's; DROP TABLE x --"]
    quoted = replace(flights, schema=replace(flights.schema, text=json.dumps(raw)))

    script = scripts(jar).ingest(quoted, 1)

    assert "it''s; DROP TABLE x --" in script
    assert "it's" not in script


def test_docs_do_not_reach_the_decoder(flights: Migration) -> None:
    text = decoder_schema(flights)

    assert '"doc"' not in text
    assert [f["name"] for f in json.loads(text)["fields"]] == [field.name for field in flights.event_fields]


def nullable(flights: Migration) -> Migration:
    """The flights by tail number as well, which may be null."""
    kpi = flights.contract.kpis["flights_daily"]
    kpis = {"flights_daily": kpi.model_copy(update={"grain": {**kpi.grain, "tailnum": "tailnum"}})}
    return compile_migration(flights.contract.model_copy(update={"kpis": kpis}), flights.schema)


def test_a_key_that_may_be_null_is_written_under_its_text(jar: Path, flights: Migration) -> None:
    script = scripts(jar).revision(nullable(flights), 1, "w")

    assert "PRIMARY KEY (`grain_key`) NOT ENFORCED" in script
    assert "JSON_ARRAY(" in script
    assert "CAST(`tailnum` AS STRING) NULL ON NULL) AS `$key`" in script
    assert "MAX(`$tailnum`) AS `tailnum`" in script
    assert "GROUP BY `$key`;" in script


def test_a_key_that_can_not_be_null_needs_no_other(jar: Path, flights: Migration) -> None:
    script = scripts(jar).revision(flights, 1, "w")

    assert "grain_key" not in script
    assert "PRIMARY KEY (`flight_date`, `origin`, `carrier`) NOT ENFORCED" in script


def test_texts_of_keys_are_bounded_by_what_the_warehouse_can_index(flights: Migration) -> None:
    bounds = {
        field["name"]: field.get("at_most_bytes")
        for field in json.loads(decoder_schema(nullable(flights)))["fields"]
    }

    assert bounds["event_id"] == 2_400
    assert bounds["origin"] == bounds["carrier"] == bounds["tailnum"] == 800
    assert bounds["dest"] is None


def revised(flights: Migration) -> Migration:
    """The flights, the newest version of each event."""
    latest = flights.contract.events.model_copy(update={"keep": "latest", "version": "flight"})
    return compile_migration(flights.contract.model_copy(update={"events": latest}), flights.schema)


def test_the_newest_version_counts_and_its_state_is_kept_for_ever(jar: Path, flights: Migration) -> None:
    script = scripts(jar).revision(revised(flights), 1, "w")

    assert "`judge_version`(`flight`, `business_day`, `$in_time`) OVER (" in script
    assert "PARTITION BY `event_id` ORDER BY `flight` DESC" in script
    assert "SET 'table.exec.state.ttl' = '0 s';" in script
    assert "`first_seen`" not in script
    assert "`event_version`" in scripts(jar).ingest(revised(flights), 1)


def test_an_amendment_counts_the_newest_accepted_version_unless_replaced_and_the_newest_amended_one(
    jar: Path, flights: Migration
) -> None:
    day = date(2013, 1, 1)
    decided = Amendment(
        1, flights.name, 1, (day,), 7, 1, "ana", "why", "open", datetime(2013, 1, 5, tzinfo=UTC)
    )

    versions = scripts(jar).amend(revised(flights), decided, "w", 9)

    assert "WHERE NOT EXISTS (SELECT 1 FROM `places` AS p WHERE p.`replaced_id` = s.`event_id`)" in versions
    assert "PARTITION BY `event_id`, `$amended` ORDER BY `flight` DESC" in versions
    assert "NOT EXISTS" not in scripts(jar).amend(flights, decided, "w", 9)


def written_in_avro(flights: Migration) -> Migration:
    events = flights.contract.events.model_copy(update={"format": "avro"})
    return compile_migration(flights.contract.model_copy(update={"events": events}), flights.schema)


def test_avro_asks_the_registry_that_is_no_part_of_the_meaning(jar: Path, flights: Migration) -> None:
    avro = written_in_avro(flights)

    assert "'http://registry:1'" in scripts(jar, THERE).revision(avro, 1, "w")
    assert "DecodeAvro" in scripts(jar, THERE).ingest(avro, 1)
    elsewhere = replace(THERE, registry="http://other:2")
    assert scripts(jar, elsewhere).revision_digest(avro) == scripts(jar, THERE).revision_digest(avro)
    assert scripts(jar, elsewhere).ingest_digest(avro) == scripts(jar, THERE).ingest_digest(avro)
    assert scripts(jar).revision_digest(flights) != scripts(jar).revision_digest(avro)


def test_avro_without_a_registry_is_refused(jar: Path, flights: Migration) -> None:
    with pytest.raises(Permanent, match="set the connection slipway_registry"):
        scripts(jar, replace(HERE, registry="")).revision(written_in_avro(flights), 1, "w")


def test_instants_are_written_through_the_function_that_keeps_them_exact(
    jar: Path, flights: Migration
) -> None:
    script = scripts(jar).revision(flights, 1, "w")

    assert "`as_jdbc_timestamp`(MAX(`arrived_at`)) AS `updated_through`" in script
