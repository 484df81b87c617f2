"""The systems behind the connections, as a plan finds them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ConnectionState(StrEnum):
    """What became of looking at a connection."""

    OK = "ok"
    ABSENT = "absent"
    UNREACHABLE = "unreachable"
    LACKING = "not enough"


@dataclass(frozen=True, slots=True)
class ConnectionSeen:
    """One Airflow connection and the system behind it. fix: what to do; empty when all is well."""

    conn_id: str
    state: ConnectionState
    seen: str
    wanted: str
    fix: str
