"""Where the systems are: read from Airflow Connections, which may stand in the environment or in Airflow."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.errors import Permanent


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One Airflow connection. The password is kept out of every representation."""

    conn_id: str
    host: str
    port: int
    login: str
    password: str = field(repr=False)
    schema: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def endpoint(conn_id: str) -> Endpoint:
    """Return the connection of that id.

    Reads AIRFLOW_CONN_<ID> (JSON, as Airflow documents it), so that the command line needs no Airflow
    process; anything else is asked of Airflow. Permanent when it is nowhere, or not JSON.
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    text = os.environ.get(variable)
    if text is not None and text.lstrip().startswith("{"):
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
            raise Permanent(
                f"{variable} is not JSON ({error.msg}); see Airflow's docs on connections"
            ) from error
        extra = raw.get("extra") or {}
        return Endpoint(
            conn_id,
            str(raw.get("host") or ""),
            int(raw.get("port") or 0),
            str(raw.get("login") or ""),
            str(raw.get("password") or ""),
            str(raw.get("schema") or ""),
            json.loads(extra) if isinstance(extra, str) else extra,
        )
    return _from_airflow(conn_id, variable)


def login_of(found: Endpoint) -> tuple[str, str] | None:
    """Return login and password of a connection; None when it has no login."""
    return (found.login, found.password) if found.login else None


def _from_airflow(conn_id: str, variable: str) -> Endpoint:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = BaseHook.get_connection(conn_id)
    except (AirflowNotFoundException, RuntimeError) as error:
        raise Permanent(
            f"there is no Airflow connection {conn_id}; create it in Airflow (Admin, Connections), "
            f"or set {variable} to its JSON"
        ) from error
    return Endpoint(
        conn_id,
        found.host or "",
        found.port or 0,
        found.login or "",
        found.password or "",
        found.schema or "",
        found.extra_dejson,
    )
