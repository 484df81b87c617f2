"""Maintenance beside a real Flink job, and what its restores find afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlparse
from uuid import uuid4

import duckdb
import pytest

from slipway.domain.rendering import text_literal
from slipway.ports import JobStatus, JobSubmission, LakeTable
from tests.fakes.amending import migration
from tests.integration.lake_world import RealParts
from tests.stack import Stack

pytestmark = pytest.mark.integration

NUMBERS = LakeTable(
    "silver",
    "numbers__r1",
    (("n", "long", "Counts from 0, in steps of 1"), ("text", "string", ""), ("business_day", "date", "")),
    ("business_day",),
)
OPEN_DAY = date(2024, 1, 3)
PATIENCE = 90.0


class NumbersJob:
    """A job that writes 0, 1, 2, ... to a lake table, so that a gap or a repetition shows."""

    def __init__(self, parts: RealParts) -> None:
        self.parts = parts
        self.ids: list[str] = []

    def start(self, restore_from: str | None = None) -> None:
        """Submit an attempt with an id of its own."""
        self.ids.append(uuid4().hex)
        job = JobSubmission("numbers", self.ids[-1], self._script(), parallelism=1, restore_from=restore_from)
        self.parts.engine.submit(job)

    def status(self) -> JobStatus:
        """Return the newest attempt's status."""
        status = self.parts.engine.status(self.ids[-1])
        assert status is not None
        return status

    def end(self) -> str:
        """End it as a crash would, without a savepoint; return its newest checkpoint."""
        newest = self.status().newest_checkpoint
        self.parts.engine.cancel(self.ids[-1])
        assert newest is not None
        return newest

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait for something that the job will bring about."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"not within {PATIENCE} s: {self.status()}"
            time.sleep(0.2)

    def _script(self) -> str:
        catalog, lake = self.parts.endpoints.catalog, self.parts.endpoints.lake
        return f"""
            SET 'pipeline.name' = 'numbers';
            SET 'execution.checkpointing.interval' = '2 s';
            SET 'execution.checkpointing.externalized-checkpoint-retention' = 'RETAIN_ON_CANCELLATION';
            CREATE CATALOG lake WITH (
              'type' = 'iceberg', 'catalog-impl' = 'org.apache.iceberg.jdbc.JdbcCatalog',
              'uri' = {text_literal(catalog)}, 'jdbc.schema-version' = 'V1',
              'warehouse' = {text_literal(lake)});
            CREATE TEMPORARY TABLE numbers (n BIGINT) WITH (
              'connector' = 'datagen', 'rows-per-second' = '200',
              'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '200000');
            INSERT INTO lake.silver.numbers__r1
            SELECT
              n, 'number ' || CAST(n AS STRING),
              TIMESTAMPADD(DAY, CAST(MOD(n, 3) AS INT), DATE '2024-01-01')
            FROM numbers;
        """


@pytest.fixture
def parts(stack: Stack) -> RealParts:
    made = RealParts(stack, migration("amendtest"))
    made.lake.drop(NUMBERS.full_name)
    made.lake.ensure(NUMBERS)
    return made


@pytest.fixture
def job(parts: RealParts) -> Iterator[NumbersJob]:
    job = NumbersJob(parts)
    yield job
    for one in job.ids:
        parts.engine.cancel(one)


def rows(parts: RealParts) -> tuple[int, int, int]:
    """Return rows, distinct numbers, the largest plus one: all the same when none is lost or twice."""
    snapshot = parts.lake.snapshot(NUMBERS.full_name)
    files = list(parts.lake.data_files(NUMBERS.full_name, snapshot)) if snapshot else []
    if not files:
        return 0, 0, 0
    query = "SELECT count(*), count(DISTINCT n), max(n) + 1 FROM read_parquet($1, hive_partitioning = false)"
    [found] = duckdb.execute(query, [files]).fetchall()
    return found


def whole(parts: RealParts) -> bool:
    return len(set(rows(parts))) == 1


def now() -> datetime:
    return datetime.now(UTC)


def test_a_running_job_and_its_restore_survive_compaction_and_expiry(
    parts: RealParts, job: NumbersJob
) -> None:
    lake, table = parts.lake, NUMBERS.full_name
    job.start()
    job.wait_for(lambda: rows(parts)[0] > 1000)

    while_it_runs = lake.maintain(table, OPEN_DAY, now(), now() - timedelta(days=1))

    assert while_it_runs.content_hash_before == while_it_runs.content_hash_after
    assert while_it_runs.files_after == 2 < while_it_runs.files_before
    assert while_it_runs.rows_before == while_it_runs.rows_after
    seen = rows(parts)[0]
    job.wait_for(lambda: rows(parts)[0] > seen + 600)
    assert job.status().restarts == 0
    assert whole(parts)

    checkpoint = job.end()
    at_rest = lake.maintain(table, OPEN_DAY, now(), now() - timedelta(days=1))
    assert at_rest.content_hash_before == at_rest.content_hash_after
    assert len(lake._catalog.load_table(table).metadata.snapshots) == 1

    job.start(restore_from=checkpoint)
    seen = rows(parts)[0]
    job.wait_for(lambda: rows(parts)[0] > seen + 600)
    assert job.status().restarts == 0
    assert whole(parts)


def test_a_restore_from_an_older_checkpoint_after_a_rollback_doubles_nothing(
    parts: RealParts, job: NumbersJob
) -> None:
    job.start()
    job.wait_for(lambda: rows(parts)[0] > 600)
    older, seen = job.status().newest_checkpoint, rows(parts)[0]
    assert older is not None
    # The engine keeps the last three checkpoints, so the next commit or two is as far as one can go back.
    job.wait_for(lambda: rows(parts)[0] > seen + 200 and job.status().newest_checkpoint != older)
    job.end()
    before = rows(parts)[0]

    number = int(Path(urlparse(older).path).name.removeprefix("chk-"))
    snapshot = parts.lake.rollback_to_checkpoint(NUMBERS.full_name, job.ids, number)

    assert snapshot == parts.lake.snapshot(NUMBERS.full_name)
    assert rows(parts)[0] < before
    job.start(restore_from=older)
    job.wait_for(lambda: rows(parts)[0] > before)
    assert job.status().restarts == 0
    assert whole(parts)
