"""Late rows that count because somebody decided so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from slipway.domain.contract import Migration
from slipway.ports.records import Amendment

if TYPE_CHECKING:  # brings sqlglot, which the parsing of DAGs does without
    from slipway.domain.measures import CompiledKpi


@dataclass(frozen=True, slots=True)
class AmendedEvent:
    """A late row that counts because somebody decided so; its place tells it from others of its id.

    leaves: the days on which older versions of the id count until then; none with keep: first, and not known
    of a row that counts already. replaces: whether an accepted version was among them, which then counts no
    more; versions that are accepted later count besides. amendment: the decision, once it is applied.
    """

    event_id: str
    business_day: date
    kafka_partition: int
    kafka_offset: int
    leaves: tuple[date, ...] = field(default=(), compare=False)
    replaces: bool = field(default=False, compare=False)
    amendment: int = field(default=0, compare=False)

    @property
    def days(self) -> frozenset[date]:
        """The days whose numbers change when the row counts."""
        return frozenset({self.business_day, *self.leaves})


class LateRows(Protocol):
    """Late rows of closed days, computed from the lake's files without the stream engine."""

    def pick(
        self,
        migration: Migration,
        silver: Sequence[str],
        late: Sequence[str],
        amended: Sequence[AmendedEvent],
        days: Collection[date],
    ) -> Sequence[AmendedEvent]:
        """Return the late rows that count nothing yet and would change no other days than these.

        keep: first: the first row of each id that silver has not. keep: latest: the newest row of each id,
        when it is newer than every version that counts.
        """
        ...

    def fold(
        self,
        migration: Migration,
        kpi: CompiledKpi,
        silver: Sequence[str],
        late: Sequence[str],
        amended: Sequence[AmendedEvent],
        days: Collection[date],
    ) -> Sequence[tuple[Any, ...]]:
        """Return the KPI's rows that close on the days (key, then measures): of silver and amended late rows.

        silver, late: files of all days that such rows hold; with keep: latest of every day.
        """
        ...


class Amendments(Protocol):
    """The warehouse's part of an amendment: side tables, the swap, and its journal."""

    def install(self) -> None:
        """Create stream.amendment and stream.amended_event when absent."""
        ...

    def amended(self, migration: str, revision: int) -> Sequence[AmendedEvent]: ...

    def applied(self, migration: str, amendment_id: int) -> int | None:
        """Return how many rows an amendment let in; None while it is not applied."""
        ...

    def prepare(
        self, migration: Migration, amendment: Amendment, events: Sequence[AmendedEvent], run: str
    ) -> str:
        """Make empty side tables and return the role that alone may write them; ends what an older run left.

        events: every late row that counts, amended now or before; the role may read their places in
        side.<names.side_events>. run: the job's id, from which the role gets a name of its own.
        """
        ...

    def side_rows(self, kpi: CompiledKpi, amendment: Amendment) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a side table that close on the amendment's days: key, then measures."""
        ...

    def swap(
        self, migration: Migration, amendment: Amendment, events: Sequence[AmendedEvent], dag_run: str
    ) -> None:
        """Replace the KPI rows that close on the days by the side tables' and write the journal, at once.

        Doing it again for an amendment that is applied changes nothing.
        """
        ...

    def clean(self, migration: Migration, amendment: Amendment) -> None:
        """Drop the side tables and their writers."""
        ...
