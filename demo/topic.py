"""The demo's topic as it stands: partitions, how far each is filled, and whether what it holds is ours."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
)

from demo.records import Record
from slipway.errors import Permanent, Retryable

PATIENCE = 30.0
"""Seconds for an answer of the broker; a killed one is back in a few."""

REQUIRED = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
"""Records carry instants of 2013: with any other retention the broker deletes them as they come."""

Kafka = Mapping[str, str]


def partitions_of(kafka: Kafka, topic: str) -> int:
    """Return how many partitions a topic has; Permanent when it is absent or would lose old records."""
    admin = AdminClient({**kafka, "log_level": "4"})
    found = admin.list_topics(topic, timeout=PATIENCE).topics[topic]
    if found.error is not None or not found.partitions:
        raise Permanent(f"there is no topic {topic}: run the DAG `provision` of its migration first")
    resource = ConfigResource(ResourceType.TOPIC, topic)
    config = admin.describe_configs([resource])[resource].result(timeout=PATIENCE)
    wrong = {name: config[name].value for name, wanted in REQUIRED.items() if config[name].value != wanted}
    if wrong:
        raise Permanent(
            f"topic {topic} has {wrong}, but a replay of history needs {REQUIRED}: set `arrival: producer`"
            " in the contract and run the DAG `provision`"
        )
    return len(found.partitions)


def sent_already(kafka: Kafka, topic: str, expected: Sequence[Sequence[Record]]) -> list[int]:
    """Return how many records of each partition the topic holds already.

    Permanent when it holds something else than the beginning of what is expected: then offsets would not
    count records any more.
    """
    consumer = Consumer(
        {
            **kafka,
            "group.id": "slipway-demo-replayer",
            "enable.auto.commit": "false",
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": "20",  # a fetch under way would hold back the next partition
        }
    )
    try:
        return [_sent(consumer, topic, number, part) for number, part in enumerate(expected)]
    finally:
        consumer.close()


def _sent(consumer: Consumer, topic: str, partition: int, expected: Sequence[Record]) -> int:
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE)
    where = f"{topic}[{partition}]"
    cure = "replay into an empty topic of its own (`make demo` starts an empty world)"
    if first != 0:
        raise Permanent(f"{where} begins at offset {first}, not 0: records were deleted; {cure}")
    if end > len(expected):
        raise Permanent(f"{where} holds {end} records, but the whole replay has {len(expected)}; {cure}")
    if end > 0:
        last = _read(consumer, TopicPartition(topic, partition, end - 1))
        found = Record(last.key() or b"", last.value() or b"", expected[end - 1].arrival)
        if found != expected[end - 1] or last.timestamp()[1] != expected[end - 1].timestamp:
            raise Permanent(
                f"{where} holds at offset {end - 1} the key {last.key()!r} of {last.timestamp()[1]}, but the"
                f" replay has {expected[end - 1].key!r} of {expected[end - 1].timestamp} there: something"
                f" else wrote to the topic; {cure}"
            )
    return int(end)


def _read(consumer: Consumer, at: TopicPartition) -> Message:
    consumer.assign([at])
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is None:
            continue
        error = message.error()
        if error is None:
            return message
        if not error.retriable():
            raise KafkaException(error)
    raise Retryable(
        f"{at.topic}[{at.partition}] did not give its record at offset {at.offset} in {PATIENCE:.0f} s"
    )
