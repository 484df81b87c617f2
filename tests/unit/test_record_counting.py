"""The account of records and gaps, held against the same account made step by step in plain Python."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.adapters.comparison.record_counting import RecordCounting
from slipway.adapters.comparison.templates import Templates
from slipway.domain.accounting import Counted
from slipway.domain.gaps import Gap
from slipway.ports import LakeFiles
from tests.fakes.two_sides import _EVENT, _PLACE, TEMPLATES, migration

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)
FATES = ("silver", "late", "rejected", "duplicate", "lost", "absent", "silver and late")


@dataclass(frozen=True)
class Sent:
    """One offset of the topic. fate: where its record stands."""

    partition: int
    offset: int
    identity: str
    version: int
    fate: str

    @property
    def place(self) -> dict[str, Any]:
        at = NOON + timedelta(seconds=self.offset)
        return {"kafka_partition": self.partition, "kafka_offset": self.offset, "arrived_at": at}


records = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(1, 70),
        st.sampled_from("abc"),
        st.integers(1, 2),
        st.sampled_from(FATES),
    ),
    max_size=25,
)


def placed(drawn: Sequence[tuple[int, int, str, int, str]]) -> list[Sent]:
    """Give offsets; between two records of a partition may lie many that nobody has."""
    ends = {0: 0, 1: 0}
    found = []
    for partition, step, identity, version, fate in drawn:
        ends[partition] += step if step > 60 else 1
        found.append(Sent(partition, ends[partition] - 1, identity, version, fate))
    return found


def in_sql(
    sent: Sequence[Sent], keep: str, offsets: Mapping[int, int], earliest: Mapping[int, int]
) -> tuple[Counted, list[Gap]]:
    at = {fate: [one for one in sent if fate in one.fate.split(" and ")] for fate in FATES}
    kinds = {"event_id": pa.string(), "event_version": pa.int32(), "reason": pa.string()}
    with tempfile.TemporaryDirectory() as folder:

        def write(name: str, rows: list[dict[str, Any]], types: dict[str, pa.DataType]) -> Sequence[str]:
            path = Path(folder) / f"{name}.parquet"
            pq.write_table(pa.Table.from_pylist(rows, pa.schema(list(types.items()))), path)
            return (str(path),) if rows else ()

        event = {**_EVENT, **_PLACE, "business_day": pa.date32()}
        silver, late = (
            write(
                layer,
                [one.place | {"trip_id": one.identity, "version": one.version} for one in at[layer]],
                event,
            )
            for layer in ("silver", "late")
        )
        bronze = [
            one.place
            | {"event_id": one.identity, "event_version": one.version}
            | {"reason": "not json" if one.fate == "rejected" else None, "headers": []}
            for one in sent
            if one.fate != "absent"
        ]
        headers = {"headers": pa.map_(pa.string(), pa.binary())}
        rejected = {**_PLACE, "event_id": pa.string(), "key": pa.string(), "reason": pa.string()}
        files = LakeFiles(
            write("bronze", bronze, {**_PLACE, **kinds, **headers}),
            silver,
            (),
            late,
            write("rejected", [one.place for one in at["rejected"]], rejected),
        )
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            counting = RecordCounting(
                connection, Templates(TEMPLATES), migration(keep=keep), files, offsets, earliest
            )
            return counting.counted(), list(counting.held({}).gaps)


def in_python(sent: Sequence[Sent], keep: str, offsets: Mapping[int, int]) -> tuple[int, ...]:
    """Count as the definition says: with every identity that was ever taken."""

    def identity(one: Sent) -> tuple[Any, ...]:
        return one.partition, one.identity, *((one.version,) if keep == "latest" else ())

    below = [one for one in sent if one.offset < offsets[one.partition]]
    silver = [one for one in below if "silver" in one.fate]
    late = [one for one in below if "late" in one.fate]
    rejected = [one for one in below if one.fate == "rejected"]
    taken: dict[tuple[Any, ...], int] = {}
    for one in [*silver, *late]:
        taken[identity(one)] = min(one.offset, taken.get(identity(one), one.offset))
    loose = [one for one in below if one.fate in ("duplicate", "lost")]
    again = [one for one in [*loose, *late] if taken.get(identity(one), one.offset) < one.offset]
    duplicates = len(again)
    return (
        len([one for one in below if one.fate != "absent"]),
        len(silver),
        len([one for one in late if one not in again]),
        len(rejected),
        duplicates,
        len([one for one in loose if one not in again]),
    )


@settings(max_examples=120, deadline=None)
@given(records, st.sampled_from(["first", "latest"]), st.integers(0, 40), st.integers(0, 30))
def test_the_account_is_that_of_every_identity_ever_taken(
    drawn: list[tuple[int, int, str, int, str]], keep: str, cut: int, earliest: int
) -> None:
    sent = placed(drawn)
    ends = {p: max([one.offset + 1 for one in sent if one.partition == p], default=0) for p in (0, 1)}
    offsets = {0: max(0, ends[0] - cut), 1: ends[1] + cut}
    firsts = {0: min(earliest, offsets[0]), 1: 0}

    found, gaps = in_sql(sent, keep, offsets, firsts)

    held = {(one.partition, one.offset) for one in sent if one.fate != "absent"}
    lacking = [
        (partition, offset)
        for partition, end in offsets.items()
        for offset in range(
            min([firsts[partition], *(o for p, o in held if p == partition and o < end)]), end
        )
        if (partition, offset) not in held
    ]
    b = found.balance
    assert (b.bronze, b.silver, b.late, b.rejected, b.duplicates, found.unaccounted) == in_python(
        sent, keep, offsets
    )
    assert b.produced == b.bronze + len(lacking)
    assert found.absent == {
        p: n for p in offsets if (n := len([1 for partition, _ in lacking if partition == p]))
    }
    assert [(gap.partition, n) for gap in gaps for n in range(gap.first, gap.through + 1)] == lacking
    assert all(
        after.partition > before.partition or after.first > before.through + 1
        for before, after in pairwise(gaps)
    )


def held(
    offsets: Sequence[int], end: int, below: int | None = None, earliest: int = 0, most: int = 99
) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bronze.parquet")
        rows = [
            {"kafka_partition": 0, "kafka_offset": offset, "arrived_at": NOON, "event_id": "x"}
            for offset in offsets
        ]
        kinds = {"event_id": pa.string(), "reason": pa.string(), "headers": pa.map_(pa.string(), pa.binary())}
        pq.write_table(pa.Table.from_pylist(rows, pa.schema([*_PLACE.items(), *kinds.items()])), path)
        files = LakeFiles((path,) if rows else (), (), (), (), ())
        with duckdb.connect() as connection:
            counting = RecordCounting(
                connection, Templates(TEMPLATES), migration(), files, {0: end}, {0: earliest}
            )
            return counting.held({} if below is None else {0: below}, most)


@pytest.mark.parametrize("below", [0, 1, 63, 64, 65, 127, 128, 190, 200])
def test_gaps_below_the_settled_offset_are_counted_and_not_listed(below: int) -> None:
    offsets = [n for n in range(190) if n % 7 and n // 64 != 1]

    found = held(offsets, 200, below)

    lacking = sorted(set(range(200)) - set(offsets))
    assert found.lacking == {0: len(lacking)}
    assert found.settled == {0: len([n for n in lacking if n < below])}
    listed = [n for gap in found.gaps for n in range(gap.first, gap.through + 1)]
    assert listed == [n for n in lacking if n >= below]


def test_a_record_that_stands_twice_hides_no_other_that_is_absent() -> None:
    assert held([0, 1, 1, 3], 4).gaps == [Gap(0, 2, 2)]


def test_more_gaps_than_a_look_lists_are_told() -> None:
    found = held([1, 3, 5], 7, most=2)

    assert (found.gaps, found.more) == ([Gap(0, 0, 0), Gap(0, 2, 2)], True)
    assert not held([1, 3, 5], 7, most=4).more


def test_the_newest_offset_is_told_though_it_lies_above_the_cut() -> None:
    assert held([0, 1, 2], 2).newest == {0: 2}
    assert held([], 2).newest == {}
    assert held([], 3, earliest=1).gaps == [Gap(0, 1, 2)]
