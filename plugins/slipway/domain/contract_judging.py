"""The keys of a contract that say how batch and stream are judged: tolerances, checks, the window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from slipway.domain.contract_types import Model, Name, Share


def _cell_value(value: object) -> object:
    match value:
        case bool():
            return str(value).lower()
        case int() | date():
            return str(value)
        case str() | None:
            return value
    raise ValueError(f"{value!r} tells no cells; write a text, a whole number, a date, true, false or null")


CellValue = Annotated[
    str | None,
    BeforeValidator(_cell_value),
    WithJsonSchema({"type": ["string", "integer", "boolean", "null"]}),
]
"""A value of a key's column as a contract writes it, kept as text; null where the column has no value."""


class SegmentTolerance(Model):
    """Another tolerance for some cells; it replaces the measure's own there."""

    where: Annotated[
        Mapping[str, Annotated[tuple[CellValue, ...], Field(min_length=1)]],
        Field(
            min_length=1,
            description="Columns of the grain, not its time, and the values that the cells have in them;"
            " null for cells without one",
        ),
    ]
    absolute: Annotated[Share, Field(description="Difference of the two values")] = Decimal(0)
    relative: Annotated[Share, Field(description="Difference as a share of batch's value")] = Decimal(0)


class MeasureTolerance(Model):
    """How far a cell of batch and stream may differ; either bound is enough. Without it: not at all."""

    absolute: Annotated[Share, Field(description="Difference of the two values")] = Decimal(0)
    relative: Annotated[Share, Field(description="Difference as a share of batch's value")] = Decimal(0)
    segments: Annotated[
        tuple[SegmentTolerance, ...],
        Field(description="Other tolerances for some cells; the first entry that fits a cell holds"),
    ] = ()


class Warn(Model):
    """From where on a night that passes says that it came close; nothing is said without a threshold."""

    tolerance_used: Annotated[
        Share, Field(le=1, description="Share of a cell's tolerance that a difference takes up")
    ] = Decimal("0.8")
    late: Annotated[Share | None, Field(description="Share of a closed day's events that came late")] = None
    rejected: Annotated[Share | None, Field(description="Share of all records that the decoder rejected")] = (
        None
    )
    duplicates: Annotated[Share | None, Field(description="Share of all records that were duplicates")] = None


class Reconcile(Model):
    """How the nightly comparison is made and judged."""

    engine: Annotated[
        Literal["duckdb", "flink"],
        Field(
            description="What folds silver for the comparison: this machine, or a batch job on the cluster"
        ),
    ] = "duckdb"
    hidden: Annotated[
        Literal["warn", "fail"],
        Field(description="What differing events make of a night when they cancel out in every measure"),
    ] = "warn"
    closed_days: Annotated[
        int, Field(ge=1, description="Closed days that a night must have compared to say anything")
    ] = 1
    target_loss: Annotated[
        Share,
        Field(
            lt=1,
            description="Share of a measure that late events may cost; the report says which"
            " accept_late keeps to it",
        ),
    ] = Decimal("0.001")
    warn: Annotated[Warn, Field(description="From where on a passing night warns")] = Warn()


def _kind(value: object) -> object:
    if isinstance(value, date) or value in ("month_end", "weekly_cycle"):
        return value
    raise ValueError(
        f"{value!r} is no kind of day; write month_end, weekly_cycle or a date such as 2026-11-27"
    )


Kind = Annotated[
    Literal["month_end", "weekly_cycle"] | date,
    PlainValidator(_kind),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": ["month_end", "weekly_cycle"]},
                {"type": "string", "format": "date"},
            ]
        }
    ),
]
"""A kind of day, or one day by its date."""


class Expectation(Model):
    """One more check of data quality, by Great Expectations, beside those that follow from the contract."""

    of: Annotated[
        Literal["silver", "comparison", "serving"],
        Field(
            description="What is looked at: accepted events, the compared rows, or the rows that are served"
        ),
    ]
    kpi: Annotated[
        Name | None, Field(description="Whose rows; needed for comparison and serving with several KPIs")
    ] = None
    expect: Annotated[
        str,
        Field(
            pattern=r"^expect_[a-z_]{1,100}$",
            description="The expectation's name, such as expect_column_values_to_be_between",
        ),
    ]
    arguments: Annotated[
        Mapping[str, str | int | float | bool | tuple[str | int | float | bool | None, ...] | None],
        Field(alias="with", description="The expectation's arguments, such as column and min_value"),
    ] = {}
    otherwise: Annotated[
        Literal["warn", "fail"], Field(description="What a night is when it does not hold")
    ] = "fail"


class Observe(Model):
    """How many closed days must agree in a row, and which kinds of day must be among them."""

    closed_days: Annotated[
        int, Field(ge=1, description="Closed days in a row on which batch and stream agree")
    ] = 5
    including: Annotated[
        tuple[Kind, ...],
        Field(
            description="Kinds of day that must be among them (month_end; weekly_cycle: one of each day of"
            " the week), and dates by name"
        ),
    ] = ()
