"""A new schema is held against those that events were written with, and against what the KPIs use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway import cli
from slipway.adapters.avro_compatibility import refusals
from slipway.adapters.contracts import load_migration
from slipway.app.check_schema import Checked, check_schema
from slipway.domain.contract import Migration
from slipway.domain.schema_change import changes
from slipway.errors import Permanent
from tests.fakes.control import CONTRACT

GATE = {"name": "gate", "type": ["null", "string"], "default": None, "doc": "Gate"}


@pytest.fixture
def flights() -> Migration:
    return load_migration(CONTRACT)


def edited(flights: Migration, **fields: Mapping[str, Any] | None) -> str:
    """Return the schema with some fields updated, removed (None), or added."""
    raw = json.loads(flights.schema.text)
    known = {field["name"]: field for field in raw["fields"]}
    for name, change in fields.items():
        if change is None:
            del known[name]
        elif name in known:
            known[name] = {**known[name], **change}
        else:
            known[name] = {**change, "name": name}
    return json.dumps({**raw, "fields": list(known.values())})


def checked(flights: Migration, text: str, **others: str) -> Checked:
    return check_schema(flights, text, others, refusals)


def told(found: Checked) -> dict[str, str]:
    return {effect.part: effect.effect for effect in found.effects}


def test_a_field_with_a_default_is_compatible_and_touches_no_kpi(flights: Migration) -> None:
    found = checked(flights, edited(flights, gate=GATE))

    assert found.compatible and found.compiles is None
    assert told(found) == {"kpis.flights_daily": "not used; its numbers stay as they are"}


def test_a_field_without_a_default_breaks_and_says_what_to_do(flights: Migration) -> None:
    found = checked(flights, edited(flights, gate={"type": "string", "doc": "Gate"}))

    assert not found.compatible
    assert found.held[0].refused == (
        "gate: old events do not have it and there is no default; "
        "add a default, or null and the default null",
    )


def test_a_removed_field_names_every_measure_that_used_it(flights: Migration) -> None:
    found = checked(flights, edited(flights, dep_delay=None))

    assert not found.compatible and "dep_delay" in str(found.compiles)
    assert set(told(found)) == {
        "kpis.flights_daily.measures.departed_on_time",
        "kpis.flights_daily.measures.delay_minutes",
    }
    assert "can't be computed any more" in told(found)["kpis.flights_daily.measures.delay_minutes"]


def test_the_key_of_a_dimension_reaches_the_measures_that_use_the_dimension(flights: Migration) -> None:
    found = told(checked(flights, edited(flights, tailnum={"type": "string", "default": ""})))

    assert {"dimensions.planes.key", "kpis.flights_daily.measures.seats",
            "kpis.flights_daily.measures.aircraft"} <= set(found)  # fmt: skip


def test_a_wider_type_a_new_symbol_and_a_lost_symbol(flights: Migration) -> None:
    def kinds(*symbols: str) -> str:
        return edited(flights, kind={"type": {"type": "enum", "name": "kind", "symbols": list(symbols)}})

    assert checked(flights, edited(flights, distance={"type": "long"})).compatible
    more = checked(flights, kinds("D", "A", "X", "R"))
    assert more.compatible
    assert "R are rejected today" in told(more)["kpis.flights_daily.measures.departed"]
    fewer = checked(flights, kinds("D", "A"))
    assert not fewer.compatible
    assert fewer.held[0].refused == (
        "kind: old events may hold X, which the new schema does not know; keep it",
    )
    nullable = edited(flights, carrier={"type": ["null", "string"], "default": None})
    assert "kpis.flights_daily.grain.carrier" in told(checked(flights, nullable))
    strict = checked(flights, edited(flights, tailnum={"type": "string", "default": ""}))
    assert strict.held[0].refused == (
        "tailnum: old events may hold null, which the new schema can't read; keep null in the union",
    )


def test_the_reason_is_about_what_changed(flights: Migration) -> None:
    def why(field: str, text: str) -> str:
        (change,) = [one for one in checked(flights, text).held[0].changes if one.field == field]
        return change.why

    kind = next(f for f in json.loads(flights.schema.text)["fields"] if f["name"] == "kind")["type"]
    defaulted = why("kind", edited(flights, kind={"type": {**kind, "default": kind["symbols"][0]}}))
    assert "default" in defaulted and "order" not in defaulted
    turned = why("kind", edited(flights, kind={"type": {**kind, "symbols": kind["symbols"][::-1]}}))
    assert turned == "the order of symbols has no meaning"
    wider = why("distance", edited(flights, distance={"type": ["null", "long"]}))
    assert wider == "every int is a long; null is let in, and old events have a value"


def test_a_field_renamed_by_an_alias_is_refused_in_words(flights: Migration) -> None:
    old = next(f for f in json.loads(flights.schema.text)["fields"] if f["name"] == "carrier")
    found = checked(flights, edited(flights, carrier=None, airline={**old, "aliases": ["carrier"]}))

    assert not found.compatible
    assert found.held[0].refused == (
        "airline: renamed from carrier by an alias: Avro reads old events so, but in JSON, in the lake and "
        "in batch a field is found by its name alone; keep the name carrier, or add airline beside it with a "
        "default",
    )


def test_another_unit_is_refused_where_avro_itself_sees_no_difference(flights: Migration) -> None:
    micros = edited(flights, event_time={"type": {"type": "long", "logicalType": "timestamp-micros"}})

    found = checked(flights, micros)

    assert refusals(micros, flights.schema.text) == ()
    assert not found.compatible and "would mean something else" in found.held[0].refused[0]


def test_all_versions_count_and_not_only_the_newest(flights: Migration) -> None:
    oldest = edited(flights, distance=None)
    found = checked(flights, flights.schema.text, **{"version 1": oldest})

    assert not found.compatible
    assert [held.source for held in found.held if held.refused] == ["version 1"]


def test_a_schema_that_no_contract_can_have_is_no_schema(flights: Migration) -> None:
    with pytest.raises(Permanent, match="gate of the Avro schema has no doc"):
        checked(flights, edited(flights, gate={"type": "string"}))


DATE = {"type": "int", "logicalType": "date"}
TYPES = ["string", "int", "long", "double", "boolean", DATE,
         {"type": "enum", "name": "e", "symbols": ["A", "B"]},
         {"type": "enum", "name": "e", "symbols": ["A"]},
         {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
         {"type": "long", "logicalType": "timestamp-millis"}]  # fmt: skip


def _field(name: str) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.sampled_from(TYPES).map(lambda kind: {"name": name, "type": kind})
    nullable = st.sampled_from(TYPES).map(
        lambda kind: {"name": name, "type": ["null", kind], "default": None}
    )
    required = st.sampled_from(TYPES).map(lambda kind: {"name": name, "type": ["null", kind]})
    return st.one_of(plain, nullable, required)


# One name for an enum would be declared twice in a record, so only one field may be one.
SCHEMAS = st.lists(st.sampled_from("ab"), max_size=2, unique=True).flatmap(
    lambda names: st.tuples(*map(_field, names))
).filter(lambda fields: sum("enum" in json.dumps(field) for field in fields) < 2).map(
    lambda fields: json.dumps({"type": "record", "name": "event", "fields": fields})
)  # fmt: skip


@settings(max_examples=400)
@given(old=SCHEMAS, new=SCHEMAS)
def test_what_avro_refuses_is_always_explained_by_a_field(old: str, new: str) -> None:
    explained = [change.field for change in changes(old, new) if not change.compatible]

    if refusals(new, old):
        assert explained
    if old == new:
        assert not changes(old, new)


def test_a_producers_ci_gets_an_exit_code(
    flights: Migration, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new.avsc"
    path.write_text(edited(flights, gate=GATE))
    assert cli.main(["check-schema", "flights", str(path)]) == 0
    assert capsys.readouterr().out.startswith("compatible")

    path.write_text(edited(flights, dep_delay=None))
    assert cli.main(["check-schema", "flights", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("NOT compatible") and "measures.delay_minutes" in out
    assert cli.main(["check-schema", "flights", str(path), "--registry", "http://127.0.0.1:1"]) == 3
    assert cli.main(["check-schema", "flights", str(tmp_path / "absent.avsc")]) == 1
