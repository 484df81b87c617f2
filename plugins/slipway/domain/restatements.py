"""What has happened to numbers after people had signed them as final: each moved value, and why it moved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from slipway.domain.evidence import Cause, Digest, canonical
from slipway.domain.exact import plain
from slipway.domain.periods import Period

Value = int | Decimal | None


class Reason(StrEnum):
    """Why a value of a closed period is not what was signed."""

    AMENDMENT = "amendment"
    REVISION = "revision"
    BASELINE = "baseline"
    RETURNED = "returned"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class PeriodClose:
    """A period whose numbers people have signed as final; the newest close of a period counts.

    digest: the evidence of its close run. revision: of the stream, at the close. signed_by: people by role.
    last_word: the sign-off that made the quorum whole. supersedes: the close before, None for the first.
    at: UTC.
    """

    id: int
    migration: str
    period: Period
    digest: Digest
    revision: int
    signed_by: Mapping[str, Sequence[str]]
    by: str
    at: datetime
    last_word: int = 0
    supersedes: int | None = None


@dataclass(frozen=True, slots=True)
class KeptRows:
    """The rows of one KPI as they were signed. measures: {name: (function, type)} in the file's order."""

    rows: Digest
    grain: tuple[str, ...]
    measures: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """A close with what its evidence kept. begins: parity.from at that time; amendments: applied by then."""

    close: PeriodClose
    begins: date
    amendments: frozenset[int]
    kpis: Mapping[str, KeptRows]


@dataclass(frozen=True, slots=True)
class Moved:
    """A value of a closed period that is not what was signed.

    day: the business day with which its row closes. side: batch or stream. was, now: None where there is no
    row, or no value.
    """

    close: int
    kpi: str
    cell: Mapping[str, str | None]
    day: date
    measure: str
    side: str
    was: Value
    now: Value


@dataclass(frozen=True, slots=True)
class Restatement:
    """A moved value with its cause. id, digest, at: of the ledger's row and the evidence that found it."""

    close: int
    period: str
    closed_digest: Digest
    kpi: str
    cell: Mapping[str, str | None]
    day: date
    measure: str
    side: str
    was: str | None
    now: str | None
    cause: Reason
    reason: str
    id: int = 0
    digest: Digest | None = field(default=None, compare=False)
    at: datetime | None = field(default=None, compare=False)

    @property
    def place(self) -> tuple[object, ...]:
        """What tells it from other values. was belongs to it: masked cells may look the same."""
        return self.close, self.kpi, canonical(self.cell), self.day, self.measure, self.side, self.was

    @property
    def row(self) -> str:
        """The key of its row in words: day 2013-02-27, origin LGA."""
        return ", ".join(
            f"{column} {'none' if value is None else value}" for column, value in sorted(self.cell.items())
        )

    @property
    def stands(self) -> bool:
        """False when the value is again what was signed."""
        return self.cause is not Reason.RETURNED


@dataclass(frozen=True, slots=True)
class AmendmentSeen:
    """An amendment that readers see. days: with which the rows close that it has changed."""

    id: int
    days: Collection[date]
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Walk:
    """Causes that tonight's comparison of a KPI has found, by cell and measure, and by day and measure.

    whole: every differing cell is among cells; else only the largest differences are.
    """

    cells: Mapping[tuple[bytes, str], Collection[str]]
    days: Mapping[tuple[date, str], Collection[str]]
    whole: bool


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a night, from which causes are told.

    rebuilt: the batch side was built anew since it was last looked at. amendments: that readers see.
    walks: of the KPIs that were compared tonight.
    """

    revision: int
    dbt_run: str
    rebuilt: bool
    amendments: Sequence[AmendmentSeen] = ()
    walks: Mapping[str, Walk] = field(default_factory=dict)

    def causes(self, moved: Moved) -> Collection[str]:
        """Return why batch and stream differ there tonight; none where they agree or were not compared."""
        walk = self.walks.get(moved.kpi)
        if walk is None:
            return ()
        found = walk.cells.get((canonical(moved.cell), moved.measure))
        if found is None and not walk.whole:
            return walk.days.get((moved.day, moved.measure), ())
        return found or ()


def text(value: Value) -> str | None:
    """Return a value as it is written down: without exponent or trailing zeros."""
    if value is None:
        return None
    return plain(value) if isinstance(value, Decimal) else str(value)


def told(
    moved: Iterable[Moved],
    closed: Mapping[int, ClosedPeriod],
    known: Iterable[Restatement],
    seen: Circumstances,
) -> tuple[list[Restatement], list[Restatement]]:
    """Return what differs from the signed numbers tonight, and which rows the ledger lacks of it.

    known: the ledger's rows of these closes, oldest first. A value that stands where its newest row left it
    keeps that row's cause; one that moved again, or back to what was signed, gives a new row.
    """
    newest: dict[tuple[object, ...], Restatement] = {row.place: row for row in known if row.close in closed}
    standing, new = [], []
    for one in moved:
        found = _restated(one, closed[one.close], seen)
        before = newest.pop(found.place, None)
        if before is not None and before.now == found.now:
            standing.append(before)
            continue
        standing.append(found)
        new.append(found)
    for before in newest.values():
        if before.stands:
            what = "the value is again what was signed"
            new.append(_again(before, what))
    return standing, new


def cause_of(moved: Moved, closed: ClosedPeriod, seen: Circumstances) -> tuple[Reason, str]:
    """Return why a value has moved, with a sentence."""
    causes = seen.causes(moved)
    if moved.side == "batch":
        if not seen.rebuilt:
            return Reason.UNEXPLAINED, (
                f"the batch row has changed, and no baseline was built since it was last looked at"
                f" (dbt run {seen.dbt_run})"
            )
        rebuilt = f"the batch model was rebuilt with other numbers in dbt run {seen.dbt_run}"
        if causes:
            rebuilt += f"; there it differs from the stream by {', '.join(causes).replace('_', ' ')}"
        return Reason.BASELINE, rebuilt
    if Cause.ENGINE in causes:
        return Reason.UNEXPLAINED, "the serving table is not what its events add up to"
    changed = seen.revision != closed.close.revision
    before = frozenset[int]() if changed else closed.amendments
    for amendment in seen.amendments:
        if amendment.id not in before and moved.day in amendment.days:
            return Reason.AMENDMENT, f"amendment {amendment.id} by {amendment.by}: {amendment.reason}"
    if changed:
        return Reason.REVISION, (
            f"revision {seen.revision} serves now, the period was closed on revision {closed.close.revision}"
        )
    return Reason.UNEXPLAINED, "no amendment or revision since the close accounts for it"


def document_of(one: Restatement) -> dict[str, Any]:
    """Return what evidence says of a restatement."""
    return {
        "period": one.period,
        "closed_digest": one.closed_digest,
        "kpi": one.kpi,
        "cell": dict(one.cell),
        "day": one.day,
        "measure": one.measure,
        "side": one.side,
        "was": one.was,
        "now": one.now,
        "cause": one.cause,
        "reason": one.reason,
    }


def _restated(moved: Moved, closed: ClosedPeriod, seen: Circumstances) -> Restatement:
    cause, reason = cause_of(moved, closed, seen)
    return Restatement(
        moved.close,
        closed.close.period.name,
        closed.close.digest,
        moved.kpi,
        moved.cell,
        moved.day,
        moved.measure,
        moved.side,
        text(moved.was),
        text(moved.now),
        cause,
        reason,
    )


def _again(before: Restatement, reason: str) -> Restatement:
    return Restatement(
        before.close,
        before.period,
        before.closed_digest,
        before.kpi,
        before.cell,
        before.day,
        before.measure,
        before.side,
        before.was,
        before.was,
        Reason.RETURNED,
        reason,
    )
