"""Whether a topic's keys fill its partitions evenly, and the ways out when they do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_M = 0x5BD1E995
_SEED = 0x9747B28C
_WORD = 0xFFFFFFFF

EVEN = 1.25
"""Imbalance up to which nothing need be done: the fullest partition over the mean."""


def murmur2(data: bytes) -> int:
    """Return Austin Appleby's MurmurHash2 (32 bit) with the seed that Kafka's clients use, unsigned."""
    hashed = (_SEED ^ len(data)) & _WORD
    whole = len(data) // 4 * 4
    for place in range(0, whole, 4):
        word = int.from_bytes(data[place : place + 4], "little") * _M & _WORD
        word = (word ^ (word >> 24)) * _M & _WORD
        hashed = (hashed * _M & _WORD) ^ word
    if len(data) > whole:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _M & _WORD
    hashed = (hashed ^ (hashed >> 13)) * _M & _WORD
    return hashed ^ (hashed >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's Java clients, and librdkafka's `murmur2_random`, give a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


@dataclass(frozen=True, slots=True)
class KeySample:
    """Records by key. source: where they are from; keyless: records without a key, which go anywhere.

    records: how many the source has of each key, an estimate where only its beginning was looked at. read:
    how many were looked at; None: all. ids: how many different ids there are among the `identified` records
    whose id was read; strays: those that were seen under several keys; None for all three when ids were not
    looked at. foreign: the contract does not describe the source: nobody said whether its keys may be shown.
    """

    source: str
    records: Mapping[bytes, float]
    keyless: int = 0
    strays: int | None = None
    ids: int | None = None
    identified: int | None = None
    read: int | None = None
    foreign: bool = False

    @property
    def new_ids(self) -> float | None:
        """Share of the records that bring a new id, 0 to 1; None when ids were not looked at."""
        return self.ids / self.identified if self.ids is not None and self.identified else None

    @property
    def new_keys(self) -> float:
        """Share of the records that bring a new key, 0 to 1."""
        total = sum(self.records.values()) + self.keyless if self.read is None else self.read
        return len(self.records) / total if total else 1.0


@dataclass(frozen=True, slots=True)
class WayOut:
    """Something that evens partitions, and what it costs."""

    name: str
    helps: str
    costs: str


@dataclass(frozen=True, slots=True)
class Skew:
    """How a sample of keys falls on partitions.

    largest_share: records of the most frequent key over all, 0 to 1. imbalance: fullest partition over the
    mean, 1 is even. by_partition: share of each partition. read: records that were looked at.
    """

    source: str
    records: int
    read: int
    keys: int
    keyless: int
    strays: int | None
    partitions: int
    largest_key: str
    largest_share: float
    imbalance: float
    by_partition: tuple[float, ...]
    ways_out: tuple[WayOut, ...]

    @property
    def even(self) -> bool:
        """True when nothing need be done."""
        return self.imbalance <= EVEN


def skew(
    sample: KeySample,
    partitions: int,
    key_fields: tuple[str, ...],
    *,
    masked: bool = False,
    by_id: bool = False,
) -> Skew:
    """Measure a sample on that many partitions.

    masked: the key holds what nobody may read. by_id: the key is the event's id.
    """
    filled = [0.0] * partitions
    for key, count in sample.records.items():
        filled[partition_of(key, partitions)] += count
    total = sum(filled)
    largest, most = max(sample.records.items(), key=lambda item: item[1], default=(b"", 0.0))
    share = most / total if total else 0.0
    imbalance = max(filled) * partitions / total if total else 1.0
    return Skew(
        source=sample.source,
        records=round(total) + sample.keyless,
        read=round(total) + sample.keyless if sample.read is None else sample.read,
        keys=len(sample.records),
        keyless=sample.keyless,
        strays=sample.strays,
        partitions=partitions,
        largest_key="(masked)" if masked else largest.decode("utf-8", "backslashreplace"),
        largest_share=share,
        imbalance=imbalance,
        by_partition=tuple(count / total if total else 0.0 for count in filled),
        ways_out=() if imbalance <= EVEN else _ways_out(share, partitions, key_fields, by_id),
    )


def _ways_out(share: float, partitions: int, key_fields: tuple[str, ...], by_id: bool) -> tuple[WayOut, ...]:
    fields = ", ".join(key_fields)
    most = int(1 / share + 1e-9)  # a third of the records is 3 partitions, whatever rounding says
    heavy = share * partitions > 1
    more = WayOut(
        "more partitions",
        f"not at all: one key alone fills more than a partition once there are more than {most}"
        if heavy
        else f"keys that fell together part, up to about {most} partitions",
        "a new topic that the old one is drained into, for keys move to other partitions",
    )
    if by_id:
        versions = WayOut(
            "fewer versions",
            f"all records of one {fields} must share a partition, so no finer key can part them: fewer "
            "records of the heavy ones",
            "the producer leaves out what changes nothing",
        )
        return versions, more
    return (
        WayOut(
            "composite key",
            f"a second field in events.key splits what {fields} holds together",
            f"order holds within the finer key only, no longer for all records of one {fields}; all records "
            "of one id must still share a key",
        ),
        more,
        WayOut(
            "salting",
            "the key and a number made of the id (its hash modulo a few), so that a heavy key has several "
            "partitions and an id still has one",
            f"records of one {fields} are in no order any more; only those of one id are",
        ),
    )
