"""Proves that offsets hold no record, by reading past them as a consumer of committed records."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from slipway.domain.gaps import Gap
from slipway.errors import Retryable

NEAR = 2_000
"""Gaps with fewer offsets between them are read in one go; to the others the consumer jumps."""

_AT_ONCE = 5_000
_POLL_SECONDS = 0.2


def proven_empty(
    settings: Mapping[str, str], topic: str, gaps: Sequence[Gap], seconds: float, log: logging.Logger
) -> list[Gap]:
    """Return those of the gaps, ascending, that a reader of committed records passes without a record.

    seconds: how long the broker may say nothing at all before this is Retryable.
    """
    if not gaps:
        return []
    consumer = Consumer(
        {
            **settings,
            "group.id": "slipway-gaps",
            "isolation.level": "read_committed",
            "enable.auto.commit": "false",
            "enable.partition.eof": "true",
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": "50",
            "queued.max.messages.kbytes": "4096",
        },
        logger=log,
    )
    try:
        proven = []
        for partition, of_partition in groupby(sorted(gaps, key=_place), lambda gap: gap.partition):

            def there(found: Iterable[Gap], place: TopicPartition) -> list[Gap]:
                # Gone is not empty: what retention has removed proves nothing.
                first, _ = consumer.get_watermark_offsets(place, timeout=seconds)
                return [gap for gap in found if gap.first >= first]

            place = TopicPartition(topic, partition)
            found = _read(consumer, topic, partition, there(of_partition, place), seconds)
            proven += there(list(found), place)
        return proven
    finally:
        consumer.close()


def _place(gap: Gap) -> tuple[int, int]:
    return gap.partition, gap.first


def _read(
    consumer: Consumer, topic: str, partition: int, gaps: Sequence[Gap], seconds: float
) -> Iterator[Gap]:
    """Yield the empty gaps of one partition, ascending."""
    left = list(reversed(gaps))
    while left:
        consumer.assign([TopicPartition(topic, partition, left[-1].first)])
        for offset, is_record in _records(consumer, seconds):
            while left and left[-1].through < offset:
                yield left.pop()
            if not is_record:
                return  # the topic has not reached the others
            if left and left[-1].first <= offset:
                left.pop()
            if not left or left[-1].first - offset > NEAR:
                break


def _records(consumer: Consumer, seconds: float) -> Iterator[tuple[int, bool]]:
    """Yield (offset, True) of each committed record and (next offset, False) at the partition's end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for message in consumer.consume(_AT_ONCE, _POLL_SECONDS):
            error = message.error()
            if error is None:
                yield int(message.offset() or 0), True
            elif error.code() == KafkaError._PARTITION_EOF:
                yield int(message.offset() or 0), False
            else:
                raise KafkaException(error)
            deadline = time.monotonic() + seconds
    raise Retryable(f"Kafka sent neither a record nor the end of a partition within {seconds:.0f} s")
