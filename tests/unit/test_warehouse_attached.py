"""DuckDB beside a warehouse that dies: what was wrong is told, and whether it may pass."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest

from slipway.adapters.comparison import warehouse
from slipway.adapters.comparison.batch_events import BatchEvents
from slipway.adapters.comparison.relations import Relations
from slipway.adapters.comparison.warehouse import PostgresWarehouse
from slipway.adapters.contracts import load_migration
from slipway.errors import Permanent, Retryable
from slipway.ports import LakeFiles, Question
from tests.fakes.control import CONTRACT

GONE = duckdb.IOException("IO Error: server closed the connection unexpectedly")
ABORTED = duckdb.TransactionException("current transaction is aborted")


class Session:
    """A connection that fails at statements by how they begin."""

    def __init__(self, fails: Mapping[str, duckdb.Error]) -> None:
        self._fails = fails
        self.asked: list[str] = []

    def execute(self, query: str, _: Any = None) -> Session:
        self.asked.append(query)
        for begin, error in self._fails.items():
            if query.startswith(begin):
                raise error
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return []


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> PostgresWarehouse:
    monkeypatch.setattr(warehouse, "load_extension", lambda *_: None)
    return PostgresWarehouse("nowhere", 5432, "warehouse", "reader", "x")


def run(postgres: PostgresWarehouse, session: Session, query: str) -> None:
    with postgres.attached(session):  # type: ignore[arg-type]
        session.execute(query)


@pytest.mark.parametrize("error", [GONE, duckdb.InvalidInputException("no connection"), ABORTED])
def test_a_warehouse_that_dies_while_it_is_read_may_be_tried_again(
    postgres: PostgresWarehouse, error: duckdb.Error
) -> None:
    with pytest.raises(Retryable, match="nowhere:5432") as caught:
        run(postgres, Session({"DESCRIBE": error}), "DESCRIBE warehouse.batch.flights")

    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [duckdb.CatalogException("no table"), duckdb.BinderException("no column")])
def test_a_question_that_is_wrong_in_itself_stays_what_it_is(
    postgres: PostgresWarehouse, error: duckdb.Error
) -> None:
    with pytest.raises(type(error)):
        run(postgres, Session({"DESCRIBE": error}), "DESCRIBE warehouse.batch.flights")


def test_a_detach_that_fails_hides_nothing(
    postgres: PostgresWarehouse, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session({"DETACH": ABORTED})

    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(Permanent, match="a column lacks"),
        postgres.attached(session),  # type: ignore[arg-type]
    ):
        raise Permanent("a column lacks")

    assert session.asked[-1] == "DETACH warehouse"
    assert "transaction is aborted" in caplog.text


@pytest.fixture
def question() -> Question:
    day = date(2013, 3, 1)
    files = LakeFiles((), (), (), (), ())
    return Question(1, {}, files, day, day, day, datetime(2013, 3, 2, tzinfo=UTC), ())


@pytest.mark.parametrize(
    ("error", "expected"), [(GONE, duckdb.IOException), (duckdb.CatalogException("x"), Permanent)]
)
def test_a_rollback_that_fails_hides_nothing(
    question: Question, error: duckdb.Error, expected: type[Exception]
) -> None:
    session = Session({"CREATE": error, "ROLLBACK": ABORTED})

    relations = Relations(session, load_migration(CONTRACT))  # type: ignore[arg-type]
    with pytest.raises(expected), relations.warehouse(question):
        pytest.fail("nothing can be compared")

    assert session.asked[-1] == "ROLLBACK"


def test_a_table_that_lacks_a_column_ends_the_transaction_too(
    question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(*_: object) -> None:
        raise Permanent("batch.flights has no column kind")

    session = Session({})
    monkeypatch.setattr(BatchEvents, "show", lacks)

    relations = Relations(session, load_migration(CONTRACT))  # type: ignore[arg-type]
    with pytest.raises(Permanent, match="no column kind"), relations.warehouse(question):
        pytest.fail("nothing can be compared")

    assert session.asked[-1] == "ROLLBACK"
