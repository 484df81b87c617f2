"""Looks at each Airflow connection: is it there, does the system answer, and may we do what we must do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx
import psycopg

from slipway.adapters.kafka import KafkaTopics
from slipway.connections import Endpoint, endpoint, login_of
from slipway.errors import Permanent, Retryable, SlipwayError, why
from slipway.ports import ConnectionSeen, ConnectionState

SECONDS = 10


def check_connections() -> Sequence[ConnectionSeen]:
    """Return one line a connection; what is wrong is told and never raised."""
    return [_checked(conn_id, wanted, look) for conn_id, (wanted, look) in _LOOKS.items()]


def _checked(conn_id: str, wanted: str, look: Callable[[Endpoint], str]) -> ConnectionSeen:
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    try:
        found = endpoint(conn_id)
    except (Permanent, ValueError) as error:
        fix = f"create it in Airflow (Admin, Connections), or set {variable} to its JSON"
        seen = str(error).partition("; ")[0]  # what mends it stands in the fix
        return ConnectionSeen(conn_id, ConnectionState.ABSENT, seen, wanted, fix)
    try:
        return ConnectionSeen(conn_id, ConnectionState.OK, look(found), wanted, "")
    except _Lacking as error:
        return ConnectionSeen(conn_id, ConnectionState.LACKING, str(error), wanted, error.fix)
    except httpx.InvalidURL as error:
        fix = f"correct host and port of {conn_id}; the host begins with http:// or https://"
        return ConnectionSeen(conn_id, ConnectionState.LACKING, why(error), wanted, fix)
    except (Retryable, httpx.TransportError, psycopg.OperationalError) as error:
        told = " ".join(str(error).split())
        fix = f"start the system, or correct host and port of {conn_id}"
        return ConnectionSeen(conn_id, ConnectionState.UNREACHABLE, told, wanted, fix)
    except SlipwayError as error:
        return ConnectionSeen(conn_id, ConnectionState.LACKING, str(error), wanted, f"correct {conn_id}")


class _Lacking(Permanent):
    """The system answers, but does not let us do what we must."""

    def __init__(self, seen: str, fix: str) -> None:
        super().__init__(seen)
        self.fix = fix


def _kafka(found: Endpoint) -> str:
    settings = {str(key): str(value) for key, value in found.extra.items()}
    if not settings.get("bootstrap.servers"):
        raise _Lacking("its extra has no bootstrap.servers", "add it to the connection's extra in Airflow")
    cluster, brokers, operations = KafkaTopics(settings).authority()
    if "CREATE" not in operations:
        raise _Lacking(
            f"cluster {cluster} lets this user only {', '.join(sorted(operations)) or 'nothing'}",
            "give the user CREATE on the cluster (kafka-acls --add --operation Create --cluster)",
        )
    return f"cluster {cluster}, {brokers} broker{'s' if brokers > 1 else ''}, may create topics"


def _registry(found: Endpoint) -> str:
    answer = _get(found, "/subjects", login_of(found))
    return f"{len(answer)} subjects"


def _flink(found: Endpoint) -> str:
    # Flink's API knows no login; the connection's password is for the roles of writers.
    answer = _get(found, "/overview", None)
    return (
        f"Flink {answer['flink-version']}, {answer['slots-available']} of {answer['slots-total']} slots free"
    )


def _get(found: Endpoint, path: str, auth: tuple[str, str] | None) -> Any:
    url = f"{found.host}:{found.port}{found.extra.get('path', '')}{path}"
    answer = httpx.get(url, timeout=SECONDS, auth=auth)
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        fix = f"correct login and password of {found.conn_id}, or give the user access"
        raise _Lacking(f"{url} answers {answer.status_code}", fix)
    if answer.is_client_error and answer.status_code not in _PASSING:
        fix = f"correct host and port of {found.conn_id}, and `path` in its extra"
        raise _Lacking(f"{url} answers {answer.status_code}: no such API is there", fix)
    if not answer.is_success:
        raise Retryable(f"{url} answers {answer.status_code}")
    try:
        return answer.json()
    except ValueError as error:
        raise _Lacking(f"{url} is no such API: {answer.text[:80]!r}", f"correct {found.conn_id}") from error


def _warehouse(found: Endpoint) -> str:
    row = _one(
        found,
        "SELECT has_database_privilege(current_database(), 'CREATE') AS creates, "
        "(SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user) AS makes_roles, "
        "EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') AS reader",
    )
    user = found.login or "the user"
    if not row["creates"]:
        raise _Lacking(
            f"{user} may not create schemas", f"GRANT CREATE ON DATABASE {found.schema} TO {found.login}"
        )
    if not row["makes_roles"]:
        raise _Lacking(f"{user} may not create roles, one for each attempt", f"ALTER ROLE {user} CREATEROLE")
    if not row["reader"]:
        raise _Lacking("there is no role reader for the views", "CREATE ROLE reader LOGIN PASSWORD ...")
    return "may create schemas and roles"


def _ledger(found: Endpoint) -> str:
    row = _one(
        found,
        "SELECT has_database_privilege(current_database(), 'CREATE') AS creates, "
        "to_regclass('slipway.migrations') IS NOT NULL AS there",
    )
    if not row["creates"] and not row["there"]:
        raise _Lacking(
            f"{found.login or 'the user'} may not create the ledger's schema",
            f"GRANT CREATE ON DATABASE {found.schema} TO {found.login}",
        )
    return "the ledger is there" if row["there"] else "may create the ledger"


def _lake(found: Endpoint) -> str:
    row = _one(found, "SELECT has_schema_privilege('public', 'CREATE') AS creates")
    if not row["creates"]:
        raise _Lacking(
            f"{found.login or 'the user'} may not create the catalog's tables",
            f"GRANT CREATE ON SCHEMA public TO {found.login}",
        )
    for key in ("warehouse", "evidence"):
        if not found.extra.get(key):
            raise _Lacking(f"its extra has no {key!r}", "add it to the connection's extra in Airflow")
        _refuse_read_only(str(found.extra[key]), key)
    return f"may create tables, files below {found.extra['warehouse']}"


def _refuse_read_only(place: str, key: str) -> None:
    parsed = urlparse(place)
    if parsed.scheme not in ("", "file"):
        return  # an object store is asked when the first table is made
    folder = Path(parsed.path)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise _Lacking(f"{key} {place} can't be written", f"let the user of Airflow write {folder}")


def _one(found: Endpoint, query: str) -> Mapping[str, Any]:
    try:
        with psycopg.connect(
            host=found.host,
            port=found.port,
            user=found.login,
            password=found.password,
            dbname=found.schema,
            connect_timeout=SECONDS,
            application_name="slipway check",
            row_factory=psycopg.rows.dict_row,
        ) as connection:
            row = connection.execute(query).fetchone()
    except psycopg.OperationalError as error:
        told = refusal(str(error))
        if told is None:
            raise
        raise _Lacking(
            told, f"correct login, password and schema (the database) of {found.conn_id}"
        ) from error
    return row or {}


def refusal(message: str) -> str | None:
    """Return in one line what a Postgres server said when it let nobody in; None when it may yet let us in.

    libpq hands on no SQLSTATE for a connection that failed, so only the words are left.
    """
    _, fatal, told = " ".join(message.split()).partition("FATAL: ")
    if not fatal or any(words in told for words in _STILL_COMING):
        return None
    return f"the server refuses: {told.strip()}"


_PASSING = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)

_STILL_COMING = (
    "starting up",
    "shutting down",
    "recovery mode",
    "not yet accepting",
    "not accepting connections",
    "too many",
    "connection slots",
    "terminating connection",
)
"""What a server says that is only busy, or on its way up or down."""

_LOOKS: Mapping[str, tuple[str, Callable[[Endpoint], str]]] = {
    "slipway_kafka": ("a cluster where topics can be created", _kafka),
    "slipway_registry": ("a Confluent-compatible registry", _registry),
    "slipway_flink": ("Flink's REST API", _flink),
    "slipway_warehouse": ("Postgres where schemas and roles can be created", _warehouse),
    "slipway_ledger": ("Postgres with the ledger, or where it can be created", _ledger),
    "slipway_lake": ("Postgres for the catalog, and folders for files and evidence", _lake),
}
