"""What every implementation of ports.Schemas does."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from slipway.adapters.registry import SchemaRegistry
from slipway.errors import Permanent
from slipway.ports import Schemas
from tests.fakes.schemas import FakeSchemas


@pytest.fixture(params=["fake", pytest.param("registry", marks=pytest.mark.integration)])
def schemas(request: pytest.FixtureRequest) -> Schemas:
    if request.param == "fake":
        return FakeSchemas()
    found = request.getfixturevalue("stack").conn("registry")
    return SchemaRegistry(f"{found['host']}:{found['port']}{found['extra']['path']}")


@pytest.fixture
def subject() -> str:
    return f"contract-{uuid4().hex[:8]}-value"


def schema(*fields: dict[str, object]) -> str:
    first = {"name": "id", "type": "string"}
    return json.dumps({"type": "record", "name": "event", "fields": [first, *fields]}, separators=(",", ":"))


def test_an_unknown_subject_has_nothing(schemas: Schemas, subject: str) -> None:
    assert schemas.latest(subject) is None
    assert schemas.compatibility(subject) is None
    assert schemas.identify(subject, schema()) is None


def test_a_schema_is_found_again_under_one_id(schemas: Schemas, subject: str) -> None:
    found = schemas.register(subject, schema())

    assert schemas.register(subject, schema()) == found
    assert schemas.identify(subject, schema()) == found
    assert json.loads(schemas.latest(subject) or "") == json.loads(schema())
    assert json.loads(schemas.text(found) or "") == json.loads(schema())
    assert schemas.text(2_000_000_000) is None


def test_a_subject_has_a_level_of_its_own(schemas: Schemas, subject: str) -> None:
    schemas.set_compatibility(subject, "BACKWARD")

    assert schemas.compatibility(subject) == "BACKWARD"


def test_a_field_with_a_default_is_compatible_and_one_without_is_not(schemas: Schemas, subject: str) -> None:
    schemas.set_compatibility(subject, "BACKWARD")
    schemas.register(subject, schema())

    wider = schema({"name": "gate", "type": ["null", "string"], "default": None})
    schemas.register(subject, wider)
    with pytest.raises(Permanent, match="compatible"):
        schemas.register(subject, schema({"name": "stand", "type": "string"}))

    assert json.loads(schemas.latest(subject) or "") == json.loads(wider)
    assert schemas.identify(subject, schema()) is not None, "an older version is still known"


def test_the_level_is_held_against_every_version_and_not_only_the_newest(
    schemas: Schemas, subject: str
) -> None:
    """gate: added with a default, then without one: the newest version has it, the oldest does not."""
    gate = {"name": "gate", "type": "string"}
    schemas.set_compatibility(subject, "BACKWARD_TRANSITIVE")
    assert schemas.accepts(subject, schema(gate)), "the first schema of a subject is welcome"
    schemas.register(subject, schema())
    schemas.register(subject, schema({**gate, "default": ""}))

    assert [json.loads(text) for text in schemas.versions(subject)] == [
        json.loads(text) for text in (schema(), schema({**gate, "default": ""}))
    ]
    assert not schemas.accepts(subject, schema(gate))
    assert schemas.accepts(subject, schema({**gate, "default": "A1"}))
    with pytest.raises(Permanent, match="compatible"):
        schemas.register(subject, schema(gate))


def test_an_unknown_subject_has_no_versions(schemas: Schemas, subject: str) -> None:
    assert list(schemas.versions(subject)) == []
