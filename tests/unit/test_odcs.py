"""The export is a document of the Open Data Contract Standard, and says what the contract says."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
import yaml

from slipway import cli
from slipway.adapters import odcs
from slipway.adapters.contracts import load_migration
from tests.fakes.control import CONTRACT


def test_the_export_is_valid_by_the_standards_own_schema(capsys: pytest.CaptureFixture[str]) -> None:
    standard = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8"))

    assert cli.main(["export", "flights", "--odcs"]) == 0

    document = yaml.safe_load(capsys.readouterr().out)
    jsonschema.validate(document, standard, cls=jsonschema.Draft201909Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "kind": "Other"}, standard, cls=jsonschema.Draft201909Validator)


def test_topic_and_views_are_its_tables() -> None:
    migration = load_migration(CONTRACT)

    document = odcs.document(migration)

    events, kpi = document["schema"]
    assert events["physicalName"] == "raw-flight-status"
    fields = {field["name"]: field for field in events["properties"]}
    assert fields["event_id"]["primaryKey"] and fields["event_time"]["logicalType"] == "timestamp"
    assert fields["dep_delay"]["required"] is False
    assert kpi["physicalName"] == "serving.flights_daily"
    keys = [field["name"] for field in kpi["properties"] if field.get("primaryKey")]
    assert keys == ["flight_date", "origin", "carrier"]
    measures = {field["name"]: field["description"] for field in kpi["properties"]}
    assert measures["departed_on_time"] == "count(*) where kind = 'D' and dep_delay < 15"
    sla = {(entry["property"], entry["element"]): (entry["value"], entry["unit"])
           for entry in document["slaProperties"]}  # fmt: skip
    assert sla["latency", "flights_daily"] == (5, "s")
    assert sla["timeOfAvailability", "flights_daily"] == (1, "d")
    assert {member["username"] for member in document["team"]["members"]} == {"ana", "carla", "omar"}
