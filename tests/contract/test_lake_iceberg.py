"""What only real Iceberg tables can show: races, crashes, and what a restore of a job needs to find."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyiceberg.table import DataScan, Table
from sqlalchemy import URL

from slipway.adapters.lake import compaction
from slipway.adapters.lake.catalog import IcebergLake
from slipway.adapters.lake.flink_commits import newest_flink_commit
from slipway.errors import Permanent, Retryable
from slipway.faults import InjectedFault
from tests.contract.test_lake import (
    FAR_PAST,
    MONDAY,
    TABLE,
    TUESDAY,
    append_to_iceberg,
    offsets_in,
    rows,
)

NAME = TABLE.full_name
STEPS = [
    "maintain.before_rewrite",
    "maintain.before_commit",
    "maintain.after_commit",
    "maintain.before_expire",
    "maintain.after_expire",
    "maintain.before_orphans",
    "maintain.between_orphans",
]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[IcebergLake]:
    lake = IcebergLake(
        URL.create("sqlite", database=str(tmp_path / "catalog.db")), f"file://{tmp_path}/warehouse"
    )
    lake.ensure(TABLE)
    yield lake
    lake._catalog.engine.dispose()


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def current(lake: IcebergLake) -> int:
    found = lake.snapshot(NAME)
    assert found is not None
    return found


def loaded(lake: IcebergLake) -> Table:
    return lake._catalog.load_table(NAME)


def make_everything_old(folder: Path, days: int) -> None:
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def test_a_compaction_carries_the_summary_that_a_restore_looks_for(lake: IcebergLake) -> None:
    for checkpoint in range(1, 4):
        append_to_iceberg(lake, NAME, rows(MONDAY, checkpoint), job="a", checkpoint=checkpoint)

    lake.maintain(NAME, TUESDAY, in_an_hour(), FAR_PAST)

    table = loaded(lake)
    [only] = table.metadata.snapshots
    assert only.summary is not None
    assert str(only.summary.operation.value) == "replace"
    newest = newest_flink_commit(table.metadata)
    assert newest is not None
    assert (newest.job_id, newest.operator_id, newest.checkpoint) == ("a", "operator", 3)


def test_a_compaction_that_loses_a_race_carries_the_newer_checkpoint(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_to_iceberg(lake, NAME, rows(MONDAY, 1), checkpoint=1)
    append_to_iceberg(lake, NAME, rows(MONDAY, 2), checkpoint=2)
    commit_table = lake._catalog.commit_table
    others = iter([3, 4])

    def after_somebody_else(table: Table, *change: Any) -> Any:
        for checkpoint in others:
            monkeypatch.setattr(lake._catalog, "commit_table", commit_table)
            append_to_iceberg(lake, NAME, rows(MONDAY, checkpoint), checkpoint=checkpoint)
            monkeypatch.setattr(lake._catalog, "commit_table", after_somebody_else)
            break
        return commit_table(table, *change)

    monkeypatch.setattr(lake._catalog, "commit_table", after_somebody_else)
    lake.maintain(NAME, TUESDAY, FAR_PAST, FAR_PAST)

    newest = newest_flink_commit(loaded(lake).metadata)
    assert newest is not None
    assert (newest.snapshot_id, newest.checkpoint) == (current(lake), 4)
    assert offsets_in(lake, current(lake)) == [1, 2, 3, 4]


def test_a_compaction_gives_up_for_now_when_others_always_win(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_to_iceberg(lake, NAME, rows(MONDAY, 1), checkpoint=1)
    append_to_iceberg(lake, NAME, rows(MONDAY, 2), checkpoint=2)
    commit_table = lake._catalog.commit_table

    def after_somebody_else(table: Table, *change: Any) -> Any:
        monkeypatch.setattr(lake._catalog, "commit_table", commit_table)
        append_to_iceberg(lake, NAME, rows(TUESDAY, 9))
        monkeypatch.setattr(lake._catalog, "commit_table", after_somebody_else)
        return commit_table(table, *change)

    monkeypatch.setattr(lake._catalog, "commit_table", after_somebody_else)

    with pytest.raises(Retryable, match="lost the race"):
        lake.maintain(NAME, TUESDAY, FAR_PAST, FAR_PAST)
    assert offsets_in(lake, current(lake), [MONDAY]) == [1, 2]


def test_a_rewrite_that_would_lose_a_row_is_not_committed(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_to_iceberg(lake, NAME, rows(MONDAY, 1))
    append_to_iceberg(lake, NAME, rows(MONDAY, 2))
    before = current(lake)
    write = compaction.write

    def losing(session: Any, table: Table, rewrite: compaction.Rewrite) -> Any:
        return write(session, table, compaction.Rewrite(rewrite.day, rewrite.files[:1]))

    monkeypatch.setattr(compaction, "write", losing)

    with pytest.raises(Permanent, match=r"would change the data: 2 rows .* became 1 "):
        lake.maintain(NAME, TUESDAY, in_an_hour(), in_an_hour())
    assert current(lake) == before


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_the_table_whole_and_a_second_run_finishes(
    lake: IcebergLake, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for checkpoint in range(1, 5):
        append_to_iceberg(lake, NAME, rows(MONDAY, checkpoint), checkpoint=checkpoint)
    data = Path(loaded(lake).location().removeprefix("file://")) / "data"
    for number in range(3):
        (data / f"stray-{number}.parquet").write_bytes(b"left by a writer that died")
    make_everything_old(tmp_path, days=9)

    monkeypatch.setenv("SLIPWAY_FAIL_AT", step)
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    monkeypatch.setattr("slipway.adapters.lake.cleaning.UNCOMMITTED_MARGIN", timedelta(0))
    with pytest.raises(InjectedFault):
        lake.maintain(NAME, TUESDAY, in_an_hour(), in_an_hour() - timedelta(days=2))
    assert offsets_in(lake, current(lake)) == [1, 2, 3, 4]

    monkeypatch.delenv("SLIPWAY_FAIL_AT")
    lake.maintain(NAME, TUESDAY, in_an_hour(), in_an_hour() - timedelta(days=2))

    table = loaded(lake)
    newest = newest_flink_commit(table.metadata)
    assert offsets_in(lake, current(lake)) == [1, 2, 3, 4]
    assert len(lake.data_files(NAME, current(lake))) == 1
    assert len(table.metadata.snapshots) == 1
    assert newest is not None
    assert newest.checkpoint == 4
    assert not list(data.glob("stray-*"))


def test_a_job_that_writes_meanwhile_loses_and_doubles_nothing(lake: IcebergLake) -> None:
    append_to_iceberg(lake, NAME, rows(MONDAY, 0), checkpoint=0)
    failures: list[Exception] = []

    def job() -> None:
        try:
            for checkpoint in range(1, 25):
                append_to_iceberg(lake, NAME, rows(MONDAY, checkpoint), checkpoint=checkpoint)
        except Exception as error:  # noqa: BLE001 - carried over to the test's own thread
            failures.append(error)

    writer = threading.Thread(target=job)
    writer.start()
    while writer.is_alive():
        try:
            lake.maintain(NAME, TUESDAY, FAR_PAST, FAR_PAST)
        except Retryable:
            continue
    writer.join()
    lake.maintain(NAME, TUESDAY, FAR_PAST, FAR_PAST)

    newest = newest_flink_commit(loaded(lake).metadata)
    assert not failures
    assert offsets_in(lake, current(lake)) == list(range(25))
    assert newest is not None
    assert newest.checkpoint == 24


def test_files_that_a_job_that_is_down_may_still_commit_are_kept(lake: IcebergLake, tmp_path: Path) -> None:
    append_to_iceberg(lake, NAME, rows(MONDAY, 1), checkpoint=1)
    data = Path(loaded(lake).location().removeprefix("file://")) / "data"
    pending = data / "pending.parquet"
    pending.write_bytes(b"written after the last commit, before the job went down")
    in_five_days = datetime.now(UTC) + timedelta(days=5)

    done = lake.maintain(NAME, TUESDAY, FAR_PAST, in_five_days)

    assert done.orphans_removed == 0
    assert pending.exists()


def test_expiry_keeps_the_way_back_to_flinks_newest_commit(lake: IcebergLake) -> None:
    first = append_to_iceberg(lake, NAME, rows(MONDAY, 1), checkpoint=1)
    second = append_to_iceberg(lake, NAME, rows(MONDAY, 2), checkpoint=2)
    table = loaded(lake)
    table.append(table.scan().to_arrow().slice(0, 0))

    lake.maintain(NAME, date(2000, 1, 1), in_an_hour(), FAR_PAST)

    left = {snapshot.snapshot_id for snapshot in loaded(lake).metadata.snapshots}
    assert left == {second, current(lake)}
    assert first not in left


def test_rolling_back_to_an_expired_snapshot_says_what_is_left_to_do(lake: IcebergLake) -> None:
    append_to_iceberg(lake, NAME, rows(MONDAY, 1), checkpoint=1)
    append_to_iceberg(lake, NAME, rows(MONDAY, 2), checkpoint=2)
    lake.maintain(NAME, date(2000, 1, 1), in_an_hour(), FAR_PAST)

    with pytest.raises(Permanent, match="expired"):
        lake.rollback_to_checkpoint(NAME, {"job"}, 1)
    assert offsets_in(lake, current(lake)) == [1, 2]


def test_a_table_with_delete_files_is_not_read_as_plain_parquet(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_to_iceberg(lake, NAME, rows(MONDAY, 1))
    plan_files = DataScan.plan_files

    def with_deletes(scan: DataScan) -> Any:
        return [SimpleNamespace(file=task.file, delete_files={task.file}) for task in plan_files(scan)]

    monkeypatch.setattr(DataScan, "plan_files", with_deletes)

    with pytest.raises(Permanent, match="delete files"):
        lake.data_files(NAME, current(lake))


def test_the_catalogs_password_is_never_shown(tmp_path: Path) -> None:
    url = URL.create("postgresql+psycopg", "ana", "s3cret", "127.0.0.1", 1, "lake")
    lake = IcebergLake(url, f"file://{tmp_path}")

    with pytest.raises(Retryable) as caught:
        lake.exists(NAME)

    assert "s3cret" not in f"{caught.value!r} {lake!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__
