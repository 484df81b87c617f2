"""From the producer through the real jobs to the dead letters and back, and into the account."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slipway.app import dead_letters
from slipway.app.dead_letters import Wanted
from slipway.domain.evidence import Balance
from slipway.ports import Actor
from slipway.producer import Event, EventProducer
from tests.integration.running import eventually, running
from tests.stack import Stack

RITA = Actor("rita", authenticated=True, dag_run="manual__1")
CONTRACT = """\
migration: replayed
description: Orders, some of which were refused and sent again
owners: {data_owner: [ana]}
events:
  topic: raw-replayed
  schema: replayed.avsc
  key: [order_id]
  id: order_id
  time: at
  traffic: {peak_per_second: 10, mean_bytes: 100}
parity:
  timezone: UTC
  accept_late: 24h
  from: 2026-01-01
kpis:
  replayed_daily:
    grain: {day: day(at)}
    measures: {orders: {count: "*"}, cents: {sum: cents}}
    batch: {model: replayed_daily, events: replayed_events}
gates: {sign_offs: {data_owner: 1}}
"""
SCHEMA = """{"type": "record", "name": "order", "fields": [
 {"name": "order_id", "type": "string", "doc": "Names the order"},
 {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "When it was made, UTC"},
 {"name": "cents", "type": "int", "doc": "What it costs, cents"}]}"""


def order(number: int, cents: Any = 100) -> dict[str, Any]:
    return {"order_id": f"o{number}", "at": datetime.now(UTC), "cents": cents}


def test_a_refused_record_that_is_mended_and_sent_again_counts_once(stack: Stack, tmp_path: Path) -> None:
    with running(stack, tmp_path, CONTRACT, SCHEMA) as jobs:
        kafka = dict(stack.conn("kafka")["extra"])
        with EventProducer([jobs.migration], kafka) as producer:
            assert all(one.ok for one in producer.publish_batch([Event("order", order(n)) for n in range(5)]))
        wrong = json.dumps({**order(7, "7 dollars"), "at": "2026-01-02T00:00:00Z"}).encode()
        jobs.produce([(b"o7", wrong, datetime.now(UTC))])
        assert jobs.settled() == Balance(6, 6, 5, 0, 1, 0)

        def refused() -> dead_letters.Group | None:
            return next(iter(dead_letters.overview(jobs.migration, Wanted(), jobs.world)), None)

        group = eventually(refused, "the dead letter to be committed")
        assert (group.stage, group.reason) == ("decode", "cents: '...' is not an integer")
        mended = json.dumps({**order(7, 700), "at": datetime.now(UTC).isoformat()}).encode()
        place = Wanted(places=[group.example])
        for _ in range(2):
            dead_letters.replay(jobs.migration, place, "typed by hand", jobs.world, RITA, value=mended)

        assert jobs.settled() == Balance(7, 7, 6, 0, 1, 0, replayed=1)

        def counted() -> bool | None:
            return jobs.kpi_rows("replayed_daily", "sum(orders), sum(cents)") == [(6, 1200)] or None

        eventually(counted, "the KPI to hold the mended order")
