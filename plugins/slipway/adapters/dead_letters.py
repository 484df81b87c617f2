"""Dead letters in Kafka, and the way back from them; read as consumers do, committed records only."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from slipway.adapters.kafka import SECONDS, KafkaTopics
from slipway.errors import Permanent, Retryable
from slipway.ports import DeadLetter, Resent

SEND_WITHIN = 15
"""Seconds after which Kafka's client gives a record up; a new decision waits for longer than that."""

LARGEST = 100_000_000
"""Bytes of a record that is sent again; far above what any topic takes."""

_SILENT = logging.getLogger("slipway.kafka")


class KafkaDeadLetters:
    """The dead letters of one cluster. settings: librdkafka's, `bootstrap.servers` at least."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = {"socket.connection.setup.timeout.ms": "5000", **settings}
        self._topics = KafkaTopics(settings)

    def read(self, topic: str) -> Iterator[DeadLetter]:
        """Yield what the topic held when the call began, by partition."""
        for message in self._messages(topic, {}):
            yield _letter(message)

    def get(self, topic: str, partition: int, offset: int) -> DeadLetter | None:
        """Return one record; None when the topic has none there."""
        first, end = self._topics.bounds(topic).get(partition, (0, 0))
        if not first <= offset < end:
            return None
        for message in self._partition(topic, partition, offset, end):
            return _letter(message) if message.offset() == offset else None
        return None

    def send(self, topic: str, records: Sequence[Resent]) -> None:
        """Send records and wait for each; Retryable when one is not confirmed."""
        producer = Producer(
            {
                **self.settings,
                "enable.idempotence": "true",
                "acks": "all",
                "partitioner": "murmur2_random",
                "delivery.timeout.ms": str(SEND_WITHIN * 1000),
                "message.max.bytes": str(LARGEST),  # what the topic takes is the broker's to say
            },
            logger=_SILENT,
        )
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)

        for record in records:
            # 0 is librdkafka's own word for the present.
            at = 0 if record.at is None else round(record.at.timestamp() * 1000)
            headers: list[tuple[str, str | bytes | None]] = list(record.headers.items())
            producer.produce(
                topic,
                value=record.value,
                key=record.key,
                headers=headers,
                on_delivery=delivered,
                timestamp=at,
            )
        left = producer.flush(SEND_WITHIN + 5)
        if any(error.code() == KafkaError.MSG_SIZE_TOO_LARGE for error in failures):
            raise Permanent(
                f"{topic} does not take records of this size again, for a replay adds headers; raise its"
                " max.message.bytes by some hundred bytes, or leave the large ones out"
            )
        if failures or left:
            first = f", first: {failures[0].str()}" if failures else ""
            raise Retryable(
                f"{len(failures) + left} of {len(records)} records for {topic} were not confirmed"
                f"{first}; trying again finds out which are there"
            )

    def marks(self, topic: str, since: Mapping[int, int], header: str) -> Collection[str]:
        """Return the values of a header of all records from these offsets on, up to the present."""
        return {
            _text(value)
            for message in self._messages(topic, since)
            for name, value in _headers(message)
            if name == header
        }

    def newest_arrival(self, topic: str) -> datetime | None:
        """Return the largest timestamp of any record, UTC; None when the topic is empty."""
        admin = AdminClient(dict(self.settings), logger=_SILENT)
        newest_one = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
        wanted = {TopicPartition(topic, one): newest_one for one in self._topics.bounds(topic)}
        try:
            asked = admin.list_offsets(wanted, request_timeout=SECONDS)
            found = [future.result(timeout=SECONDS * 2).timestamp for future in asked.values()]
        except (KafkaException, TimeoutError) as error:
            raise Retryable(f"Kafka did not tell the newest arrival of {topic}: {error}") from error
        newest = max(found, default=-1)
        return None if newest < 0 else datetime.fromtimestamp(newest / 1000, UTC)

    def _messages(self, topic: str, since: Mapping[int, int]) -> Iterator[Message]:
        for partition, (first, end) in self._topics.bounds(topic).items():
            yield from self._partition(topic, partition, max(first, since.get(partition, 0)), end)

    def _partition(self, topic: str, partition: int, start: int, end: int) -> Iterator[Message]:
        """Yield the records of a partition between two offsets; markers of transactions take some of them."""
        if start >= end:
            return
        consumer = Consumer(
            {
                **self.settings,
                "group.id": "slipway-dead-letters",
                "enable.auto.commit": "false",
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "enable.partition.eof": "true",
            },
            logger=_SILENT,
        )
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            deadline = time.monotonic() + SECONDS
            while True:
                message = consumer.poll(1.0)
                if message is None:
                    if time.monotonic() > deadline:
                        raise Retryable(f"{topic}[{partition}] gave no record within {SECONDS:.0f} s")
                    continue
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    return
                if error is not None:
                    raise Retryable(f"{topic}[{partition}] can't be read from {start}: {error.str()}")
                if _place(message)[1] >= end:
                    return
                yield message
                deadline = time.monotonic() + SECONDS
                at = consumer.position([TopicPartition(topic, partition)])[0].offset
                if at != OFFSET_END and at >= end:
                    return
        except KafkaException as error:
            raise Retryable(f"{topic}[{partition}] can't be read: {error}") from error
        finally:
            consumer.close()


def _letter(message: Message) -> DeadLetter:
    partition, offset = _place(message)
    headers = {name: _bytes(value) for name, value in _headers(message)}
    at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
    return DeadLetter(partition, offset, at, _raw(message.key()), _raw(message.value()), headers)


def _place(message: Message) -> tuple[int, int]:
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise Permanent("Kafka gave a record without its place")
    return partition, offset


def _headers(message: Message) -> Iterator[tuple[str, str | bytes | None]]:
    found = message.headers() or ()
    yield from found.items() if isinstance(found, dict) else found


def _raw(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _bytes(value: str | bytes | None) -> bytes:
    return _raw(value) or b""


def _text(value: str | bytes | None) -> str:
    return _bytes(value).decode("utf-8", "replace")
