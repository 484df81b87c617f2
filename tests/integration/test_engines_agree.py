"""Random KPIs over random records: DuckDB, Postgres, Flink and plain Python give the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from slipway.adapters.flink.rest import FlinkEngine
from tests.integration import plain_engine
from tests.integration.engines import Example, canonical, in_duckdb, in_flink, in_postgres
from tests.integration.random_kpis import EDGES, examples
from tests.stack import Stack

EXAMPLES_A_JOB = 36
"""Six zones, a job each: 216 examples in Flink."""

FIXED = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
)
"""The same examples every time: a failure is the product's, not the day's."""


@pytest.fixture(scope="module")
def in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="module")
def postgres(stack: Stack) -> Iterator[psycopg.Connection]:
    with stack.postgres("warehouse", autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="module")
def flink(stack: Stack) -> FlinkEngine:
    jars = stack.settings.world.installation.repo / ".local"
    return FlinkEngine(stack.settings.flink_url, next(jars.glob("**/flink-sql-gateway-*.jar")))


def truth(example: Example) -> list[str]:
    return canonical(plain_engine.fold(plain_engine.accepted(example.events, example.arrivals), example.kpi))


def test_duckdb_and_postgres_give_the_rows_that_the_language_promises(
    in_memory: duckdb.DuckDBPyConnection, postgres: psycopg.Connection
) -> None:
    @settings(FIXED, max_examples=300)
    @given(examples())
    def agree(example: Example) -> None:
        expected = truth(example)
        assert canonical(in_duckdb(example, in_memory)) == expected, example.measures
        assert canonical(in_postgres(example, postgres)) == expected, example.measures

    agree()


@pytest.mark.parametrize("zone", EDGES)
def test_flink_gives_the_same_rows(zone: str, flink: FlinkEngine, tmp_path: Path) -> None:
    batch = drawn(zone, EXAMPLES_A_JOB)

    found = in_flink(batch, flink, tmp_path)

    for example, rows in zip(batch, found, strict=True):
        assert canonical(rows) == truth(example), example.measures


def drawn(zone: str, count: int) -> list[Example]:
    """Return so many examples with records of one zone, the same every time."""
    batch: list[Example] = []

    @settings(FIXED, max_examples=2 * count, phases=[Phase.generate])
    @given(examples((zone,)))
    def collect(example: Example) -> None:
        if example.events and len(batch) < count:
            batch.append(example)

    collect()
    assert len(batch) == count
    return batch
