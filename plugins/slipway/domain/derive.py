"""What follows from a contract, each value with the rule and the inputs that gave it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from slipway.domain import names
from slipway.domain.contract import Migration

PARALLELISM = 2
"""Where jobs start: with one subtask Iceberg's sink could never be scaled up from its savepoints."""

PER_PARTITION_RATE = 5_000
"""Records a second that one partition is planned for, a quarter of what a job of one subtask did."""

LONGEST_OUTAGE = timedelta(days=3)
"""A long weekend; retention and state outlive it."""

CHECKPOINT_EVERY = timedelta(seconds=10)

RETENTION_PROPERTY = "slipway.retention-days"

REPLAY_WINDOW = timedelta(days=7)
BUCKET = timedelta(days=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Derived:
    """A value that nobody wrote. rule: how it is made; inputs: what went into it, by name."""

    value: int | str | timedelta
    rule: str
    inputs: Mapping[str, str]


def partition_count(peak_per_second: int, yearly_growth: float) -> int:
    """Return how many partitions carry a peak with its growth: a power of two, at least one a subtask."""
    needed = peak_per_second * yearly_growth / PER_PARTITION_RATE
    return int(2 ** math.ceil(math.log2(max(needed, PARALLELISM))))


def partitions(migration: Migration) -> Derived:
    """Return the raw topic's partition count, a power of two."""
    traffic = migration.contract.events.traffic
    return Derived(
        partition_count(traffic.peak_per_second, traffic.yearly_growth),
        "max(peak x growth / rate of one partition, parallelism), rounded up to a power of two",
        {
            "peak": f"{traffic.peak_per_second}/s",
            "growth": str(traffic.yearly_growth),
            "rate of one partition": f"{PER_PARTITION_RATE}/s",
            "parallelism": str(PARALLELISM),
        },
    )


def replication(brokers: int) -> Derived:
    """Return the replication factor for a cluster of that many brokers."""
    return Derived(min(brokers, 3), "min(brokers, 3)", {"brokers": str(brokers)})


def min_in_sync(brokers: int) -> Derived:
    """Return min.insync.replicas for a cluster of that many brokers."""
    return Derived(
        max(min(brokers, 3) - 1, 1), "replication - 1, at least 1", {"replication": str(min(brokers, 3))}
    )


def raw_retention(migration: Migration) -> Derived:
    """Return retention.ms of the raw topic; -1 keeps everything."""
    if migration.contract.events.arrival == "producer":
        return Derived(
            -1,
            "kept for ever: the broker's retention looks at the records' own instants, which are in the past",
            {"arrival": "producer"},
        )
    given = migration.contract.retention.raw
    if given is not None:
        return Derived(_millis(given), "as the contract says", {"retention.raw": _days(given)})
    late = migration.contract.parity.accept_late
    return Derived(
        _millis(raw_needed(migration)),
        "max(7 d, accept_late + replay window + longest outage)",
        {
            "accept_late": _days(late),
            "replay window": _days(REPLAY_WINDOW),
            "longest outage": _days(LONGEST_OUTAGE),
        },
    )


def raw_needed(migration: Migration) -> timedelta:
    """Return how long the raw topic must keep a record so that a job can still be replayed from it."""
    return max(7 * DAY, migration.contract.parity.accept_late + REPLAY_WINDOW + LONGEST_OUTAGE)


def layer_retention(migration: Migration) -> Mapping[str, Derived]:
    """Return how long the lake and the warehouse keep their rows, by layer."""
    kept = migration.contract.retention
    layers = {"bronze": kept.bronze, "silver": kept.silver, "gold": kept.gold}
    return {
        layer: Derived(
            span,
            "as the contract says; without it bronze 90 d, silver 2 y, gold 7 y",
            _retention(migration, layer, span),
        )
        for layer, span in layers.items()
    }


def table_properties(migration: Migration, layer: str) -> Mapping[str, str]:
    """Return the properties that tell everybody how long a lake table's rows are kept."""
    span = layer_retention(migration)[layer].value
    # Whole days, rounded up: an hour as 0 days would let everything go.
    return {RETENTION_PROPERTY: str(max(-(-span // DAY), 1) if isinstance(span, timedelta) else span)}


def state_ttl(migration: Migration) -> Derived:
    """Return how long the deduplication remembers an id, in processing time; zero is for ever."""
    late, ahead = migration.contract.parity.accept_late, migration.contract.events.ahead_at_most
    if migration.contract.events.keep == "latest":
        return Derived(
            timedelta(0),
            "for ever: a later version is judged by the earliest period among all versions of its id",
            {"keep": "latest"},
        )
    return Derived(
        ahead + BUCKET + late + LONGEST_OUTAGE + DAY,
        "ahead_at_most + bucket + accept_late + longest outage + 1 d: after that a duplicate is late",
        {
            "ahead_at_most": _days(ahead),
            "bucket": _days(BUCKET),
            "accept_late": _days(late),
            "longest outage": _days(LONGEST_OUTAGE),
        },
    )


def checkpoint_interval() -> Derived:
    """Return the time between checkpoints."""
    return Derived(
        CHECKPOINT_EVERY,
        "never below 10 s: each checkpoint is a commit on every lake table",
        {"commits": f"{DAY // CHECKPOINT_EVERY:,} a day on each lake table"},
    )


def raw_topic_config(migration: Migration, brokers: int) -> Mapping[str, str]:
    """Return the raw topic's configuration."""
    by_producer = migration.contract.events.arrival == "producer"
    return {
        "cleanup.policy": "delete",
        "message.timestamp.type": "CreateTime" if by_producer else "LogAppendTime",
        "min.insync.replicas": str(min_in_sync(brokers).value),
        "retention.ms": str(raw_retention(migration).value),
    }


LARGEST_DEAD_LETTER = 16 * 1024 * 1024
"""Bytes: a refused record as large as a broker takes it, and its headers on top."""


def dlq_topic_config(migration: Migration, brokers: int) -> Mapping[str, str]:
    """Return the dead-letter topic's configuration; it is kept from the moment a record was refused."""
    return {
        "cleanup.policy": "delete",
        "max.message.bytes": str(LARGEST_DEAD_LETTER),
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(min_in_sync(brokers).value),
        "retention.ms": str(_millis(migration.contract.retention.dlq)),
    }


def explain(migration: Migration, brokers: int) -> Mapping[str, Derived]:
    """Return every derived value by the name people call it."""
    topic = migration.contract.events.topic
    dlq = names.dlq_topic(topic)
    return {
        f"{topic}: partitions": partitions(migration),
        f"{topic}: replication": replication(brokers),
        f"{topic}: min.insync.replicas": min_in_sync(brokers),
        f"{topic}: retention.ms": raw_retention(migration),
        f"{topic}: message.timestamp.type": Derived(
            raw_topic_config(migration, brokers)["message.timestamp.type"],
            "LogAppendTime for arrival: broker, CreateTime for arrival: producer",
            {"arrival": migration.contract.events.arrival},
        ),
        "dead-letter topic": Derived(dlq, "dlq-<data type>", {"topic": topic}),
        f"{dlq}: partitions": Derived(
            partitions(migration).value, "as many as the raw topic", {"topic": topic}
        ),
        f"{dlq}: retention": Derived(
            migration.contract.retention.dlq,
            "as the contract says; without it 30 d",
            _retention(migration, "dlq", migration.contract.retention.dlq),
        ),
        **{f"{layer}: retention": found for layer, found in layer_retention(migration).items()},
        "state TTL of the deduplication": state_ttl(migration),
        "checkpoint interval": checkpoint_interval(),
        "checkpoint time-out": Derived(
            timedelta(minutes=10), "the engine's own; a checkpoint that takes longer is begun anew", {}
        ),
        "parallelism": Derived(PARALLELISM, "start at 2: from 1 the lake's sinks can't be rescaled", {}),
        "fold of silver for the comparison": _fold(migration),
    }


def _fold(migration: Migration) -> Derived:
    engine = migration.contract.reconcile.engine
    value = {
        "duckdb": "on the machine that runs the night",
        "flink": "a batch job on half of the stream engine's free slots",
    }[engine]
    return Derived(value, "as reconcile.engine says; the evidence is the same", {"engine": engine})


def _retention(migration: Migration, layer: str, span: timedelta) -> Mapping[str, str]:
    written = layer in migration.contract.retention.model_fields_set
    return {f"retention.{layer}": _days(span) if written else "not given"}


def _millis(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _days(span: timedelta) -> str:
    return f"{span / DAY:g} d"
