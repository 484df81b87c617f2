"""Transactions on the ledger's database, and the one lock a migration."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import NullPool

from slipway.errors import LockHeld, Permanent, Retryable

_LOCK_CLASS = 0x51_1B
"""First key of the advisory locks of migrations; the second is a hash of the name."""
_LOCK_NOT_AVAILABLE = "55P03"
_UNDEFINED = ("42P01", "3F000")


def engine_for(server: Mapping[str, str]) -> Engine:
    """Return an engine for libpq parameters (host, port, user, password, dbname).

    Connections are opened when needed and closed at once: tasks are short, and a forked process must not
    inherit one.
    """
    url = URL.create(
        "postgresql+psycopg",
        username=server.get("user"),
        password=server.get("password"),
        host=server.get("host"),
        port=int(server["port"]) if server.get("port") else None,
        database=server.get("dbname"),
    )
    return create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 5})


class LedgerSession:
    """What all parts of the ledger share: how they reach the database and how its errors are told."""

    def __init__(self, server: Mapping[str, str], lock_wait: timedelta = timedelta(seconds=5)) -> None:
        self._engine = engine_for(server)
        self._lock_wait = lock_wait

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except StaleDataError as error:
            raise Retryable(
                "somebody else changed the migration in the ledger at the same moment; try again"
            ) from error
        except (OperationalError, InterfaceError) as error:
            raise Retryable(
                f"the ledger at {self._engine.url.host}:{self._engine.url.port} can't be reached: "
                f"{_first_line(error)}; check the connection slipway_ledger and its Postgres"
            ) from error
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) in _UNDEFINED:
                raise Permanent(
                    f"the ledger's schema is missing or old: {_first_line(error)}; "
                    "run `slipway ledger upgrade`"
                ) from error
            raise

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with self._reached(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def lock(self, migration: str) -> Iterator[None]:
        """Hold the migration's advisory lock; LockHeld when somebody else keeps it longer than we wait.

        It belongs to a connection of its own: when this process dies, the database lets go of it.
        """
        with self._reached():
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            with self._reached():
                connection.execute(
                    text(
                        "SELECT set_config('application_name', :me, false), "
                        "set_config('lock_timeout', :wait, false)"
                    ),
                    {
                        "me": f"slipway {migration} {socket.gethostname()}:{os.getpid()}"[:63],
                        "wait": f"{int(self._lock_wait.total_seconds() * 1000)}ms",
                    },
                )
                try:
                    connection.execute(
                        text("SELECT pg_advisory_lock(:class, hashtext(:name))"),
                        {"class": _LOCK_CLASS, "name": migration},
                    )
                except DBAPIError as error:
                    if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                        raise
                    raise LockHeld(
                        f"the lock of migration {migration} is held by {self._holder(migration)}; "
                        "wait until it has ended, then try again"
                    ) from error
            yield
        finally:
            connection.close()

    def _holder(self, migration: str) -> str:
        with self._engine.connect() as connection:
            found = connection.execute(
                text(
                    "SELECT a.application_name, a.backend_start "
                    "FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
                    "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = :class "
                    "AND l.objid = (hashtext(:name)::bigint & 4294967295)::oid"
                ),
                {"class": _LOCK_CLASS, "name": migration},
            ).first()
        return f"{found[0]} since {found[1]:%H:%M:%S} UTC" if found else "somebody who has just let go of it"


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]
