"""Values of every kind that people send, and what must become of each; good ones with what they mean."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

ARRIVED = datetime(2024, 3, 13, 16, tzinfo=UTC)
"""A Wednesday, noon in New York."""

LIMITS = "json beyond the limits: nested too deeply, or a number or text that is too long"
NOT_AN_INSTANT = "is not an instant in ISO 8601 with its offset, or its epoch as an integer"

SCHEMA = """{"type": "record", "name": "Odd", "namespace": "odd", "fields": [
 {"name": "id", "type": "string", "doc": "Identity"},
 {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "When, UTC"},
 {"name": "code", "type": {"type": "enum", "name": "Code", "symbols": ["A", "B"]}, "doc": "Which"},
 {"name": "label", "type": ["null", "string"], "default": null, "doc": "Any text, or none"},
 {"name": "note", "type": ["null", "string"], "default": null, "doc": "Any text, of any length"},
 {"name": "small", "type": ["null", "int"], "default": null, "doc": "32 bits"},
 {"name": "big", "type": ["null", "long"], "default": null, "doc": "64 bits"},
 {"name": "share", "type": ["null", "double"], "default": null, "doc": "A double"},
 {"name": "price", "default": null, "doc": "Exact",
  "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4}]},
 {"name": "seen_at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": null,
  "doc": "When seen, UTC"},
 {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "default": null, "doc": "A date"},
 {"name": "flag", "type": ["null", "boolean"], "default": null, "doc": "Yes or no"}]}"""

CONTRACT = """
migration: odd
description: Records of every kind
owners: {data_owner: [ana], consumer: [carla], on_call: [omar]}
events:
  topic: raw-odd-records
  schema: odd.avsc
  format: json
  key: [id]
  id: id
  time: at
  ahead_at_most: 1h
  arrival: producer
  traffic: {peak_per_second: 9000, mean_bytes: 200}
parity: {timezone: America/New_York, accept_late: 24h, from: 2024-03-01}
kpis:
  odd_quarters:
    grain: {at: "minutes(15, at)", code: code}
    segments: [code]
    measures:
      records: {count: "*"}
      price: {sum: price}
      small: {sum: small}
      labels: {count_distinct: label}
      newest: {max: seen_at}
    batch: {model: odd_quarters, events: odd_events}
  odd_weeks:
    grain: {week: week(at), label: label}
    segments: [label]
    measures:
      records: {count: "*"}
      yes: {count: "*", where: flag}
    batch: {model: odd_weeks, events: odd_events}
gates:
  sign_offs: {data_owner: 1}
"""


@dataclass(frozen=True)
class Odd:
    """One record. fate: silver, late, rejected or duplicate. event: the values that a good one means."""

    value: bytes | None
    fate: str
    reason: str | None = None
    event: dict[str, Any] | None = None
    key: bytes | None = b"k"
    arrival: datetime = ARRIVED


def good(number: int, **more: Any) -> Odd:
    """An event at noon in New York; more: fields as they are to be read. A Decimal is written as a number."""
    event: dict[str, Any] = {"id": f"good-{number}", "at": ARRIVED, "code": "A", **more}
    return Odd(_json(event), "silver", event=event)


def _json(event: dict[str, Any]) -> bytes:
    parts = []
    for name, value in event.items():
        if isinstance(value, datetime):
            text = json.dumps(value.isoformat())
        elif isinstance(value, Decimal):
            text = str(value)
        else:
            text = json.dumps(value)
        parts.append(f"{json.dumps(name)}: {text}")
    return ("{" + ", ".join(parts) + "}").encode()


def written(text: str, **event: Any) -> Odd:
    """A good event as somebody else writes it."""
    return Odd(text.encode(), "silver", event={"at": ARRIVED, "code": "A", **event})


def with_field(number: int, field: str) -> bytes:
    """An event with one more field, as it stands there."""
    return f'{{"id": "f{number}", "at": "2024-03-13T16:00:00Z", "code": "A", {field}}}'.encode()


REFUSED: tuple[tuple[bytes | None, str], ...] = (
    (None, "null value"),
    (b"", "empty value"),
    (b" \n\t ", "empty value"),
    (b"null", "not a json object"),
    (b"42", "not a json object"),
    (b'"text"', "not a json object"),
    (b"[{}]", "not a json object"),
    (b"not json", "not json"),
    (b"\x00\x01\x02\xff", "not json"),
    (bytes(range(256)) * 40, "not json"),
    (b"{}{}", "bytes after the json object"),
    (b'{"id": "t1"} trailing', "bytes after the json object"),
    (b'{"id": "t2"', "not json"),
    (b"\xef\xbb\xbf{}", "byte order mark before the json"),
    ("{}".encode("utf-16"), "not json"),
    ("{}".encode("utf-32-le"), "not json"),
    (b'{"id": "caf\xe9"}', "not json"),
    (b"{'id': 'single'}", "not json"),
    (b'{"id": "c", /* comment */ "code": "A"}', "not json"),
    (b"[" * 10_000, LIMITS),
    (b"[" * 10_000 + b"]" * 10_000, LIMITS),
    (with_field(1, '"x": ' + '{"a":' * 10_000 + "1" + "}" * 10_000), LIMITS),
    (with_field(2, '"share": NaN'), "not json"),
    (with_field(3, '"share": Infinity'), "not json"),
    (with_field(4, '"share": -Infinity'), "not json"),
    (with_field(5, '"share": 1e400'), "share: '1e400' does not fit: its magnitude must be below 1e15"),
    (with_field(6, '"small": 2147483648'), "small: '2147483648' does not fit into 32 bits"),
    (with_field(7, '"big": -9223372036854775809'), "big: '-9223372036854775809' does not fit into 64 bits"),
    (with_field(8, f'"big": {"9" * 400}'), f"big: '{'9' * 60}...' does not fit into 64 bits"),
    (with_field(9, f'"big": {"9" * 5_000}'), LIMITS),
    (with_field(10, '"small": 1.0'), "small: '1.0' is not an integer"),
    (with_field(11, '"small": "1"'), "small: '1' is not an integer"),
    (with_field(12, '"price": 1.00005'), "price: '1.00005' does not fit into decimal(18,4)"),
    (with_field(13, '"price": "1.00005"'), "price: '1.00005' does not fit into decimal(18,4)"),
    (with_field(14, '"price": 0.1e-400'), "price: '0.1e-400' does not fit into decimal(18,4)"),
    (with_field(15, '"price": 1e999999999'), "price: '1e999999999' does not fit into decimal(18,4)"),
    (with_field(16, '"price": "NaN"'), "price: 'NaN' is not a number"),
    (with_field(17, '"flag": "true"'), "flag: 'true' is not true or false"),
    (with_field(18, '"flag": 1'), "flag: '1' is not true or false"),
    (with_field(19, '"day": "2024-02-30"'), "day: '2024-02-30' is not a date (yyyy-mm-dd)"),
    (with_field(20, '"day": "10000-01-01"'), "day: '10000-01-01' is not a date (yyyy-mm-dd)"),
    (with_field(21, '"seen_at": "yesterday"'), f"seen_at: 'yesterday' {NOT_AN_INSTANT}"),
    (with_field(22, '"seen_at": "2024-03-13T16:00:00"'), f"seen_at: '2024-03-13T16:00:00' {NOT_AN_INSTANT}"),
    (with_field(23, '"seen_at": 1.5'), f"seen_at: '1.5' {NOT_AN_INSTANT}"),
    (
        with_field(24, '"seen_at": -9223372036854775808'),
        "seen_at: '-9223372036854775808' is outside the years 1 to 9999",
    ),
    (
        with_field(25, '"seen_at": "0000-12-31T00:00:00Z"'),
        "seen_at: '0000-12-31T00:00:00Z' is outside the years 1 to 9999",
    ),
    (
        with_field(26, '"note": "a\\u0000b"'),
        "note: 'a\\u0000b' holds a NUL character, which no table can store",
    ),
    (
        with_field(27, '"label": "\\ud800"'),
        "label: '\\ud800' holds half a surrogate pair, which is not text",
    ),
    (
        with_field(28, '"label": "\\udc00\\ud800"'),
        "label: '\\udc00\\ud800' holds half a surrogate pair, which is not text",
    ),
    (with_field(29, '"code": "B"'), "duplicate field code"),
    (with_field(30, '"note": "x", "n\\u006fte": "y"'), "duplicate field note"),
    (with_field(31, '"note": 5'), "note: '5' is not a string"),
    (with_field(32, '"note": {"a": [1]}'), "note: an object is not a string"),
    (b'{"id": "q", "at": "2024-03-13T16:00:00Z", "code": "Q"}', "code: 'Q' is not one of A, B"),
    (b'{"id": null, "at": "2024-03-13T16:00:00Z", "code": "A"}', "id: null is not a string"),
    (b'{"id": "", "at": "2024-03-13T16:00:00Z", "code": "A"}', "id: '' is no identity"),
    (b'{"id": "n1", "at": null, "code": "A"}', f"at: null {NOT_AN_INSTANT}"),
    (b'{"id": "n2", "code": "A"}', "missing field at"),
    (b'{"id": "n3", "at": "2024-03-13T16:00:00Z"}', "missing field code"),
    (
        b'{"id": "n4", "at": "2024-03-13T17:00:00.001Z", "code": "A"}',
        "at is more than 1 h ahead of its arrival",
    ),
    (
        b'{"id": "n5", "at": 253402300800000, "code": "A"}',
        "at: '253402300800000' is outside the years 1 to 9999",
    ),
    (
        b'{"id": "' + b"i" * 2_401 + b'", "at": 0, "code": "A"}',
        f"id: '{'i' * 60}...' takes 2401 bytes, but it is part of a key, which holds 2400",
    ),
    (
        with_field(33, '"label": "' + "\U0001f600" * 601 + '"'),
        "label: '" + "\U0001f600" * 30 + "...' takes 2404 bytes, but it is part of a key, which holds 2400",
    ),
    (with_field(34, '"small": "' + "x" * 1_000_000 + '"'), f"small: '{'x' * 60}...' is not an integer"),
    # As large as the broker takes it: its dead letter, with headers, is larger.
    (b"x" * 1_048_400, "not json"),
)


def accepted() -> list[Odd]:
    """Events that are good, however odd they look."""
    eastern = "2024-03-13T12:00:00-04:00"
    labels = [
        "",
        "null",
        '"',
        "\\",
        "a,b",
        "[]",
        "é",
        "e\u0301",
        "\U0001f600",
        "\u2028",
        "x" * 2_400,
        "NULL",
        "\t",
    ]
    found = [good(100 + place, label=label, flag=bool(place % 2)) for place, label in enumerate(labels)]
    found += [
        written(f'{{"id": "w1", "at": "{eastern}", "code": "A"}}', id="w1"),
        written(
            '{"id": "w2", "at": 1710345600000, "code": "A", "unknown": [{"deep": [[[]]]}, null]}', id="w2"
        ),
        written('  {"code":"A","at":"2024-03-13T16:00:00.000999999Z","id":"w3"}\n', id="w3"),
        written('{"\\u0069d": "w4", "at": "2024-03-13T16:00Z", "code": "\\u0041"}', id="w4"),
        written('{"id": "w5", "at": "2024-03-13T16:00:00Z", "code": "A", "x": 1, "x": 2}', id="w5"),
        written(f'{{"id": "w6", "at": "{eastern}", "code": "A", "note": "{"n" * 1_000_000}"}}', id="w6"),
        written(f'{{"id": "w7", "at": "{eastern}", "code": "A", "x": "{"n" * 1_000_000}"}}', id="w7"),
        written('{"id": "w8", "at": 1710345600000, "code": "A", "share": 0.1e-400, "big": -0}', id="w8"),
        written(
            '{"id": "w9", "at": 1710345600000, "code": "A", "price": "-99999999999999.9999"}',
            id="w9",
            price=Decimal("-99999999999999.9999"),
        ),
        written(
            '{"id": "w10", "at": 1710345600000, "code": "A", "price": 1.23000000000000000000}',
            id="w10",
            price=Decimal("1.23"),
        ),
        written(
            f'{{"id": "{"i" * 2_400}", "at": 1710345600000, "code": "A", "small": -2147483648}}',
            id="i" * 2_400,
            small=-(2**31),
        ),
        good(1, small=2**31 - 1, big=2**63 - 1, price=Decimal("0.0001"), code="B"),
        good(2, small=2**31 - 1, big=-(2**63), price=Decimal("1e3"), code="B"),
        good(3, seen_at=datetime(9999, 12, 29, 23, 59, 59, 999_999, tzinfo=UTC), code="B"),
        good(4, seen_at=datetime(1, 1, 2, tzinfo=UTC), day="0001-01-01", share=-0.0),
        good(5, at=ARRIVED + timedelta(hours=1), code="B"),
        good(6, at=ARRIVED - timedelta(minutes=1), label="null"),
        good(7, at=ARRIVED - timedelta(days=1), label=None, flag=None),
    ]
    return found


def others() -> list[Odd]:
    """Good events that count nowhere: late ones, of any year, and those that came before."""
    late = [
        Odd(_json({"id": f"late-{at.year}-{at.month}", "at": at, "code": "A"}), "late", event={})
        for at in (
            datetime(1, 1, 2, tzinfo=UTC),
            datetime(1582, 10, 15, tzinfo=UTC),
            datetime(1883, 11, 18, 17, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
            datetime(2024, 3, 12, 3, 59, tzinfo=UTC),
        )
    ]
    again = [
        Odd(_json({"id": "good-1", "at": ARRIVED, "code": "A"}), "duplicate"),
        Odd(_json({"id": "late-1-1", "at": ARRIVED, "code": "A"}), "duplicate"),
    ]
    return late + again


def keys() -> list[Odd]:
    """The same refused value under every kind of key."""
    odd = (None, b"", b"\x00\xff\xfe", b"k" * 100_000, "schl\u00fcssel".encode("latin-1"))
    return [Odd(b"{}", "rejected", "missing field id", key=key) for key in odd]


def mutated(count: int, seed: int = 5) -> list[bytes]:
    """Good events with some bytes changed at random, or cut; each has an id of its own unless it was hit."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        event = good(
            number, label="J\u00f6rg", small=number, price=Decimal("1.5"), flag=True, day="2024-03-13"
        )
        value = bytearray((event.value or b"").replace(b"good-", b"mutated-"))
        for _ in range(chance.randrange(3)):
            value[chance.randrange(len(value))] = chance.randrange(256)
        found.append(bytes(value[: chance.randrange(len(value))] if chance.random() < 0.1 else value))
    return found
