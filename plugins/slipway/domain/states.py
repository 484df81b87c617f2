"""States of a migration and the blockers that keep it from the next one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a migration stands on its rail."""

    DRAFT = "DRAFT"
    CONTRACTED = "CONTRACTED"
    PROVISIONED = "PROVISIONED"
    HYDRATING = "HYDRATING"
    SHADOW = "SHADOW"
    ELIGIBLE = "ELIGIBLE"
    ARMED = "ARMED"
    CANARY = "CANARY"
    SWITCHED = "SWITCHED"
    COMPLETED = "COMPLETED"
    FALLBACK = "FALLBACK"
    HELD = "HELD"
    ROLLED_BACK = "ROLLED_BACK"
    ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that keeps a migration where it is, with what a person can do about it."""

    code: str
    what: str
    seen: str
    needed: str
    fix: str
