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

REPLAY_WINDOW = timedelta(days=7)
BUCKET = timedelta(days=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Derived:
    """A value that nobody wrote. rule: how it is made; inputs: what went into it, by name."""

    value: int | str | timedelta
    rule: str
    inputs: Mapping[str, str]


def partitions(migration: Migration) -> Derived:
    """Return the raw topic's partition count, a power of two."""
    traffic = migration.contract.events.traffic
    needed = traffic.peak_per_second * traffic.yearly_growth / PER_PARTITION_RATE
    return Derived(
        2 ** math.ceil(math.log2(max(needed, PARALLELISM))),
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
    late = migration.contract.parity.accept_late
    kept = max(7 * DAY, late + REPLAY_WINDOW + LONGEST_OUTAGE)
    return Derived(
        _millis(kept),
        "max(7 d, accept_late + replay window + longest outage)",
        {
            "accept_late": _days(late),
            "replay window": _days(REPLAY_WINDOW),
            "longest outage": _days(LONGEST_OUTAGE),
        },
    )


def state_ttl(migration: Migration) -> Derived:
    """Return how long the deduplication remembers an id, in processing time."""
    late, ahead = migration.contract.parity.accept_late, migration.contract.events.ahead_at_most
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
        timedelta(seconds=10),
        "never below 10 s: each checkpoint is a commit on every lake table",
        {"recovery budget": "30 s"},
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


def dlq_topic_config(brokers: int) -> Mapping[str, str]:
    """Return the dead-letter topic's configuration: 30 days from the moment a record was refused."""
    return {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(min_in_sync(brokers).value),
        "retention.ms": str(_millis(30 * DAY)),
    }


def explain(migration: Migration, brokers: int) -> Mapping[str, Derived]:
    """Return every derived value by the name people call it."""
    topic = migration.contract.events.topic
    return {
        f"{topic}: partitions": partitions(migration),
        f"{topic}: replication": replication(brokers),
        f"{topic}: min.insync.replicas": min_in_sync(brokers),
        f"{topic}: retention.ms": raw_retention(migration),
        "dead-letter topic": Derived(names.dlq_topic(topic), "dlq-<data type>", {"topic": topic}),
        "state TTL of the deduplication": state_ttl(migration),
        "checkpoint interval": checkpoint_interval(),
        "parallelism": Derived(PARALLELISM, "start at 2: from 1 the lake's sinks can't be rescaled", {}),
    }


def _millis(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _days(span: timedelta) -> str:
    return f"{span / DAY:g} d"
