"""What readers of the warehouse see, and the routes that decide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.errors import Retryable
from slipway.ports.records import Actor


class Source(StrEnum):
    """Which side readers of a KPI get."""

    BATCH = "batch"
    CANARY = "canary"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Route:
    """The row that decides what readers of one KPI see.

    canary: segment values by segment column, served by the stream while source is CANARY.
    from_period: business days before it stay on batch. epoch: raised by every change.
    """

    kpi: str
    source: Source
    revision: int | None
    canary: Mapping[str, Sequence[str]]
    from_period: date
    epoch: int


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """One line of serving.switch_log: the point of no return of a change of routes.

    begun: when the transaction began; not in the ledger's mirror.
    """

    id: int
    migration: str
    kpi: str
    epoch: int
    action: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    evidence: Digest | None
    by: str
    reason: str
    dag_run: str
    at: datetime
    begun: datetime | None = field(default=None, compare=False)

    @property
    def seconds(self) -> float | None:
        """How long the transaction had been open when it wrote this line; None for a line without a start."""
        return None if self.begun is None else (self.at - self.begun).total_seconds()


class EpochMoved(Retryable):
    """A route was changed by somebody else since it was read; nothing was written."""


@dataclass(frozen=True, slots=True)
class RouteChange:
    """A wished change of one route, bound to the epoch that was seen."""

    seen: Route
    source: Source
    revision: int | None
    canary: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class ReaderChange:
    """How batch and stream differ in one KPI where a route moves readers; open days included.

    measures: by measure, in how many rows it differs and by how much in all (stream minus batch, as text).
    """

    kpi: str
    rows: int
    changed: int
    only_in_batch: int
    only_in_stream: int
    measures: Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Served:
    """What a reader of one KPI gets now. rows: by served_from; strays: rows that its route does not give."""

    kpi: str
    rows: Mapping[str, int]
    strays: int


@dataclass(frozen=True, slots=True)
class Published:
    """What the warehouse has of one KPI.

    owner: the migration that its route belongs to; None without a route.
    wrong: a sentence for each column of its tables that is not as the contract makes it.
    """

    kpi: str
    view: bool
    owner: str | None
    wrong: tuple[str, ...] = ()


class Serving(Protocol):
    """What readers see: the routed views, the routes and their journal, in the warehouse."""

    def install(self) -> None:
        """Create schemas serving, stream and batch, route and switch_log when absent."""
        ...

    def publish(self, migration: Migration, revisions: Sequence[int]) -> None:
        """(Re)create serving.<kpi> with a branch for batch and for each revision, and its route row.

        Branches that it has already are kept. Creates batch.<kpi> and stream.<kpi>__r<N> where absent.
        """
        ...

    def published(self, migration: Migration) -> Sequence[Published]:
        """Look at the view, the route and the tables of every KPI; nothing is changed."""
        ...

    def routes(self, kpis: Sequence[str]) -> Sequence[Route]: ...

    def change(
        self,
        migration: str,
        changes: Sequence[RouteChange],
        action: str,
        evidence: Digest | None,
        by: Actor,
        reason: str,
    ) -> Sequence[SwitchRow]:
        """Change all routes and write their journal in one transaction; EpochMoved when one has moved."""
        ...

    def journal(self, migration: str, after_id: int = 0) -> Sequence[SwitchRow]:
        """Return rows of serving.switch_log, oldest first."""
        ...

    def batch_through(self, migration: Migration) -> Mapping[str, date | None]:
        """Return the newest business day of each batch table; None when it is empty."""
        ...

    def reader_changes(self, migration: Migration, revision: int) -> Sequence[ReaderChange]:
        """Compare both sides of every KPI from its from_period on, as readers would see them."""
        ...

    def served(self, migration: Migration) -> Sequence[Served]:
        """Read every KPI's view as a reader does and hold it against its route."""
        ...
