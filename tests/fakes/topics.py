"""A Kafka cluster in memory that behaves as the real one; tests/contract/test_topics.py holds both to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

from slipway.domain.gaps import Gap
from slipway.errors import Permanent
from slipway.ports import TopicSpec

DEFAULTS = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "1",
    "retention.ms": "604800000",
    "unclean.leader.election.enable": "false",
}
"""What a broker gives a topic that sets nothing."""


class FakeTopics:
    """Topics by name. ends: next offset by topic and partition, moved by `produce`."""

    def __init__(self, cluster_id: str = "cluster-1", brokers: int = 1) -> None:
        self.id = cluster_id
        self._brokers = brokers
        self._topics: dict[str, TopicSpec] = {}
        self._ends: dict[str, dict[int, int]] = {}
        self._committed: dict[tuple[str, str], dict[int, int]] = {}
        self._ids: dict[str, str] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._empty: dict[tuple[str, int], set[int]] = {}

    def cluster_id(self) -> str:
        return self.id

    def brokers(self) -> int:
        return self._brokers

    def describe(self, name: str) -> TopicSpec | None:
        found = self._topics.get(name)
        return replace(found, defaults=DEFAULTS) if found else None

    def create(self, spec: TopicSpec) -> None:
        if spec.replication > self._brokers:
            raise Permanent(
                f"Kafka did not create {spec.name}: {spec.replication} replicas, {self._brokers} brokers"
            )
        if spec.name not in self._topics:
            self._topics[spec.name] = replace(spec, config=dict(spec.config))
            self._ends[spec.name] = dict.fromkeys(range(spec.partitions), 0)
            self._ids[spec.name] = str(uuid4())

    def configure(self, name: str, config: Mapping[str, str]) -> None:
        seen = self._topics[name]
        self._topics[name] = replace(seen, config={**seen.config, **config})

    def reset(self, name: str, keys: Collection[str]) -> None:
        seen = self._topics[name]
        left = {key: value for key, value in seen.config.items() if key not in keys}
        self._topics[name] = replace(seen, config=left)

    def delete(self, name: str) -> None:
        del self._topics[name]
        for kept in (self._starts, self._empty):
            for place in [place for place in kept if place[0] == name]:
                del kept[place]

    def bounds(self, name: str) -> Mapping[int, tuple[int, int]]:
        if name not in self._topics:
            raise Permanent(f"there is no topic {name}; create it with the migration's provision")
        ends = self._ends[name].items()
        return {partition: (self._starts.get((name, partition), 0), end) for partition, end in ends}

    def identity(self, name: str) -> str | None:
        return self._ids[name] if name in self._topics else None

    def proven_empty(self, name: str, gaps: Sequence[Gap]) -> Sequence[Gap]:
        bounds = self.bounds(name)

        def is_empty(gap: Gap) -> bool:
            first, end = bounds[gap.partition]
            empty = self._empty.get((name, gap.partition), set())
            return first <= gap.first and gap.through < end and empty.issuperset(_span(gap))

        return [gap for gap in gaps if is_empty(gap)]

    def unread(self, name: str, group: str) -> int | None:
        committed = self._committed.get((name, group))
        if committed is None:
            return None
        bounds = self.bounds(name).items()
        return sum(end - max(first, committed.get(partition, 0)) for partition, (first, end) in bounds)

    def commit(self, name: str, group: str, offsets: Mapping[int, int]) -> None:
        self._committed[name, group] = dict(offsets)

    def produce(self, name: str, partition: int, records: int = 1) -> None:
        self._ends[name][partition] += records

    def transact(self, name: str, partition: int, records: int, *, commit: bool) -> None:
        """Append the records of one transaction, and its marker."""
        first = self._ends[name][partition]
        self.produce(name, partition, records + 1)
        gone = {first + records} if commit else set(range(first, first + records + 1))
        self._empty.setdefault((name, partition), set()).update(gone)

    def expire(self, name: str, partition: int, before: int) -> None:
        """Remove what lies below an offset, as retention does."""
        self._starts[name, partition] = before

    def grow(self, name: str, partitions: int) -> None:
        """Add partitions, as an administrator does."""
        self._topics[name] = replace(self._topics[name], partitions=partitions)
        self._ends[name] = {n: self._ends[name].get(n, 0) for n in range(partitions)}


def _span(gap: Gap) -> range:
    return range(gap.first, gap.through + 1)
