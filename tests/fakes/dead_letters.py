"""Dead letters in memory; tests/contract/test_dead_letters.py holds them and the real ones to the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from slipway.errors import Permanent, Retryable
from slipway.ports import DeadLetter, Resent
from tests.fakes.topics import FakeTopics

PRESENT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


class FakeDeadLetters:
    """Records by topic. lost: how many records of the next call Kafka never confirms (it has the others)."""

    def __init__(self, topics: FakeTopics) -> None:
        self._topics = topics
        self.records: dict[str, list[DeadLetter]] = {}
        self.lost = 0

    def put(
        self,
        topic: str,
        value: bytes | None,
        headers: Mapping[str, bytes],
        key: bytes | None = b"k",
        at: datetime = PRESENT,
    ) -> DeadLetter:
        partition = 0
        offset = self._topics.bounds(topic)[partition][1]
        self._topics.produce(topic, partition)
        found = DeadLetter(partition, offset, at, key, value, dict(headers))
        self.records.setdefault(topic, []).append(found)
        return found

    def read(self, topic: str) -> Iterator[DeadLetter]:
        self._topics.bounds(topic)
        return iter(list(self.records.get(topic, ())))

    def get(self, topic: str, partition: int, offset: int) -> DeadLetter | None:
        place = (partition, offset)
        return next((one for one in self.read(topic) if (one.partition, one.offset) == place), None)

    def send(self, topic: str, records: Sequence[Resent]) -> None:
        if self._topics.describe(topic) is None:
            raise Permanent(f"there is no topic {topic}")
        lost, self.lost = self.lost, 0
        for record in records[: len(records) - lost]:
            self.put(topic, record.value, record.headers, record.key, record.at or PRESENT)
        if lost:
            raise Retryable(f"{lost} of {len(records)} records for {topic} were not confirmed")

    def marks(self, topic: str, since: Mapping[int, int], header: str) -> Collection[str]:
        return {
            one.headers[header].decode()
            for one in self.read(topic)
            if header in one.headers and one.offset >= since.get(one.partition, 0)
        }

    def newest_arrival(self, topic: str) -> datetime | None:
        return max((one.at for one in self.read(topic)), default=None)
