"""A producer with transactions before real jobs: its markers hang neither a deployment's gate nor the cut."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from confluent_kafka import Producer

from slipway.app.deploy import deploy_ingest
from slipway.app.watch import Watch
from slipway.domain import names
from slipway.domain.gaps import Run
from tests.integration.running import BY, Running, eventually, running, utc
from tests.stack import Stack

CONTRACT = """
migration: paid
description: Payments by day, from a producer with transactions
owners: {data_owner: [ana]}
events:
  topic: raw-paid
  schema: paid.avsc
  format: json
  key: [id]
  id: id
  time: at
  arrival: producer
  traffic: {peak_per_second: 10, mean_bytes: 100}
parity: {timezone: UTC, accept_late: 24h, from: 2024-03-01}
kpis:
  paid_daily:
    grain: {day: day(at)}
    measures:
      payments: {count: "*"}
    batch: {model: paid_daily, events: paid_events}
gates:
  sign_offs: {data_owner: 1}
"""

SCHEMA = """{"type": "record", "name": "Paid", "fields": [
 {"name": "id", "type": "string", "doc": "Identity"},
 {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "doc": "When, UTC"}]}"""


@pytest.fixture(scope="module")
def paid(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(stack, tmp_path_factory.mktemp("migrations"), CONTRACT, SCHEMA) as found:
        yield found


def test_markers_and_aborted_records_hang_no_gate_and_no_cut(paid: Running) -> None:
    arrival = utc("2024-03-01T12:00:00")
    producer = Producer({"bootstrap.servers": paid._brokers, "transactional.id": "writer-of-paid"})
    producer.init_transactions(60)
    number = 0
    for records, commit in ((3, True), (2, False), (1, True), (4, False), (5, True)):
        producer.begin_transaction()
        for _ in range(records):
            at = (arrival + timedelta(seconds=number)).isoformat()
            value = f'{{"id": "p{number}", "at": "{at}"}}'.encode()
            stamp = round(arrival.timestamp() * 1000) + number
            producer.produce(paid.topic, key=b"k", value=value, partition=0, timestamp=stamp)
            number += 1
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    balance = paid.settled()
    again = deploy_ingest(paid.migration, paid.world, BY)

    assert (balance.produced, balance.bronze, balance.silver, balance.closes) == (9, 9, 9, True)
    assert again.attempt.attempt == 1
    ends = {partition: end for partition, (_, end) in paid.world.topics.bounds(paid.topic).items()}
    assert ends == {**dict.fromkeys(ends, 0), 0: number + 5}
    watching = Watch(paid.migration, 1, ends, "", paid.world)
    assert eventually(lambda: watching.look().nothing or None, "the cut")
    assert watching.seen().gaps.empty == (Run(0, 3, 19, 11),)
    silver = paid.rows(names.silver("paid", 1), "id")
    assert len({identity for (identity,) in silver}) == 9
