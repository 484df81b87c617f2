"""Replays history up to an instant: the operational table, then the topic, then the note that it is done.

Where a partition's replay stands is read from the topic itself: its records are numbered like the offsets,
for the producer is idempotent and opens no transactions (whose markers would take offsets of their own). So a
replay that was killed anywhere goes on after the last record that the broker has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge

import psycopg
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, Message, Producer
from psycopg.conninfo import make_conninfo

from demo import operational
from demo.faults import Feed, feed_of
from demo.flights import SLICE_A, Days, load_flights, load_planes
from demo.records import Record, by_partition
from demo.topic import Kafka, partitions_of, sent_already
from slipway.errors import Permanent, Retryable

Progress = Callable[[int, int], None]
"""Told now and then: records of this replay that are sent, and how many it has to send."""

FLUSH_WITHIN = 120.0
"""Seconds for which a broker may be away."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay left behind. sent: by this call; records: in the topic; through: arrival instant, UTC."""

    sent: int
    records: int
    flights_changed: int
    through: datetime


def replay(
    to: datetime,
    kafka: Kafka,
    warehouse: Mapping[str, str],
    topic: str,
    *,
    days: Days = SLICE_A,
    progress: Progress = lambda sent, of: None,
) -> Replayed:
    """Bring the operational tables and the topic to what had happened and arrived up to an instant.

    kafka: a client's configuration; warehouse: libpq parameters. Doing it again, or for an earlier instant,
    changes nothing. Retryable when a system is away or another replay runs; Permanent when the topic holds
    something else.
    """
    if to.tzinfo is None:
        raise Permanent(f"{to.isoformat()} has no time zone; write one, such as 2013-03-01T06:00-05:00")
    feed, flights, planes = feed_of(days), load_flights(days), load_planes()
    with _retryable(), _connect(warehouse) as connection:
        _lock(connection, topic)
        operational.prepare(connection, planes)
        operational.record_faults(connection, feed.injections)
        changed = operational.upsert(connection, flights, to)
        sent, records = _send(feed, to, kafka, topic, progress)
        operational.note_progress(connection, topic, to, records)
        through = connection.execute(
            "SELECT replayed_through FROM ops.replay_progress WHERE topic = %s", (topic,)
        ).fetchone()
    if through is None:
        raise Permanent(f"ops.replay_progress has no row for {topic}, though it was just written")
    return Replayed(sent, records, changed, through[0])


def prepare(warehouse: Mapping[str, str]) -> None:
    """Create the operational tables and fill the register of aircraft, which the stream looks up."""
    with _retryable(), _connect(warehouse) as connection:
        operational.prepare(connection, load_planes())


def _send(feed: Feed, to: datetime, kafka: Kafka, topic: str, progress: Progress) -> tuple[int, int]:
    """Send what is missing; returns (sent now, in the topic)."""
    whole = by_partition(feed.records, partitions_of(kafka, topic))
    there = sent_already(kafka, topic, whole)
    wanted = [sum(record.arrival <= to for record in part) for part in whole]
    missing = list(_missing(whole, there, wanted))
    producer = _Sender(kafka, topic)
    told = time.monotonic()
    try:
        for number, (record, partition, offset) in enumerate(missing):
            producer.send(record, partition, offset)
            if time.monotonic() - told > 0.5:
                told = time.monotonic()
                progress(number + 1, len(missing))
        producer.finish()
    except BaseException:
        producer.abandon()
        raise
    progress(len(missing), len(missing))
    held = sent_already(kafka, topic, whole)
    if held != list(map(max, there, wanted)):
        raise Permanent(
            f"{topic} holds {held} records by partition, not {list(map(max, there, wanted))}: something else"
            " wrote to it; replay into an empty topic"
        )
    return len(missing), sum(held)


def _missing(
    whole: Sequence[Sequence[Record]], there: Sequence[int], wanted: Sequence[int]
) -> Iterator[tuple[Record, int, int]]:
    """Yield (record, partition, its offset) by arrival."""

    def of(partition: int) -> Iterator[tuple[Record, int, int]]:
        for offset in range(there[partition], wanted[partition]):
            yield whole[partition][offset], partition, offset

    return merge(*map(of, range(len(whole))), key=lambda item: item[0].arrival)


@dataclass
class _Sender:
    """An idempotent producer that knows the offset each record must get."""

    kafka: Kafka
    topic: str
    _failures: list[str] = field(default_factory=list)
    _misplaced: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._producer = Producer(
            {
                **self.kafka,
                "enable.idempotence": "true",
                "acks": "all",
                "linger.ms": "20",
                "delivery.timeout.ms": str(int(FLUSH_WITHIN * 1000)),
            }
        )

    def send(self, record: Record, partition: int, offset: int) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._failures.append(f"{self.topic}[{partition}] offset {offset}: {error}")
            elif message.offset() not in (offset, OFFSET_INVALID):  # a repeated request is told no offset
                self._misplaced.append(f"{self.topic}[{partition}]: got {message.offset()}, not {offset}")

        while True:
            try:
                self._producer.produce(
                    self.topic,
                    value=record.value,
                    key=record.key,
                    partition=partition,
                    timestamp=record.timestamp,
                    on_delivery=delivered,
                )
                break
            except BufferError:  # the local queue is full: give it time to drain
                self._producer.poll(1.0)
                self._check()
        self._producer.poll(0)
        self._check()

    def finish(self) -> None:
        """Wait until the broker has everything; raises what went wrong on the way."""
        left = self._producer.flush(FLUSH_WITHIN + 10)
        self._check()
        if left:
            raise Retryable(f"{left} records for {self.topic} were not confirmed in {FLUSH_WITHIN:.0f} s")

    def abandon(self) -> None:
        """Drop what was not sent; what is under way is met again by the next replay."""
        self._producer.purge()
        self._producer.flush(0)

    def _check(self) -> None:
        if self._misplaced:
            raise Permanent(
                f"{len(self._misplaced)} records did not get the offset that counts them, first"
                f" {self._misplaced[0]}: somebody else writes to the topic; replay into an empty one"
            )
        if self._failures:
            raise Retryable(f"{len(self._failures)} records were not delivered, first {self._failures[0]}")


def _connect(warehouse: Mapping[str, str]) -> psycopg.Connection[operational.Row]:
    return psycopg.connect(make_conninfo(**warehouse), autocommit=True)


def _lock(connection: psycopg.Connection[operational.Row], topic: str) -> None:
    row = connection.execute(
        "SELECT pg_try_advisory_lock(hashtext('demo.replay'), hashtext(%s))", (topic,)
    ).fetchone()
    if not (row and row[0]):
        raise Retryable(f"another replay into {topic} is running; two at once would mix their records")


@contextmanager
def _retryable() -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:
        raise Retryable(f"the warehouse is away or went away: {error}") from error
    except KafkaException as error:
        raise Retryable(f"Kafka is away or went away: {error}") from error
