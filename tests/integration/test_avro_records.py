"""Records in Avro on the real stack: what others wrote is resolved, what is no record is a dead letter."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import fastavro
import pytest

from slipway.domain import names
from slipway.domain.evidence import Balance
from tests.integration.running import Running, eventually, running
from tests.stack import Stack

ARRIVED = datetime(2024, 3, 13, 16, tzinfo=UTC)
CONTRACT = """
migration: inavro
description: Orders in Avro
owners: {data_owner: [ana], consumer: [carla], on_call: [omar]}
events:
  topic: raw-inavro-orders
  schema: inavro.avsc
  format: avro
  key: [id]
  id: id
  time: at
  arrival: producer
  traffic: {peak_per_second: 9000, mean_bytes: 100}
parity: {timezone: UTC, accept_late: 24h, from: 2024-03-01}
kpis:
  inavro_hourly:
    grain: {hour: hour(at), kind: kind}
    segments: [kind]
    measures:
      orders: {count: "*"}
      revenue: {sum: price}
    batch: {model: inavro_hourly, events: inavro_events}
gates:
  sign_offs: {data_owner: 1}
"""
SCHEMA = """{"type": "record", "name": "Order", "namespace": "shop", "fields": [
 {"name": "id", "type": "string", "doc": "Identity"},
 {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "When, UTC"},
 {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "doc": "Which"},
 {"name": "price", "doc": "Dollars", "default": null,
  "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}]},
 {"name": "who", "type": ["null", "string"], "default": null, "doc": "Who", "pii": true}]}"""
# One field less and one more, thousandths, microseconds, and a kind that the contract does not know.
OTHER = """{"type": "record", "name": "Order", "namespace": "shop", "fields": [
 {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["C", "B", "A"]}},
 {"name": "till", "type": "int"},
 {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}},
 {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
 {"name": "id", "type": "string"}]}"""


@pytest.fixture(scope="module")
def inavro(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(stack, tmp_path_factory.mktemp("migrations"), CONTRACT, SCHEMA) as found:
        yield found


def framed(schema_id: int, schema: str, event: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(b"\0" + schema_id.to_bytes(4, "big"))
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(schema)), event)
    return out.getvalue()


def test_records_of_any_writer_are_read_and_the_rest_are_dead_letters(inavro: Running) -> None:
    schemas = inavro.world.schemas
    own = schemas.identify(names.value_subject(inavro.topic), inavro.migration.schema.text)
    assert own is not None
    other = schemas.register("inavro-other-writers", OTHER)

    def ours(order: str, **more: Any) -> bytes:
        event = {"id": order, "at": ARRIVED, "kind": "A", "price": Decimal("1.25"), "who": "ann", **more}
        return framed(own, SCHEMA, event)

    def theirs(order: str, **more: Any) -> bytes:
        event = {"id": order, "at": ARRIVED, "kind": "B", "till": 7, "price": Decimal("2.500"), **more}
        return framed(other, OTHER, event)

    silver = [ours(f"o{n}") for n in range(500)] + [theirs(f"t{n}") for n in range(500)]
    o, t = str(own).encode(), str(other).encode()
    ends = f"the value ends within a record of schema id {own}"
    nul = "who: its value holds a NUL character, which no table can store"
    refused: list[tuple[bytes | None, str, bytes]] = [
        (None, "null value", b""),
        (b"", "empty value", b""),
        (b'{"id": "json"}', "no schema id: the first byte is 0x7b, not 0x00", b""),
        (b"\0\0", "no schema id: the value ends after 2 bytes", b""),
        (b"\0\0\x0f\x42\x3f" + ours("x")[5:], "unknown schema id 999999", b"999999"),
        (ours("x")[:-1], ends, o),
        (ours("x") + b"!", "bytes after the avro record", o),
        (ours("x")[:5] + b"\xfe\xff\xff\xff\x0f", ends, o),
        (theirs("x", kind="C"), "kind: 'C' is not one of A, B", t),
        (
            theirs("x", price=Decimal("2.505")),
            "price: '2.505' does not fit into decimal(8,2)",
            t,
        ),
        (
            ours("x", at=ARRIVED + timedelta(hours=25)),
            "at is more than 24 h ahead of its arrival",
            o,
        ),
        (ours("x", who="a\0b"), nul, o),
        (ours("x", who="w" * 1_000_000 + "\0"), nul, o),
    ]
    late, again = ours("late", at=ARRIVED - timedelta(days=3)), ours("o1")
    values = [*silver[:700], *(value for value, *_ in refused), late, again, *silver[700:]]

    inavro.produce((b"k", value, ARRIVED) for value in values)

    assert inavro.settled() == Balance(
        produced=len(values), bronze=len(values), silver=1_000, late=1, rejected=len(refused), duplicates=1
    )
    letters = Counter(
        (value, headers["reason"].decode(), headers["schema_id"])
        for _, value, headers in inavro.dead_letters()
    )
    assert letters == Counter(refused)
    wanted = {
        (ARRIVED, "A", 500, Decimal("625.00")),
        (ARRIVED, "B", 500, Decimal("1250.00")),
    }

    def equal() -> bool | None:
        return set(inavro.kpi_rows("inavro_hourly", "hour, kind, orders, revenue")) == wanted or None

    eventually(equal, f"the rows {wanted}")


def test_a_refused_record_keeps_the_id_that_it_yields(inavro: Running) -> None:
    rows = dict(inavro.rows("rejected.inavro__r1", "reason, event_id"))

    assert rows["kind: 'C' is not one of A, B"] == "x"
    assert rows["bytes after the avro record"] == "x"
    assert rows["unknown schema id 999999"] is None


def test_no_job_has_restarted(inavro: Running) -> None:
    assert inavro.restarts() == {"ingest": 0, "revision": 0}


def test_a_registry_that_is_down_refuses_no_record(inavro: Running) -> None:
    before = inavro.settled()
    newer = OTHER.replace('{"name": "till", "type": "int"}', '{"name": "till", "type": "long"}')
    schema_id = inavro.world.schemas.register("inavro-newer-writers", newer)
    event = {"id": "newer", "at": ARRIVED, "kind": "B", "till": 7, "price": Decimal("0.000")}

    killed = inavro.stack.kill("registry")
    inavro.produce([(b"k", framed(schema_id, newer, event), ARRIVED)])
    inavro.stack.wait_ready("registry", not_pid=killed)

    after = inavro.settled()
    assert (after.silver, after.rejected) == (before.silver + 1, before.rejected)
    assert sum(inavro.restarts().values()) > 0, "the registry came back before anybody asked it"
