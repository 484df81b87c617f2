"""The walk of causes: how a difference between batch and stream is split into parts that sum to it exactly.

Source: one change at a time. With f = a KPI's fold and E0..E11 = the event sets of the walk, from the batch's
events to the stream's, batch - stream = (batch - f(E0)) + sum(f(E[k-1]) - f(E[k])) + (f(E11) - stream).
The sum telescopes for any fold: counts, sums, distinct counts, minima, maxima and averages alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from slipway.domain.avro import Field
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance, Cause, Digest
from slipway.domain.lateness import Advice
from slipway.domain.waivers import Used
from slipway.errors import Permanent

if TYPE_CHECKING:  # brings sqlglot, which the parsing of DAGs does without
    from slipway.domain.measures import CompiledKpi, CompiledMeasure

STEPS: tuple[Cause, ...] = tuple(cause for cause in Cause if cause not in (Cause.DEFINITION, Cause.ENGINE))
"""Causes that change the set of events, in the order of the walk; the step of a cause counts from 1."""

SCALE_OF_DOUBLES = 6
"""Doubles are compared as decimals of this scale."""

LARGEST_DOUBLE = 24
"""Doubles from 10 to the power of this on, the infinities and NaN are compared as if they were that number.

No KPI that an engine folds has such values (see domain/number_types.py), but a table may hold them.
"""


def step_of(cause: Cause) -> int:
    """Return the number of the event set in which a cause has taken effect; 0 is the batch's own set."""
    return STEPS.index(cause) + 1


def compared_columns(migration: Migration, kpi: CompiledKpi) -> tuple[str, ...]:
    """Return the event columns on which the two sides must agree for a KPI: its own, and the time."""
    return tuple(sorted(kpi.uses | {migration.contract.events.time}))


def step_of_column(migration: Migration, column: str) -> int:
    """Return from which step on an event that both sides have takes the stream's value of a column."""
    if column == migration.contract.events.time:
        return step_of(Cause.TIME_BUCKET)
    dimensions = {f"{name}__{field}" for name, field, _ in migration.dimension_fields}
    return step_of(Cause.DIMENSION if column in dimensions else Cause.VALUE)


def scale_of(measure: CompiledMeasure) -> int:
    """Return with how many decimal places a measure is compared; Permanent for text."""
    kind = measure.type
    if kind.startswith("decimal"):
        return int(kind.rstrip(")").split(",")[1])
    if kind == "string":
        raise Permanent(
            f"measure {measure.name} is a {measure.function} of text, and texts have no difference that sums."
            " Compare a number or an instant instead, or leave the measure out of the contract"
        )
    return SCALE_OF_DOUBLES if kind == "double" else 0


def error_of(measure: CompiledMeasure) -> str:
    """Return how exactly a measure's values are compared, in words; empty when to the last digit."""
    if measure.type == "double":
        return (
            f"values are rounded to {SCALE_OF_DOUBLES} decimal places, each side alike: a difference of"
            f" 0.{'1'.rjust(SCALE_OF_DOUBLES, '0')} or more always shows, and is shown to within as much"
        )
    if measure.function == "sum" and measure.argument is not None and measure.argument.type == "double":
        return (
            f"each addend is rounded to {SCALE_OF_DOUBLES} decimal places, each side alike, and these are"
            f" summed exactly: at most 0.{'5'.rjust(SCALE_OF_DOUBLES + 1, '0')} an event off the doubles' sum"
        )
    return ""


def column_type(migration: Migration, column: str) -> str:
    """Return the contract's type of an event column or of a dimension's column."""
    found: Field | None = migration.schema.field(column)
    if found is not None:
        return found.type
    return next(kind for name, field, kind in migration.dimension_fields if f"{name}__{field}" == column)


def lateness_bounds(migration: Migration) -> list[int]:
    """Return the bounds of the lateness classes and the accepted lateness, in seconds, ascending."""
    parity = migration.contract.parity
    return sorted({int(bound.total_seconds()) for bound in (*parity.lateness_classes, parity.accept_late)})


Number = int | Decimal | None
"""A measure's value: whole where the measure is, None for a minimum, maximum or average of nothing."""


@dataclass(frozen=True, slots=True)
class DayTotal:
    """One measure on one business day, over all cells.

    cells: rows of the KPI. tolerated, beyond: cells that differ inside and outside the tolerance.
    engine: cells in which serving is not the fold of silver, beyond the tolerance.
    batch, recomputed, stream: sums over the cells.
    waived: cells beyond the tolerance that waivers cover. close: tolerated ones that nearly use it up.
    """

    day: date
    measure: str
    cells: int
    tolerated: int
    beyond: int
    engine: int
    batch: Number
    recomputed: Number
    stream: Number
    waived: int = 0
    close: int = 0


@dataclass(frozen=True, slots=True)
class CauseTotal:
    """A cause's share of a measure's difference on one day. net: summed over cells; gross: of magnitudes."""

    day: date
    measure: str
    cause: Cause
    net: Number
    gross: Number


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure in one cell that differs. shares: by cause; they sum to batch - stream.

    A share is zero where the cause made a zero of nothing, or nothing of a zero. remainder: what the shares
    leave over, always zero unless the comparison itself is broken.
    """

    cell: Mapping[str, str | None]
    day: date
    measure: str
    batch: Number
    recomputed: Number
    stream: Number
    beyond: bool
    shares: Mapping[Cause, Number]
    remainder: Number


@dataclass(frozen=True, slots=True)
class Example:
    """Events by which a cause touches a cell. ids: at most ten, sorted; events: how many there are."""

    cell: Mapping[str, str | None]
    day: date
    cause: Cause
    events: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CauseEvents:
    """How many events a cause touches on one day, over all differing cells."""

    day: date
    cause: Cause
    events: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What a measure would have lost had only arrivals below a bound counted.

    bound: seconds after the end of the period. total: over all events, late ones included.
    """

    bound: int
    measure: str
    lost: Number
    total: Number


@dataclass(frozen=True, slots=True)
class ComparedKpi:
    """What the comparison of one KPI found.

    listed: broken cells, then the largest differences; `differing` counts all of them.
    crowded: cells that one side holds in several rows, which no comparison can make sense of.
    broken: cells and measures whose walk does not start or end where it must; any is an ERROR.
    rows, events: kept Parquet files, by digest. used: what each waiver's cause comes to.
    """

    days: tuple[DayTotal, ...]
    causes: tuple[CauseTotal, ...]
    listed: tuple[Difference, ...]
    touched: tuple[CauseEvents, ...]
    examples: tuple[Example, ...]
    losses: tuple[Loss, ...]
    cells: int
    differing: int
    walked: int
    crowded: int
    broken: int
    rows: Digest
    events: Digest
    used: tuple[Used, ...] = ()


@dataclass(frozen=True, slots=True)
class Hidden:
    """Events that differ although their cells agree. kind: batch_only, stream_only, differs, copies."""

    model: str
    day: date
    kind: str
    events: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LatenessClass:
    """How many events arrived from `after` to below `before` seconds after the end of their period."""

    after: int | None
    before: int | None
    events: int


@dataclass(frozen=True, slots=True)
class Compared:
    """Everything that one comparison found. folded_by: who folded silver; empty when the comparison did.

    late_of_days: (late events, all events) by closed day. advice: which accept_late would lose how much.
    amended: the kept places of late rows that count; None where nothing was amended.
    """

    kpis: Mapping[str, ComparedKpi]
    hidden: tuple[Hidden, ...]
    lateness: tuple[LatenessClass, ...]
    folded_by: str = ""
    late_of_days: Mapping[date, tuple[int, int]] = field(default_factory=dict)
    advice: Advice | None = None
    amended: Digest | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """Where the records below a cut are. Every number is counted from rows, none is a remainder.

    absent: offsets that bronze lacks, by partition. unaccounted: records of bronze that no table took.
    last_arrival: largest arrival seen in bronze, by partition, UTC.
    backwards: (partition, offset) of records that arrived before the record in front of them, at most ten.
    """

    balance: Balance
    absent: Mapping[int, int]
    unaccounted: int
    last_arrival: Mapping[int, datetime]
    backwards: Sequence[tuple[int, int]]

    @property
    def missing(self) -> int:
        """Records that are not where they must be yet."""
        return sum(self.absent.values()) + self.unaccounted
