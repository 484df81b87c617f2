"""Records are dealt out as Kafka's own clients would deal them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.records import Record, by_partition, murmur2, partition_of

# The vectors of Kafka's own test of its hash.
KNOWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "hash_"), KNOWN.items())
def test_the_hash_is_kafkas(key: bytes, hash_: int) -> None:
    assert murmur2(key) == hash_ % 2**32


@given(st.binary(max_size=40), st.integers(min_value=1, max_value=50))
def test_every_key_has_a_partition_and_keeps_it(key: bytes, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(bytes(key), partitions)


def test_dealing_out_keeps_every_record_and_its_order() -> None:
    start = datetime(2013, 2, 25, tzinfo=UTC)
    records = [Record(f"k{i % 7}".encode(), b"", start + timedelta(seconds=i)) for i in range(100)]

    dealt = by_partition(records, 3)

    assert sorted((r for part in dealt for r in part), key=lambda r: r.arrival) == records
    assert all(list(part) == sorted(part, key=lambda r: r.arrival) for part in dealt)


def test_a_timestamp_is_milliseconds_since_1970() -> None:
    assert Record(b"", b"", datetime(2013, 2, 27, 22, 0, 0, 5000, tzinfo=UTC)).timestamp == 1362002400005
