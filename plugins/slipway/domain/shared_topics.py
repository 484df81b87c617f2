"""Contracts that name one topic must want the same of it, or each plan would undo what the other one did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from slipway.domain import derive, names
from slipway.domain.contract import Migration

_ANY_CLUSTER = 3
"""Brokers; what the configurations take from the cluster is the same for all contracts."""


def disagreements(migrations: Iterable[Migration]) -> list[str]:
    """Return a line for each two contracts that want one topic in two ways."""
    wanted = [(one.name, dict(_topics(one))) for one in migrations]
    return [
        line
        for (first, theirs), (second, ours) in combinations(wanted, 2)
        for topic in sorted(theirs.keys() & ours.keys())
        if (line := _told(topic, (first, theirs[topic]), (second, ours[topic])))
    ]


def _topics(migration: Migration) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each topic of a migration with what must be alike, by the name that the contract knows it by."""
    events = migration.contract.events
    partitions = {"partitions (events.traffic)": str(derive.partitions(migration).value)}
    raw = derive.raw_topic_config(migration, _ANY_CLUSTER)
    alike = {"events.key": ", ".join(events.key), "events.format": events.format}
    yield events.topic, {**partitions, **alike, "events.arrival": events.arrival, **raw}
    yield (
        names.dlq_topic(events.topic),
        {**partitions, **derive.dlq_topic_config(migration, _ANY_CLUSTER)},
    )


def _told(topic: str, first: tuple[str, Mapping[str, str]], second: tuple[str, Mapping[str, str]]) -> str:
    (one, theirs), (other, ours) = first, second
    differing = [
        f"{key} is {theirs[key]} by {one}, {ours[key]} by {other}"
        for key in theirs
        if theirs[key] != ours[key]
    ]
    if not differing:
        return ""
    return (
        f"{one} and {other} share the topic {topic}, but want it in two ways: {'; '.join(differing)}; "
        "make both contracts say the same, or give one of them a topic of another data type"
    )
