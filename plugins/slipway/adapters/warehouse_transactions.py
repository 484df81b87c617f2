"""One transaction of the warehouse as its owner, with what may go wrong told in one way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors

from slipway.errors import Permanent, Retryable

LOCK_TIMEOUT = "10s"

Connection = psycopg.Connection[tuple[Any, ...]]


@contextmanager
def transaction(server: Mapping[str, str], application: str) -> Iterator[Connection]:
    """Yield a connection in UTC; what was done commits at the end, or nothing of it.

    server: libpq parameters. application: how Postgres names the session. Retryable when the warehouse is
    away or somebody holds a lock, Permanent when a table is not there.
    """
    where = f"{server.get('host')}:{server.get('port')}"
    try:
        with psycopg.connect(
            **server,  # type: ignore[arg-type]
            connect_timeout=5,
            application_name=application,
            options=f"-c lock_timeout={LOCK_TIMEOUT} -c timezone=UTC",
        ) as connection:
            yield connection
    except (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure) as error:
        raise Retryable(f"somebody else holds a lock in the warehouse: {error}; try again") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Retryable(
            f"the warehouse at {where} can't be reached: {str(error).strip()}; "
            "check the connection slipway_warehouse and its Postgres"
        ) from error
    except errors.UndefinedTable as error:
        raise Permanent(
            f"the warehouse lacks a table: {error.diag.message_primary}; deploy the migration first"
        ) from error
