"""A default that its own type does not take is told as the schema is read, not when a reader breaks on it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slipway.domain.avro import parse_schema
from slipway.errors import Permanent

ENUM = {"type": "enum", "name": "e", "symbols": ["A", "B"]}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
DATE = {"type": "int", "logicalType": "date"}


def schema(kind: Any, default: Any) -> str:
    field = {"name": "gate", "type": kind, "default": default, "doc": "Gate"}
    return json.dumps({"type": "record", "name": "event", "fields": [field]})


@pytest.mark.parametrize(
    ("kind", "default", "told"),
    [
        ("int", "q", 'the default of field gate is "q", but an int is needed'),
        ("int", 1.5, "is 1.5, but an int"),
        ("int", True, "is true, but an int"),
        ("int", 2**31, "an int is needed (a whole number of 32 bits)"),
        ("long", 2**63, "a whole number of 64 bits"),
        ("string", 3, "is 3, but a string"),
        ("string", None, 'is null, but a string is needed; to let null in, make the type ["null", "string"]'),
        ("double", "1", "a number"),
        ("double", float("nan"), "a number"),
        ("boolean", 0, "true or false"),
        (ENUM, "C", "one of A, B"),
        (MILLIS, "2024-01-01", "milliseconds since 1970"),
        (DATE, "2024-01-01", "days since 1970"),
        (DECIMAL, 1.5, "bytes as a text"),
        (["string", "null"], None, 'first of the union, here "string": write ["null", "string"]'),
        (["null", "string"], "A1", 'first of the union, here "null"'),
        (["null", DATE], 0, 'first of the union, here "null"'),
    ],
    ids=str,
)
def test_a_default_of_another_type_is_refused(kind: Any, default: Any, told: str) -> None:
    with pytest.raises(Permanent) as raised:
        parse_schema(schema(kind, default))

    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "default"),
    [("int", -(2**31)), ("long", 2**63 - 1), ("string", ""), ("double", 1.5), ("boolean", False),
     (ENUM, "B"), (MILLIS, 0), (DATE, 0), (DECIMAL, "\u0001\u00ff"), (["null", "string"], None),
     (["string", "null"], "A1"), ({"type": "int"}, 3)],
    ids=str,
)  # fmt: skip
def test_a_default_of_its_type_is_taken(kind: Any, default: Any) -> None:
    assert parse_schema(schema(kind, default)).fields[0].name == "gate"


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, '{"type": ' + "1" * 5000 + "}", schema("string", "\ud800")],
    ids=["brackets", "braces", "digits", "surrogate"],
)  # fmt: skip
def test_a_text_that_no_reader_takes_is_refused_in_words(text: str) -> None:
    with pytest.raises(Permanent, match=r"^the Avro schema"):
        parse_schema(text)


def test_a_byte_order_mark_is_left_out_as_in_samples() -> None:
    assert parse_schema("\ufeff" + schema("int", 1)) == parse_schema(schema("int", 1))
