"""The batch side when dbt ends before it has built anything."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from slipway.adapters.dbt import DbtBaseline
from slipway.errors import Permanent, Retryable

NIGHT = datetime(2013, 3, 1, 11, tzinfo=UTC)
WAREHOUSE = {"host": "nowhere", "port": "1", "user": "batch", "password": "x", "dbname": "warehouse"}


class Guard:
    """A connection that holds the lock; lost: Postgres has died since."""

    def __init__(self) -> None:
        self.lost = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def execute(self, query: str, _: Any = None) -> Guard:
        if self.lost:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return self

    def fetchone(self) -> tuple[bool]:
        return (True,)


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Guard:
    found = Guard()
    monkeypatch.setattr(psycopg, "connect", lambda *_, **__: found)
    return found


@pytest.fixture
def baseline(tmp_path: Path) -> DbtBaseline:
    (tmp_path / "models" / "flights").mkdir(parents=True)
    return DbtBaseline(tmp_path, WAREHOUSE, tmp_path / "journal.sql", tmp_path / "work")


def test_dbt_that_never_reached_the_warehouse_may_be_tried_again(
    baseline: DbtBaseline, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        guard.lost = True
        return subprocess.CompletedProcess(command, 2, "Database Error: connection refused", "")

    monkeypatch.setattr(subprocess, "run", dies)

    with pytest.raises(Retryable, match="went away during a baseline: server closed the connection"):
        baseline.build("flights", NIGHT, "7")


def test_dbt_that_builds_nothing_beside_a_living_warehouse_is_wrong_for_good(
    baseline: DbtBaseline, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = subprocess.CompletedProcess(["dbt"], 2, "Compilation Error in model flights_daily", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: told)

    with pytest.raises(Permanent, match=r"before it built anything(?s:.*)Compilation Error"):
        baseline.build("flights", NIGHT, "7")
