"""The batch side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BaselineRun:
    """One dbt build. nodes: (unique id, status, seconds, message); ok is False when any of them failed."""

    run_id: str
    as_of: datetime
    ok: bool
    nodes: tuple[tuple[str, str, float, str], ...]


class Baseline(Protocol):
    """The batch side; every build leaves a row in batch.slipway_run, which the cut pins."""

    def begin(self, migration: str, as_of: datetime, loaded_through: datetime, at: datetime, by: str) -> str:
        """Record that the batch tables are about to change; returns the run's id."""
        ...

    def build(self, migration: str, as_of: datetime, run_id: str) -> BaselineRun:
        """Build the models and run their tests; Retryable when another build runs or the warehouse left."""
        ...

    def finish(self, run: BaselineRun, at: datetime) -> None:
        """Record how the run went; only then may something be compared with its rows."""
        ...
