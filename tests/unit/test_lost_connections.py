"""A connection to Postgres that is gone may be there again at the next try."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import psycopg
import pytest

from slipway.adapters.amendments import PostgresAmendments
from slipway.adapters.serving.postgres import PostgresServing
from slipway.adapters.warehouse_roles import WarehouseWriters
from slipway.errors import Retryable
from slipway.ledger.session import LedgerSession
from tests.fakes.engine import FakeWriters

SERVER = {"host": "nowhere", "port": "5432", "user": "slipway", "password": "x", "dbname": "warehouse"}


class Connection:
    """Raises an error at its first statement."""

    def __init__(self, error: psycopg.Error) -> None:
        self._error = error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def execute(self, *_: Any) -> None:
        raise self._error


@pytest.mark.parametrize(
    "use",
    [
        lambda: PostgresServing(SERVER).routes(["flights_daily"]),
        lambda: PostgresAmendments(SERVER, FakeWriters()).applied("flights", 1),
        lambda: WarehouseWriters(SERVER, "x").close("flink_flights_r1_a1"),
    ],
    ids=["serving", "amendments", "writers"],
)
def test_a_closed_connection_to_the_warehouse_may_be_tried_again(
    use: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Connection(psycopg.InterfaceError("the connection is closed"))
    monkeypatch.setattr(psycopg, "connect", lambda *_, **__: lost)

    with pytest.raises(Retryable, match="the connection is closed"):
        use()


def test_a_closed_connection_to_the_ledger_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: Any, **__: Any) -> None:
        raise psycopg.InterfaceError("the connection is closed")

    monkeypatch.setattr(psycopg, "connect", closed)

    with pytest.raises(Retryable, match="the connection is closed"), LedgerSession(SERVER).lock("flights"):
        pytest.fail("nobody can hold a lock without a connection")


@pytest.mark.parametrize(
    ("told", "expected"),
    [("tuple concurrently updated", Retryable), ("could not find tuple", psycopg.errors.InternalError_)],
)
def test_two_who_change_the_same_rights_at_once_may_try_again(
    monkeypatch: pytest.MonkeyPatch, told: str, expected: type[Exception]
) -> None:
    clash = Connection(psycopg.errors.InternalError_(told))
    monkeypatch.setattr(psycopg, "connect", lambda *_, **__: clash)

    with pytest.raises(expected, match=told):
        WarehouseWriters(SERVER, "x").close("flink_flights_r1_a1")
