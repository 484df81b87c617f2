"""A field that the schema marks `pii` is shown in no place where people look. One test a place."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from slipway import bootstrap, cli
from slipway.adapters import odcs
from slipway.adapters.expectations.looked_at import LookedAt
from slipway.app import dead_letters
from slipway.app.explain import explain
from slipway.app.reconcile import reconcile, summary
from slipway.domain.contract import Migration
from slipway.domain.skew import KeySample
from slipway.domain.validity import Refused, Validity
from slipway.domain.wire import check_json
from tests.decoder_cases import cases, migration, table
from tests.fakes import two_sides
from tests.fakes.night import ANA, NightWorld
from tests.fakes.two_sides import FIRST, Trip, TwoSides
from tests.unit.test_dead_letters import made

SECRET = "ada@example.org"
NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)


def personal(*fields: str) -> Migration:
    """The migration of trips, with some fields marked."""
    schema = json.loads(two_sides.SCHEMA)
    for field in schema["fields"]:
        field["pii"] = field["name"] in fields
    return two_sides.migration(schema=json.dumps(schema))


@pytest.fixture
def night(tmp_path: Path) -> NightWorld:
    sides = TwoSides(tmp_path, personal("trip_id", "zone", "rider"))
    for n in range(6):
        trip = Trip(f"t{n}", f"r{n}", "A", NOON + timedelta(days=n % 3, minutes=n), "N", 100, 1.5, 1)
        sides.batch.append(trip)
        sides.accept(trip)
    # In batch only, so that it is in every list of differences and examples there is.
    sides.batch.append(Trip(f"id-{SECRET}", f"rider-{SECRET}", "A", NOON, f"zone-{SECRET}", 1, 1.5, 1))
    return NightWorld(sides, as_of=sides.migration.closes_at(FIRST + timedelta(days=2)))


def test_evidence_report_and_log_of_a_reconciliation(night: NightWorld) -> None:
    found = reconcile(night.sides.migration, night.as_of, night.world(), ANA, wait=night.wait)
    document = night.world().evidence.get(found.digest)
    listed = document["kpis"]["trips_daily"]
    assert listed["differences"] and listed["examples"], "nothing is listed, so nothing is proven"
    for shown in (json.dumps(document, default=str), Path(found.report).read_text(), summary(document)):
        assert SECRET not in shown
    assert "masked" in json.dumps(listed["examples"], default=str)


def test_dead_letters_shown_and_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = made()
    event = {"event_id": "e1", "passenger": SECRET, "pasenger": SECRET}
    case.refuse(event, "missing field kind")
    case.refuse(json.dumps(event)[:-1].encode(), "not json")
    monkeypatch.setattr(bootstrap, "migration", lambda name: case.migration)
    monkeypatch.setattr(bootstrap, "world", lambda: case.world)
    for line in (
        "dlq list cases",
        "dlq list cases --json",
        "dlq show cases 0:0 0:1",
        "dlq show cases 0:0 --json",
    ):
        assert cli.main(line.split()) == cli.DONE
    told = capsys.readouterr().out
    assert "(masked)" in told
    assert SECRET not in told
    assert SECRET not in str(dead_letters.overview(case.migration, dead_letters.Wanted(), case.world))


def test_reasons_of_the_decoder_and_the_producer() -> None:
    """The table holds the Java decoder to the same reasons."""
    seen = [case.reason for case in cases() if case.reason and case.reason.startswith("passenger: ")]
    assert seen
    assert all(reason.startswith("passenger: its value ") for reason in seen)
    validity = Validity(migration())
    for value in (f"\\ud800{SECRET}", f"{SECRET}\\u0000"):
        with pytest.raises(Refused) as refused:
            check_json(validity, f'{{"passenger": "{value}"}}'.encode(), int(table()["arrived_at_millis"]))
        assert SECRET not in str(refused.value)


def test_the_largest_key_that_explain_shows() -> None:
    found = explain(personal("rider"), sample=KeySample("a test", {SECRET.encode(): 9, b"bob": 1}))
    assert found.skew is not None
    assert found.skew.largest_share == 0.9
    assert SECRET not in str(found)


def test_the_rows_that_expectations_keep_as_samples(night: NightWorld) -> None:
    late = Trip(f"id-{SECRET}", f"rider-{SECRET}", "A", NOON, f"zone-{SECRET}", 1, 1.5, 1)
    night.sides.accept(late)
    files = night.data_files("silver.trips__r1", 1)
    with duckdb.connect() as connection:
        LookedAt(connection, night.sides.migration, (FIRST, FIRST + timedelta(days=3))).silver(files)
        rows = connection.execute("SELECT * FROM silver").fetchall()
    assert len(rows) == 7
    assert SECRET not in str(rows)


def test_an_exported_contract_says_which_fields_are_personal() -> None:
    def classified(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["name"]] if part.get("classification") == "restricted" else []
            return own + [name for item in part.values() for name in classified(item)]
        return [name for item in part for name in classified(item)] if isinstance(part, list) else []

    assert "zone" in classified(json.loads(json.dumps(odcs.document(personal("zone")), default=str)))
