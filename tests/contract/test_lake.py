"""What every lake must do, run against the fake and against Iceberg with a catalog in a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from sqlalchemy import URL

from slipway.adapters.lake.catalog import IcebergLake
from slipway.errors import Permanent
from slipway.ports import Lake, LakeTable, TableDrift
from tests.fakes.lake import FakeLake, arrow_schema

MONDAY, TUESDAY, WEDNESDAY = date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)
FAR_PAST = datetime(2000, 1, 1, tzinfo=UTC)
TABLE = LakeTable(
    "silver",
    "orders__r1",
    (
        ("event_id", "string", "identity"),
        ("amount", "decimal(9,2)", ""),
        ("raw", "binary", ""),
        ("at", "timestamptz", ""),
        ("headers", "map<string,binary>", ""),
        ("business_day", "date", ""),
        ("kafka_offset", "long", ""),
    ),
    ("business_day",),
)
Append = Callable[..., int]


def rows(day: date, *offsets: int) -> list[Mapping[str, Any]]:
    return [
        {
            "event_id": f"e{offset}" if offset % 3 else None,
            "amount": None,
            "raw": bytes([0, offset, 255]),
            "at": datetime(2024, 1, 5, 12, 0, 0, offset, tzinfo=UTC),
            "headers": [("schema", b"\x00\x01")],
            "business_day": day,
            "kafka_offset": offset,
        }
        for offset in offsets
    ]


def append_to_iceberg(lake: IcebergLake, table: str, new: Sequence[Mapping[str, Any]], **flink: Any) -> int:
    loaded = lake._catalog.load_table(table)
    properties = {
        "flink.job-id": str(flink.get("job", "job")),
        "flink.operator-id": "operator",
        "flink.max-committed-checkpoint-id": str(flink.get("checkpoint", 0)),
    }
    arrow = pa.Table.from_pylist([dict(row) for row in new], schema=arrow_schema(TABLE))
    loaded.append(arrow, snapshot_properties=properties)
    snapshot = lake.snapshot(table)
    assert snapshot is not None
    return snapshot


@pytest.fixture(params=["fake", "iceberg"])
def lake_and_append(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Lake, Append]:
    if request.param == "fake":
        fake = FakeLake(tmp_path)
        return fake, fake.append
    catalog = URL.create("sqlite", database=str(tmp_path / "catalog.db"))
    iceberg = IcebergLake(catalog, f"file://{tmp_path}/warehouse")
    return iceberg, lambda table, new, **flink: append_to_iceberg(iceberg, table, new, **flink)


@pytest.fixture
def lake(lake_and_append: tuple[Lake, Append]) -> Lake:
    lake_and_append[0].ensure(TABLE)
    return lake_and_append[0]


@pytest.fixture
def append(lake_and_append: tuple[Lake, Append]) -> Append:
    return lake_and_append[1]


def offsets_in(lake: Lake, snapshot: int, days: Sequence[date] | None = None) -> list[int]:
    files = list(lake.data_files(TABLE.full_name, snapshot, days))
    if not files:
        return []
    query = "SELECT kafka_offset FROM read_parquet($1, hive_partitioning = false) ORDER BY 1"
    return [row[0] for row in duckdb.execute(query, [files]).fetchall()]


def test_a_table_is_created_once(lake: Lake) -> None:
    assert lake.exists(TABLE.full_name)
    assert not lake.exists("silver.payments__r1")
    assert lake.ensure(TABLE) is False
    assert lake.ensure(replace(TABLE, name="payments__r1")) is True


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ((*TABLE.columns, ("carrier", "string", "")), "carrier"),
        (TABLE.columns[1:], "event_id"),
        ((TABLE.columns[0], ("amount", "decimal(9,3)", ""), *TABLE.columns[2:]), "amount"),
    ],
)
def test_another_schema_is_refused_and_the_column_named(
    lake: Lake, columns: tuple[tuple[str, str, str], ...], named: str
) -> None:
    with pytest.raises(Permanent, match=named):
        lake.ensure(replace(TABLE, columns=columns))


def test_another_partitioning_is_refused(lake: Lake) -> None:
    with pytest.raises(Permanent, match="another schema"):
        lake.ensure(replace(TABLE, partitioned_by=()))


def test_what_differs_is_told_and_properties_alone_can_be_set(lake: Lake) -> None:
    wanted = replace(TABLE, properties={"slipway.retention-days": "90"})
    assert lake.drift(replace(wanted, name="absent")) is None
    assert lake.drift(wanted) == TableDrift((), {"slipway.retention-days": (None, "90")})

    lake.set_properties(TABLE.full_name, {"slipway.retention-days": "90"})

    assert lake.drift(wanted) == TableDrift()
    other = replace(wanted, columns=(("event_id", "long", ""), *TABLE.columns[1:]))
    drift = lake.drift(other)
    assert drift is not None and drift.columns == ("column event_id is string, wanted long",)


def test_a_table_that_is_absent_is_named(lake: Lake) -> None:
    with pytest.raises(Permanent, match=r"silver\.payments__r1"):
        lake.snapshot("silver.payments__r1")


def test_a_snapshot_pins_what_is_read(lake: Lake, append: Append) -> None:
    assert lake.snapshot(TABLE.full_name) is None

    first = append(TABLE.full_name, rows(MONDAY, 1, 2))
    append(TABLE.full_name, rows(MONDAY, 3))

    assert lake.snapshot(TABLE.full_name) != first
    assert offsets_in(lake, first) == [1, 2]
    assert lake.row_count(TABLE.full_name, first) == 2


def test_only_files_of_the_wanted_days_are_read(lake: Lake, append: Append) -> None:
    snapshot = append(TABLE.full_name, rows(MONDAY, 1) + rows(TUESDAY, 2) + rows(WEDNESDAY, 3))

    assert offsets_in(lake, snapshot, [MONDAY, WEDNESDAY]) == [1, 3]
    assert offsets_in(lake, snapshot, [date(2023, 1, 1)]) == []
    assert offsets_in(lake, snapshot, []) == []


def test_maintenance_leaves_the_same_rows_in_fewer_files_and_open_days_alone(
    lake: Lake, append: Append
) -> None:
    for offset in range(0, 9, 3):
        append(
            TABLE.full_name, rows(MONDAY, offset) + rows(TUESDAY, offset + 1) + rows(WEDNESDAY, offset + 2)
        )

    done = lake.maintain(TABLE.full_name, WEDNESDAY, FAR_PAST, FAR_PAST)

    snapshot = lake.snapshot(TABLE.full_name)
    assert snapshot is not None
    assert offsets_in(lake, snapshot) == list(range(9))
    assert (done.files_before, done.files_after) == (6, 2)
    assert (done.rows_before, done.rows_after) == (6, 6)
    assert done.content_hash_before == done.content_hash_after != "0" * 32
    assert len(lake.data_files(TABLE.full_name, snapshot, [WEDNESDAY])) == 3


def test_maintenance_of_a_maintained_table_changes_nothing(lake: Lake, append: Append) -> None:
    append(TABLE.full_name, rows(MONDAY, 1))
    append(TABLE.full_name, rows(MONDAY, 2))
    lake.maintain(TABLE.full_name, TUESDAY, FAR_PAST, FAR_PAST)
    before = lake.snapshot(TABLE.full_name)

    done = lake.maintain(TABLE.full_name, TUESDAY, FAR_PAST, FAR_PAST)

    assert lake.snapshot(TABLE.full_name) == before
    assert (done.files_before, done.files_after, done.snapshots_expired) == (1, 1, 0)


def test_maintenance_of_an_empty_table_changes_nothing(lake: Lake) -> None:
    done = lake.maintain(TABLE.full_name, TUESDAY, FAR_PAST, FAR_PAST)

    assert (done.rows_before, done.files_after) == (0, 0)


def test_a_tagged_snapshot_outlives_expiry_and_an_untagged_one_does_not(lake: Lake, append: Append) -> None:
    first = append(TABLE.full_name, rows(MONDAY, 1))
    second = append(TABLE.full_name, rows(MONDAY, 2))
    append(TABLE.full_name, rows(MONDAY, 3))
    lake.tag(TABLE.full_name, first, "evidence-1")
    lake.tag(TABLE.full_name, first, "evidence-1")

    done = lake.maintain(TABLE.full_name, TUESDAY, datetime.now(UTC) + timedelta(minutes=1), FAR_PAST)

    assert done.snapshots_expired == 2
    assert offsets_in(lake, first) == [1]
    with pytest.raises(Permanent, match="expired untagged"):
        lake.data_files(TABLE.full_name, second)


def test_a_snapshot_whose_tag_was_removed_expires(lake: Lake, append: Append) -> None:
    first, second = (append(TABLE.full_name, rows(MONDAY, n)) for n in (1, 2))
    append(TABLE.full_name, rows(MONDAY, 3))
    lake.tag(TABLE.full_name, first, "evidence-1")
    lake.tag(TABLE.full_name, second, "evidence-2")
    assert lake.tags(TABLE.full_name) == {"evidence-1": first, "evidence-2": second}

    lake.untag(TABLE.full_name, ["evidence-1", "evidence-3"])
    lake.untag(TABLE.full_name, [])
    lake.maintain(TABLE.full_name, TUESDAY, datetime.now(UTC) + timedelta(minutes=1), FAR_PAST)

    assert lake.tags(TABLE.full_name) == {"evidence-2": second}
    assert offsets_in(lake, second) == [1, 2]
    with pytest.raises(Permanent, match="expired untagged"):
        lake.data_files(TABLE.full_name, first)


def test_a_tag_never_moves(lake: Lake, append: Append) -> None:
    lake.tag(TABLE.full_name, append(TABLE.full_name, rows(MONDAY, 1)), "evidence-1")
    newer = append(TABLE.full_name, rows(MONDAY, 2))

    with pytest.raises(Permanent, match="evidence-1"):
        lake.tag(TABLE.full_name, newer, "evidence-1")


def test_files_that_no_snapshot_reaches_are_removed_once_they_are_old_enough(
    lake: Lake, append: Append, tmp_path: Path
) -> None:
    append(TABLE.full_name, rows(MONDAY, 1))
    append(TABLE.full_name, rows(MONDAY, 2))
    soon = datetime.now(UTC) + timedelta(days=3)
    [some_file, *_] = lake.data_files(TABLE.full_name, lake.snapshot(TABLE.full_name) or 0)
    stray = Path(some_file).with_name("999999.parquet")
    stray.write_bytes(Path(some_file).read_bytes())

    kept = lake.maintain(TABLE.full_name, MONDAY, FAR_PAST, FAR_PAST)
    assert kept.orphans_removed == 0
    assert stray.exists()

    _age(tmp_path, days=2)
    removed = lake.maintain(TABLE.full_name, MONDAY, FAR_PAST, soon)

    assert removed.orphans_removed == 1
    assert not stray.exists()
    assert offsets_in(lake, lake.snapshot(TABLE.full_name) or 0) == [1, 2]


def test_rolling_back_takes_away_what_was_committed_after_the_checkpoint(lake: Lake, append: Append) -> None:
    append(TABLE.full_name, rows(MONDAY, 1), job="a", checkpoint=1)
    second = append(TABLE.full_name, rows(MONDAY, 2), job="b", checkpoint=2)
    append(TABLE.full_name, rows(MONDAY, 3), job="b", checkpoint=4)

    assert lake.rollback_to_checkpoint(TABLE.full_name, {"a", "b"}, 3) == second
    assert lake.snapshot(TABLE.full_name) == second
    assert offsets_in(lake, second) == [1, 2]
    assert lake.rollback_to_checkpoint(TABLE.full_name, {"a", "b"}, 3) == second


def test_rolling_back_before_the_first_commit_empties_the_table(lake: Lake, append: Append) -> None:
    append(TABLE.full_name, rows(MONDAY, 1), job="a", checkpoint=5)

    assert lake.rollback_to_checkpoint(TABLE.full_name, {"a"}, 4) is None
    assert lake.snapshot(TABLE.full_name) is None
    again = append(TABLE.full_name, rows(MONDAY, 1), job="a", checkpoint=5)
    assert offsets_in(lake, again) == [1]


def test_rolling_back_keeps_what_compaction_did_before_the_checkpoint(lake: Lake, append: Append) -> None:
    append(TABLE.full_name, rows(MONDAY, 1), job="a", checkpoint=1)
    append(TABLE.full_name, rows(MONDAY, 2), job="a", checkpoint=2)
    lake.maintain(TABLE.full_name, TUESDAY, FAR_PAST, FAR_PAST)
    compacted = lake.snapshot(TABLE.full_name)
    append(TABLE.full_name, rows(MONDAY, 3), job="a", checkpoint=3)

    assert lake.rollback_to_checkpoint(TABLE.full_name, {"a"}, 2) == compacted


def test_a_dropped_table_is_gone_and_dropping_it_again_is_harmless(lake: Lake, append: Append) -> None:
    append(TABLE.full_name, rows(MONDAY, 1))

    lake.drop(TABLE.full_name)
    lake.drop(TABLE.full_name)

    assert not lake.exists(TABLE.full_name)


def _age(folder: Path, days: int) -> None:
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for path in folder.rglob("*.parquet"):
        os.utime(path, (then, then))
