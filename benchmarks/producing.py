"""How many events a second does the producer publish, beside bare confluent-kafka sending the same bytes?

Both send the same events of the flights contract (JSON) into one topic of four partitions, in turn, with the
same settings of librdkafka, and wait for every confirmation. The bare one is given finished bytes and checks
nothing; it keeps nothing of a record (`bare`), or its place as a result has it (`bare, with places`). Rates are
paired: each round gives a ratio. Needs a running world:

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
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient

from benchmarks.machine import heading
from slipway.adapters.contracts import load_migration
from slipway.adapters.kafka import KafkaTopics
from slipway.domain.contract import Migration
from slipway.ports import TopicSpec
from slipway.producer import Event, EventProducer, Result
from slipway.producer.settings import Profile, settings

REPO = Path(__file__).parents[1]
Sent = tuple[float, float]
"""Seconds on the clock and on the processors, this process alone."""


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


def bare(topic: str, records: Sequence[tuple[bytes, bytes]], config: dict[str, str], *, places: bool) -> Sent:
    """Send finished bytes with confluent-kafka alone."""
    producer = Producer(config)
    kept: list[tuple[int | None, int | None]] = []
    failed = 0

    def delivered(error: KafkaError | None, message: Message) -> None:
        nonlocal failed
        failed += error is not None
        kept.append((message.partition(), message.offset()))

    def work() -> None:
        produce, poll = producer.produce, producer.poll
        for number, (key, value) in enumerate(records):
            while True:
                try:
                    if places:
                        produce(topic, value, key, on_delivery=delivered)
                    else:
                        produce(topic, value, key)
                    break
                except BufferError:
                    poll(0.1)
            if number % 512 == 0:
                poll(0)
        while producer.flush(1):
            continue

    producer.list_topics(topic, timeout=10)
    spent = timed(work)
    assert not failed and (not places or len(kept) == len(records))
    return spent


def ours(migration: Migration, events: Sequence[Event], config: dict[str, str], profile: Profile) -> Sent:
    """Publish the events in one batch."""
    with EventProducer([migration], config, profile) as producer:
        producer.publish(events[0])
        spent = timed(lambda: _all(producer.publish_batch(events)))
        assert producer.counters.delivered == len(events) + 1
    return spent


def _all(results: Sequence[Result]) -> None:
    assert all(result.ok for result in results)


def told(name: str, events: int, spent: Sequence[Sent], beside: Sequence[Sent]) -> str:
    """Return a line: rate, and the ratio to the bare client round by round, on the clock and in processor."""
    rates = sorted(events / wall for wall, _ in spent)
    ratios = sorted(bare / wall for (wall, _), (bare, _) in zip(spent, beside, strict=True))
    processor = statistics.median(seconds for _, seconds in spent) / events * 1e6
    return (
        f"{name:<22}{statistics.median(rates):>9,.0f} events/s (least {rates[0]:,.0f}, most {rates[-1]:,.0f})"
        f"  {statistics.median(ratios):.2f} of bare ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        f"  {processor:.1f} us of processor an event"
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
            alone: list[Sent] = []
            placed: list[Sent] = []
            whole: list[Sent] = []
            for turn in range(given.rounds + 1):
                found = (
                    bare(topic, records, config, places=False),
                    bare(topic, records, config, places=True),
                    ours(migration, events, kafka, profile),
                )
                if turn:  # the first warms up
                    for kept, spent in zip((alone, placed, whole), found, strict=True):
                        kept.append(spent)
            print(f"profile {profile}")
            print(told("  bare", given.events, alone, alone))
            print(told("  bare, with places", given.events, placed, alone))
            print(told("  slipway.producer", given.events, whole, alone))
            print(told("  (beside with places)", given.events, whole, placed))
    finally:
        admin = AdminClient(dict(kafka))
        admin.delete_topics([topic])[topic].result(30)
    return 0


if __name__ == "__main__":
    sys.exit(main())
