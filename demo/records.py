"""What goes to Kafka: records in the order of their arrival, and the partition each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record. arrival: its timestamp, UTC, whole milliseconds."""

    key: bytes
    value: bytes
    arrival: datetime

    @property
    def timestamp(self) -> int:
        """Arrival as Kafka writes it: milliseconds since 1970."""
        return (self.arrival - _EPOCH) // timedelta(milliseconds=1)


def by_partition(records: Sequence[Record], partitions: int) -> tuple[tuple[Record, ...], ...]:
    """Deal records out by key, keeping their order: the i-th of a partition gets offset i."""
    dealt: list[list[Record]] = [[] for _ in range(partitions)]
    for record in records:
        dealt[partition_of(record.key, partitions)].append(record)
    return tuple(tuple(part) for part in dealt)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's own default partitioner (Java's) chooses for a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Return the 32-bit MurmurHash2 of Austin Appleby with the seed that Kafka uses."""
    m, seed = 0x5BD1E995, 0x9747B28C
    value = (seed ^ len(data)) & _MASK
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = (int.from_bytes(data[at : at + 4], "little") * m) & _MASK
        k ^= k >> 24
        value = ((value * m) & _MASK) ^ ((k * m) & _MASK)
    if len(data) > whole:
        value ^= int.from_bytes(data[whole:], "little")
        value = (value * m) & _MASK
    value ^= value >> 13
    value = (value * m) & _MASK
    return value ^ (value >> 15)
