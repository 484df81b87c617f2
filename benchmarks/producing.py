"""How many events a second does the producer publish, beside bare confluent-kafka sending the same bytes?

Both send the same events of the flights contract (JSON) into one topic of four partitions, in turn, with the
same settings of librdkafka, and wait for every confirmation, each on a connection that has sent one before.
The bare one is given finished bytes and checks nothing. It flushes and never learns whether a record failed
(`bare`), is told of each record whether it failed (`bare, told`), or keeps what a result has of it (`bare,
with places`). Rates are paired: each round gives a ratio. Needs a running world:

    .local/venv/bin/python -m local.stack run -- .local/venv/bin/python -m benchmarks.producing
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient

from benchmarks.machine import heading
from slipway.adapters.contracts import load_migration
from slipway.adapters.kafka import KafkaTopics
from slipway.domain.contract import Migration
from slipway.ports import TopicSpec
from slipway.producer import Event, EventProducer, Result
from slipway.producer.encoding import Encoding
from slipway.producer.settings import Profile, settings

REPO = Path(__file__).parents[1]
Sent = tuple[float, float]
"""Seconds on the clock and on the processors, this process alone."""
Knows = Literal["nothing", "errors", "places"]
"""What the bare client learns of each record."""


def contract(topic: str) -> Migration:
    """Return the flights contract as a live feed into a topic of its own."""
    found = load_migration(REPO / "include" / "migrations" / "flights.yaml")
    events = found.contract.events.model_copy(update={"topic": topic, "arrival": "broker"})
    return replace(found, contract=found.contract.model_copy(update={"events": events}))


def event(number: int) -> dict[str, Any]:
    """Return one departure."""
    flight = f"2013-03-08-UA-{number}-EWR"
    return {
        "event_id": f"{flight}:D",
        "flight_id": flight,
        "kind": "D",
        "flight_date": "2013-03-08",
        "carrier": "UA",
        "flight": number % 9000,
        "tailnum": "N14228",
        "origin": "EWR",
        "dest": "IAH",
        "distance": 1400,
        "event_time": "2013-03-08T11:00:00Z",
        "dep_delay": number % 90 - 10,
        "arr_delay": None,
    }


def timed(work: Callable[[], None]) -> Sent:
    """Run once, without the collector's pauses."""
    gc.collect()
    gc.disable()
    wall, processor = time.perf_counter(), time.process_time()
    try:
        work()
    finally:
        gc.enable()
    return time.perf_counter() - wall, time.process_time() - processor


def bare(topic: str, records: Sequence[tuple[bytes, bytes]], config: dict[str, str], knows: Knows) -> Sent:
    """Send finished bytes with confluent-kafka alone."""
    producer = Producer(config)
    places: list[tuple[int | None, int | None, int]] = []
    failed = answered = 0

    def told(error: KafkaError | None, message: Message) -> None:
        nonlocal failed, answered
        answered += 1
        failed += error is not None

    def placed(error: KafkaError | None, message: Message) -> None:
        nonlocal failed
        failed += error is not None
        places.append((message.partition(), message.offset(), message.timestamp()[1]))

    options: dict[str, Any] = {
        "nothing": {},
        "errors": {"on_delivery": told},
        "places": {"on_delivery": placed},
    }[knows]

    def work() -> None:
        produce, poll = producer.produce, producer.poll
        for number, (key, value) in enumerate(records):
            while True:
                try:
                    produce(topic, value, key, **options)
                    break
                except BufferError:
                    poll(0.1)
            if number % 512 == 0:
                poll(0)
        while producer.flush(1):
            continue

    producer.produce(topic, records[0][1], records[0][0])
    assert producer.flush(30) == 0
    spent = timed(work)
    assert not failed
    assert knows == "nothing" or len(records) == (answered if knows == "errors" else len(places))
    return spent


def ours(migration: Migration, events: Sequence[Event], config: dict[str, str], profile: Profile) -> Sent:
    """Publish the events in one batch."""
    with EventProducer([migration], config, profile) as producer:
        producer.publish(events[0])
        spent = timed(lambda: _all(producer.publish_batch(events)))
        assert producer.counters.delivered == len(events) + 1
    return spent


def encoded(migration: Migration, events: Sequence[Event]) -> Sent:
    """Check, key and encode the events as the producer does, and send nothing."""
    encoding = Encoding(migration, None, lambda fields: None)
    arrived_at = int(time.time() * 1000)
    latest = encoding.latest(arrived_at)

    def work() -> None:
        for one in events:
            encoding.encode(one.value, arrived_at, latest)

    return timed(work)


def _all(results: Sequence[Result]) -> None:
    assert all(result.ok for result in results)


def told(name: str, events: int, spent: Sequence[Sent]) -> str:
    """Return a line: the rate, and the processor's time for one event."""
    rates = sorted(events / wall for wall, _ in spent)
    processor = sorted(seconds / events * 1e6 for _, seconds in spent)
    return (
        f"  {name:<20}{statistics.median(rates):>9,.0f} events/s (least {rates[0]:,.0f},"
        f" most {rates[-1]:,.0f})  {statistics.median(processor):.2f} us of processor an event"
        f" (least {processor[0]:.2f})"
    )


def beside(name: str, ours: Sequence[Sent], bare: Sequence[Sent]) -> str:
    """Return a line: our throughput in parts of the bare one's, round by round."""
    pairs = list(zip(ours, bare, strict=True))
    wall = sorted(theirs[0] / own[0] for own, theirs in pairs)
    processor = sorted(theirs[1] / own[1] for own, theirs in pairs)
    return (
        f"  of {name:<20} {statistics.median(wall):.2f} on the clock ({wall[0]:.2f} to {wall[-1]:.2f}),"
        f" {statistics.median(processor):.2f} by processor ({processor[0]:.2f} to {processor[-1]:.2f})"
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    kafka = dict(json.loads(os.environ["AIRFLOW_CONN_SLIPWAY_KAFKA"])["extra"])
    topic = f"bench-{uuid4().hex[:8]}"
    KafkaTopics(kafka).create(TopicSpec(topic, 4, 1, {"message.timestamp.type": "LogAppendTime"}))
    events = [Event("flight_status", event(number)) for number in range(given.events)]
    records = [
        (one.value["flight_id"].encode(), json.dumps(one.value, separators=(",", ":")).encode())
        for one in events
    ]
    print(heading(f"producing {given.events:,} events of {len(records[-1][1])} bytes, {given.rounds} rounds"))
    try:
        profiles: tuple[Profile, ...] = ("throughput", "durable")
        for profile in profiles:
            config = settings(profile, kafka)
            migration = contract(topic)
            ways: dict[str, Callable[[], Sent]] = {
                "bare": partial(bare, topic, records, config, "nothing"),
                "bare, told": partial(bare, topic, records, config, "errors"),
                "bare, with places": partial(bare, topic, records, config, "places"),
                "slipway.producer": partial(ours, migration, events, kafka, profile),
                "  its encoding alone": partial(encoded, migration, events),
            }
            found: dict[str, list[Sent]] = {name: [] for name in ways}
            for turn in range(given.rounds + 1):
                for name, way in ways.items():
                    spent = way()
                    if turn:  # the first warms up
                        found[name].append(spent)
            print(f"profile {profile}")
            for name, spents in found.items():
                print(told(name, given.events, spents))
            for name in [name for name in ways if name.startswith("bare")]:
                print(beside(name, found["slipway.producer"], found[name]))
    finally:
        admin = AdminClient(dict(kafka))
        admin.delete_topics([topic])[topic].result(30)
    return 0


if __name__ == "__main__":
    sys.exit(main())
