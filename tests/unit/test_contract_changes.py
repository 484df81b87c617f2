"""Every changed field has a class, and the class says what the digests say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from slipway import cli
from slipway.adapters.contracts import load_migration
from slipway.domain.avro import parse_schema
from slipway.domain.changes import Change, Effect, compare, worst
from slipway.domain.contract import Contract, Migration, compile_migration
from slipway.domain.contract_judging import MeasureTolerance
from tests.fakes.control import CONTRACT

KPI = "flights_daily"


@pytest.fixture
def flights() -> Migration:
    return load_migration(CONTRACT)


def rebuilt(flights: Migration, contract: Contract) -> Migration:
    return compile_migration(contract, flights.schema)


def section(flights: Migration, name: str, **values: Any) -> Migration:
    part = getattr(flights.contract, name).model_copy(update=values)
    return rebuilt(flights, flights.contract.model_copy(update={name: part}))


def kpi(flights: Migration, **values: Any) -> Migration:
    changed = flights.contract.kpis[KPI].model_copy(update=values)
    return rebuilt(flights, flights.contract.model_copy(update={"kpis": {KPI: changed}}))


def measure(flights: Migration, name: str, **values: Any) -> Migration:
    measures = dict(flights.contract.kpis[KPI].measures)
    measures[name] = measures[name].model_copy(update=values)
    return kpi(flights, measures=measures)


def schema(flights: Migration, change: Any) -> Migration:
    raw = json.loads(flights.schema.text)
    change(raw["fields"])
    return compile_migration(flights.contract, parse_schema(json.dumps(raw)))


def traffic(flights: Migration, **values: Any) -> Migration:
    return section(flights, "events", traffic=flights.contract.events.traffic.model_copy(update=values))


def only(before: Migration, after: Migration) -> Change:
    (change,) = compare(before.document, after.document)
    return change


COMPATIBLE = {
    "description": lambda m: rebuilt(m, m.contract.model_copy(update={"description": "other"})),
    "owners": lambda m: rebuilt(
        m, m.contract.model_copy(update={"owners": {**m.contract.owners, "x": ("y",)}})
    ),
    "soak": lambda m: section(m, "cutover", soak=timedelta(seconds=30)),
    "evidence_valid": lambda m: section(m, "gates", evidence_valid=timedelta(hours=1)),
    "retention": lambda m: section(m, "retention", silver=timedelta(days=365)),
    "promise": lambda m: kpi(m, serving=m.contract.kpis[KPI].serving.model_copy(
        update={"fresh_within": timedelta(seconds=9)})),
    "traffic": lambda m: traffic(m, peak_per_second=2100),
    "waivers": lambda m: section(m, "gates", waiver_at_most=Decimal("0.1")),
    "fewest days": lambda m: section(m, "reconcile", closed_days=3),
    "hidden": lambda m: section(m, "reconcile", hidden="fail"),
    "doc": lambda m: schema(m, lambda fields: fields[0].update(doc="other")),
}  # fmt: skip
RESTARTS = {
    "from": lambda m: section(m, "parity", from_day=date(2013, 3, 1)),
    "reconcile_back": lambda m: section(m, "parity", reconcile_back=timedelta(days=7)),
    "lateness_classes": lambda m: section(m, "parity", lateness_classes=(timedelta(hours=2),)),
    "tolerance": lambda m: measure(m, "departed", tolerance=m.contract.kpis[KPI].measures[
        "delay_minutes"].tolerance.model_copy(update={"absolute": Decimal(1)})),
    "tolerance of cells": lambda m: measure(m, "departed", tolerance=MeasureTolerance.model_validate(
        {"segments": [{"where": {"origin": ["LGA"]}, "absolute": 1}]}, strict=False)),
    "segments": lambda m: kpi(m, segments=("origin",)),
    "batch": lambda m: kpi(m, batch=m.contract.kpis[KPI].batch.model_copy(update={"model": "other"})),
}  # fmt: skip
REVISION = {
    "zone": lambda m: section(m, "parity", timezone=ZoneInfo("UTC")),
    "accept_late": lambda m: section(m, "parity", accept_late=timedelta(hours=25)),
    "ahead_at_most": lambda m: section(m, "events", ahead_at_most=timedelta(hours=1)),
    "topic": lambda m: section(m, "events", topic="raw-other"),
    "id": lambda m: section(m, "events", id="flight_id"),
    "where": lambda m: measure(m, "departed", where="kind = 'A'"),
    "measure": lambda m: kpi(m, measures={"departed": m.contract.kpis[KPI].measures["departed"]}),
    "grain": lambda m: kpi(
        m, grain={"flight_date": "day(event_time)", "origin": "origin", "carrier": "dest"}
    ),
    "new field": lambda m: schema(m, lambda fields: fields.append(
        {"name": "gate", "type": ["null", "string"], "default": None, "doc": "Gate"})),
    "new symbol": lambda m: schema(m, lambda fields: fields[2]["type"]["symbols"].append("R")),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPATIBLE)
def test_what_is_compatible_changes_neither_rows_nor_parity(flights: Migration, name: str) -> None:
    after = COMPATIBLE[name](flights)

    assert worst(compare(flights.document, after.document)) is Effect.COMPATIBLE
    assert (after.rows_digest, after.parity_digest) == (flights.rows_digest, flights.parity_digest)
    assert after.contract_digest != flights.contract_digest


@pytest.mark.parametrize("name", RESTARTS)
def test_what_restarts_the_observation_changes_parity_and_no_row(flights: Migration, name: str) -> None:
    after = RESTARTS[name](flights)

    assert worst(compare(flights.document, after.document)) is Effect.RESTARTS
    assert after.rows_digest == flights.rows_digest
    assert after.parity_digest != flights.parity_digest


@pytest.mark.parametrize("name", REVISION)
def test_what_needs_a_revision_changes_rows(flights: Migration, name: str) -> None:
    after = REVISION[name](flights)

    assert worst(compare(flights.document, after.document)) is Effect.REVISION
    assert after.rows_digest != flights.rows_digest


def test_the_same_contract_has_no_difference(flights: Migration) -> None:
    assert compare(flights.document, load_migration(CONTRACT).document) == ()
    assert worst(()) is None


def test_values_are_shown_as_the_contract_writes_them(flights: Migration) -> None:
    change = only(flights, section(flights, "parity", lateness_classes=(timedelta(0), timedelta(hours=36))))

    assert (change.path, change.before, change.after) == (
        "parity.lateness_classes", "0s, 1h, 6h, 1d", "0s, 36h",
    )  # fmt: skip


def test_another_key_is_refused_unless_the_topic_is_another_too(flights: Migration) -> None:
    change = only(flights, section(flights, "events", key=("origin",)))
    assert change.effect is Effect.REFUSED and "name a new topic" in change.advice
    assert change.why == "records of one key would lie in two partitions, and their order would be lost"

    both = compare(flights.document, section(flights, "events", key=("origin",), topic="raw-other").document)

    assert {found.path: found.effect for found in both} == {
        "events.topic": Effect.REVISION,
        "events.key": Effect.REVISION,
    }


def test_traffic_beyond_the_partitions_is_refused_unless_the_topic_is_another_too(flights: Migration) -> None:
    change = only(flights, traffic(flights, peak_per_second=50_000))
    assert change.effect is Effect.REFUSED
    assert "would need 16 partitions in place of 2; its records are ordered by flight_id" in change.why


def test_a_schema_that_breaks_old_events_is_refused(flights: Migration) -> None:
    def narrowed(fields: list[dict[str, Any]]) -> None:
        fields[9]["type"] = "long"  # distance: int -> long is fine
        fields[-1]["type"] = "int"  # arr_delay: null is not let in any more
        del fields[-1]["default"]

    changes = compare(flights.document, schema(flights, narrowed).document)

    assert {change.path: change.effect for change in changes} == {
        "schema.distance": Effect.REVISION,
        "schema.arr_delay": Effect.REFUSED,
    }


def test_a_kpi_that_is_gone_is_told_what_becomes_of_its_view(flights: Migration) -> None:
    contract = flights.contract
    two = rebuilt(flights, contract.model_copy(update={"kpis": {**contract.kpis, "b": contract.kpis[KPI]}}))

    change = only(two, flights)

    assert (change.path, change.after, change.effect) == ("kpis.b", "absent", Effect.REVISION)
    assert "its view stays" in change.why


def test_a_new_kpi_is_told_in_a_few_words(flights: Migration) -> None:
    contract = flights.contract
    two = rebuilt(flights, contract.model_copy(update={"kpis": {**contract.kpis, "b": contract.kpis[KPI]}}))

    change = only(flights, two)

    kpi = contract.kpis[KPI]
    assert change.after == f"{len(kpi.measures)} measures by {len(kpi.grain)} columns"


@pytest.mark.parametrize(
    "document",
    [
        {"contract": {}, "schema": "{}"},
        {"slipway_plan": 1},
        {"slipway_plan": 1, "contract": {"contract": {}, "schema": ""}},
        {"contract": {"events": None}, "schema": 3},
        {"contract": {"events": {"topic": "raw-flight-status"}, "kpis": 1}, "schema": "no"},
    ],
)
def test_what_is_no_contract_is_told_and_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], document: object
) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(document))

    assert cli.main(["diff", "flights", "--against", str(path)]) == 1

    assert str(path) in capsys.readouterr().err


def test_diff_compares_with_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in CONTRACT.parent.glob("fl*"):
        (tmp_path / file.name).write_text(file.read_text())
    old = tmp_path / "flights.yaml"
    assert cli.main(["diff", "flights", "--against", str(old)]) == 0
    assert capsys.readouterr().out == "no difference\n"

    old.write_text(old.read_text().replace("accept_late: 24h", "accept_late: 12h"))

    assert cli.main(["diff", "flights", "--against", str(old), "--json"]) == 1
    (change,) = json.loads(capsys.readouterr().out)
    assert (change["path"], change["before"], change["after"]) == ("parity.accept_late", "12h", "1d")
    assert change["effect"] == "needs a new revision"
    assert cli.main(["diff", "flights", "--against", str(tmp_path / "absent.json")]) == 1
    assert "can't be read" in capsys.readouterr().err


def test_a_contract_without_its_schema_is_not_compared_by_mistake(flights: Migration) -> None:
    assert set(flights.document) == {"contract", "schema"}
    assert replace(flights).contract_digest == flights.contract_digest
