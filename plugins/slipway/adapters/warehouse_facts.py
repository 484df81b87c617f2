"""What the warehouse knows about both sides, read by psycopg."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo

from slipway.errors import Retryable, why
from slipway.ports import BatchRun


class WarehouseFacts:
    """slipway.ports.Facts on Postgres. A table that nobody has made yet holds nothing."""

    def __init__(self, server: Mapping[str, str]) -> None:
        self._server = server

    def batch_run(self, migration: str) -> BatchRun | None:
        """Return the newest build; one that has not finished yet is not ok."""
        rows = self._rows(
            "SELECT run_id, as_of, loaded_through, coalesce(ok, FALSE), ok IS NULL FROM batch.slipway_run"
            " WHERE migration = %s ORDER BY id DESC LIMIT 1",
            [migration],
        )
        return next(
            (
                BatchRun(run, as_of.astimezone(UTC), through.astimezone(UTC), ok, building)
                for run, as_of, through, ok, building in rows
            ),
            None,
        )

    def replayed_through(self, topic: str) -> datetime | None:
        """Return how far history was replayed into a topic; None when no replay was recorded."""
        rows = self._rows("SELECT replayed_through FROM ops.replay_progress WHERE topic = %s", [topic])
        return next((through.astimezone(UTC) for (through,) in rows if through is not None), None)

    def amendments(self, migration: str, revision: int) -> Sequence[int]:
        """Return ids of the amendments whose rows readers see, ascending."""
        rows = self._rows(
            "SELECT amendment_id FROM stream.amendment WHERE migration = %s AND revision = %s ORDER BY 1",
            [migration, revision],
        )
        return [int(amendment) for (amendment,) in rows]

    def _rows(self, query: str, parameters: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
        with self._connection() as connection:
            try:
                return connection.execute(query.encode(), parameters).fetchall()
            except (errors.UndefinedTable, errors.InvalidSchemaName):
                return []

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        conninfo = make_conninfo(**{**self._server, "application_name": "slipway reconcile"})
        try:
            with psycopg.connect(conninfo) as connection:
                connection.read_only = True
                yield connection
        except psycopg.OperationalError as error:
            where = f"{self._server['host']}:{self._server['port']}"
            raise Retryable(
                f"the warehouse at {where} does not answer: {why(error)};"
                " check that Postgres runs and what the connection slipway_warehouse says"
            ) from error
