"""A file that shows its day is not asked row by row, and a unit that is looked up is the right one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slipway.adapters.comparison.event_scan import EventScan, Proven, Source
from slipway.domain.contract import Migration
from tests.fakes.two_sides import FIRST, migration

DAYS = (FIRST, FIRST + timedelta(days=2))
OFFSETS = {0: 100, 1: 50}
NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)


@pytest.fixture
def session() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def file(folder: Path, name: str, rows: list[dict[str, Any]], **options: Any) -> str:
    """Write rows with the columns of an event's place and time."""
    types = {
        "started": pa.timestamp("us", "UTC"),
        "business_day": pa.date32(),
        "kafka_partition": pa.int32(),
        "kafka_offset": pa.int64(),
    }
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(list(types.items()))), folder / name, **options)
    return str(folder / name)


def row(at: datetime = NOON, day: date = FIRST, partition: int = 0, offset: int = 7) -> dict[str, Any]:
    return {"started": at, "business_day": day, "kafka_partition": partition, "kafka_offset": offset}


@pytest.mark.parametrize(
    ("rows", "below", "dated"),
    [
        ([row(), row(NOON + timedelta(hours=11))], True, True),
        ([row(), row(partition=1, offset=49)], True, True),
        # Offset 60 is below the end of partition 0, but which partition it is of the footer does not say.
        ([row(offset=60), row(partition=1, offset=4)], False, True),
        ([row(offset=100)], False, True),
        ([row(partition=2)], False, True),
        ([row(NOON + timedelta(hours=12))], True, False),
        ([row(NOON - timedelta(hours=13))], True, False),
        ([row(), row(NOON + timedelta(days=1), FIRST + timedelta(days=1))], True, False),
        ([row(NOON - timedelta(days=1), FIRST - timedelta(days=1))], True, False),
        ([row(), {**row(), "started": None}], True, False),
        ([row(), {**row(), "kafka_offset": None}], False, True),
    ],
)
def test_a_file_is_taken_at_its_footers_word_for_what_the_footer_shows(
    tmp_path: Path, session: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]], below: bool, dated: bool
) -> None:
    path = file(tmp_path, "a.parquet", rows)

    found = EventScan(session, migration()).prove([path], OFFSETS, *DAYS)

    assert found == [Proven((path,), below, dated)]


def test_a_footer_without_statistics_or_rows_shows_nothing(
    tmp_path: Path, session: duckdb.DuckDBPyConnection
) -> None:
    silent = file(tmp_path, "silent.parquet", [row()], write_statistics=False)
    empty = file(tmp_path, "empty.parquet", [])

    found = EventScan(session, migration()).prove([silent, empty], OFFSETS, *DAYS)

    assert [(set(one.files), one.below, one.dated) for one in found] == [({silent, empty}, False, False)]


def in_zone(zone: str, time: str) -> Migration:
    return migration(kpis={"trips_daily": time}, timezone=zone)


@pytest.mark.parametrize("time", ["day(started)", "hour(started)", "week(started)", "minutes(30, started)"])
@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("America/New_York", date(2026, 3, 8)),
        ("America/St_Johns", date(2006, 10, 29)),  # clocks went back at one minute past midnight
        ("Australia/Lord_Howe", date(2026, 4, 5)),  # by half an hour
        ("Asia/Kathmandu", date(2026, 3, 8)),  # a quarter of an hour off
        ("Africa/Monrovia", date(1972, 1, 7)),  # by 44 minutes and a half
        ("UTC", date(1970, 1, 1)),
    ],
)
def test_a_unit_that_is_looked_up_is_the_one_that_the_expression_gives(
    session: duckdb.DuckDBPyConnection, zone: str, around: date, time: str
) -> None:
    chosen = in_zone(zone, time)
    [kpi] = chosen.kpis.values()
    scan = EventScan(session, chosen)
    scan.look_up(around, around)
    noon = datetime(around.year, around.month, around.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    session.execute(
        "CREATE TABLE events AS SELECT $1 + INTERVAL 1 SECOND * n * 20 AS started, 'N' AS zone"
        " FROM range(-17280, 17280) AS r(n)",
        [noon],
    )

    keyed = scan.keyed(kpi, [Source("events")], ["started"], ["day", "zone_"])
    asked = kpi.grain[0].sql("duckdb")
    wrong = session.execute(
        f"SELECT count(*) FROM ({keyed}) AS k WHERE k.day IS DISTINCT FROM {asked}"
    ).fetchall()

    assert wrong == [(0,)]
    [(looked_up,)] = session.execute(
        "SELECT count(*) FROM quarters WHERE COLUMNS(* EXCLUDE ('quarter of an hour')) IS NOT NULL"
    ).fetchall()
    assert looked_up > 100


def test_a_dated_source_is_cut_by_its_business_day_alone(session: duckdb.DuckDBPyConnection) -> None:
    chosen = migration(kpis={"trips_weekly": "week(started)"})
    [kpi] = chosen.kpis.values()
    session.execute("CREATE TABLE events AS SELECT DATE '2026-03-04' AS business_day, 'N' AS zone")

    keyed = EventScan(session, chosen).keyed(kpi, [Source("events", dated=True)], [], ["day", "zone_"])

    assert session.execute(keyed).fetchall() == [(date(2026, 3, 2), "N")]
