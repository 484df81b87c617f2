"""Measures and grain of a KPI, compiled from the contract and written for each engine from one tree.

Aggregates over no events: COUNT and SUM are 0, MIN, MAX and AVG are NULL, in every engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from slipway.domain.cells import Where, fits
from slipway.domain.contract_file import Function
from slipway.domain.conversions import double_as_decimal, widen
from slipway.domain.dialects import Dialect, quoted, sql_type
from slipway.domain.expressions import parse_expression
from slipway.domain.grain import GRAIN_FUNCTIONS, GrainColumn, compile_grain
from slipway.domain.number_types import (
    DOUBLE_AS_DECIMAL,
    DOUBLE_SCALE,
    MOST_DIGITS,
    decimal,
    digits,
    is_number,
    scale,
    stored,
)
from slipway.domain.rendering import bounded, in_byte_order, render
from slipway.domain.tree import Column, ExpressionError, Node, columns

__all__ = [
    "GRAIN_FUNCTIONS",
    "Bound",
    "CompiledKpi",
    "CompiledMeasure",
    "Function",
    "GrainColumn",
    "Tolerance",
    "compile_grain",
    "compile_measure",
]

ROOM_DIGITS = 10
"""Digits that a sum keeps free for how many events one cell has: up to 10^10."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How far batch and stream may differ in the cells that `where` tells; relative: of batch's value."""

    where: Where
    absolute: Decimal
    relative: Decimal


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far batch and stream may differ in one cell; zero is exact. relative: share of the batch value.

    segments: bounds for some cells; the first one that fits a cell replaces the measure's own there.
    """

    absolute: Decimal = Decimal(0)
    relative: Decimal = Decimal(0)
    segments: tuple[Bound, ...] = ()

    @property
    def exact(self) -> bool:
        """True when no cell may differ at all."""
        return not any((self.absolute, self.relative, *(b.absolute or b.relative for b in self.segments)))

    def at(self, cell: Mapping[str, str | None]) -> Tolerance:
        """Return the tolerance of one cell, told by its key's values as text."""
        bound = next((bound for bound in self.segments if fits(bound.where, cell)), None)
        return Tolerance(bound.absolute, bound.relative) if bound else Tolerance(self.absolute, self.relative)

    def allows(self, batch: Decimal, stream: Decimal) -> bool:
        """Say whether two values are equal enough; either bound is sufficient."""
        delta = abs(batch - stream)
        return delta <= self.absolute or delta <= self.relative * abs(batch)


@dataclass(frozen=True, slots=True)
class CompiledMeasure:
    """One measure. argument: None for COUNT(*). type: of the result, in the contract's terms."""

    name: str
    function: Function
    argument: Node | None
    where: Node | None
    type: str
    tolerance: Tolerance

    @property
    def additive(self) -> bool:
        """True when values of disjoint sets of events add up."""
        return self.function in ("count", "sum")

    @property
    def zero(self) -> int | None:
        """The measure over no events."""
        return 0 if self.function in ("count", "count_distinct", "sum") else None

    def sql(self, dialect: Dialect) -> str:
        """Return the aggregate over event columns."""
        only = f" FILTER (WHERE {render(self.where, dialect)})" if self.where else ""
        if self.argument is None:
            return f"COUNT(*){only}"
        value = render(self.argument, dialect)
        match self.function:
            case "count":
                return f"COUNT({value}){only}"
            case "count_distinct":
                return f"COUNT(DISTINCT {self.distinct(dialect)[0]}){only}"
            case "sum":
                total = self._total(self.argument, only, dialect)
                return f"CAST(COALESCE({total}, 0) AS {sql_type(self.type, dialect)})"
            case "avg":
                kind = _sum_type(self.argument.type)
                total = widen(self._total(self.argument, only, dialect), kind, "double", dialect)
                counted = bounded(value) if self.argument.type == "double" else value
                return f"{total} / NULLIF(COUNT({counted}){only}, 0)"
            case "min" | "max":
                kept = bounded(value) if self.argument.type == "double" else value
                return f"{self.function.upper()}({in_byte_order(kept, self.type, dialect)}){only}"

    def distinct(self, dialect: Dialect) -> tuple[str, str]:
        """Return the value of which different ones are counted, and on which condition; empty without one."""
        if self.argument is None:
            raise ExpressionError(f"{self.name} counts events, and they have no values to tell apart", "*")
        value = render(self.argument, dialect)
        if self.argument.type == "double":
            # Minus zero is zero, though Flink would count it beside.
            value = f"CASE WHEN {value} = 0 THEN 0 ELSE {value} END"
        return value, render(self.where, dialect) if self.where else ""

    def _total(self, argument: Node, only: str, dialect: Dialect) -> str:
        """Return the sum; each addend is widened first, for Flink would keep its type and wrap."""
        value, kind = render(argument, dialect), _sum_type(argument.type)
        if argument.type == "double":
            value = double_as_decimal(bounded(value), DOUBLE_AS_DECIMAL, dialect)
        elif dialect == "duckdb" and self.function == "sum" and argument.type in ("int", "long"):
            return f"SUM({value}){only}"  # is of 128 bits as it is, and half as dear
        return f"SUM(CAST({value} AS {sql_type(kind, dialect)})){only}"


def _sum_type(kind: str) -> str:
    if kind == "int":
        return "long"
    return f"decimal({MOST_DIGITS},{DOUBLE_SCALE if kind == 'double' else scale(kind)})"


@dataclass(frozen=True, slots=True)
class CompiledKpi:
    """A KPI that every engine can compute. time: the grain column that says when a row closes."""

    name: str
    grain: tuple[GrainColumn, ...]
    measures: tuple[CompiledMeasure, ...]
    segments: tuple[str, ...]
    time: GrainColumn

    @property
    def key_may_hold_null(self) -> bool:
        """True when a grain column comes from a field that may be null; a cell of nulls is a cell too."""
        return any(part.source.nullable for part in self.grain)

    @property
    def uses(self) -> frozenset[str]:
        """Event columns that the KPI reads, dimension columns (`planes__seats`) included."""
        read = {part.source.name for part in self.grain}
        for measure in self.measures:
            for node in (measure.argument, measure.where):
                if node is not None:
                    read.update(column.name for column in columns(node))
        return frozenset(read)

    def measure(self, name: str) -> CompiledMeasure:
        """Return a measure by name; KeyError when the KPI has none of that name."""
        return next(measure for measure in self.measures if measure.name == name)

    def select(self, dialect: Dialect) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Return ([(grain column, expression)], [(measure, aggregate)]) over event columns."""
        grain = [(part.name, part.sql(dialect)) for part in self.grain]
        return grain, [(measure.name, measure.sql(dialect)) for measure in self.measures]

    def fold(self, dialect: Dialect, relation: str, extra: Sequence[tuple[str, str]] = ()) -> str:
        """Return the query that computes the KPI from a relation of events.

        relation: SQL of a FROM item (quoted table name or parenthesised query with an alias).
        extra: further (name, expression) pairs to group by, before the grain.
        """
        grain, measures = self.select(dialect)
        keys = [*extra, *grain]
        wanted = ", ".join(f"{sql} AS {quoted(name, dialect)}" for name, sql in [*keys, *measures])
        by = ", ".join(sql for _, sql in keys)
        return f"SELECT {wanted} FROM {relation} GROUP BY {by}"  # noqa: S608  (rendered and quoted above)

    def column_types(self) -> list[tuple[str, str]]:
        """Return (name, type) of the KPI's table: the key first, then the measures."""
        return [(part.name, part.type) for part in self.grain] + [(m.name, m.type) for m in self.measures]


def compile_measure(
    name: str,
    function: Function,
    argument: str,
    where: str | None,
    tolerance: Tolerance,
    fields: Mapping[str, Column],
) -> CompiledMeasure:
    """Compile one measure; ExpressionError says which part does not fit and why."""
    condition = parse_expression(where, fields) if where else None
    if where and condition is not None and condition.type != "boolean":
        raise ExpressionError(f"{where!r} is {condition.type}, but `where` needs a condition", where)
    if argument.strip() == "*":
        if function != "count":
            raise ExpressionError(f"{function} of * has no meaning; name a field or an expression", argument)
        return CompiledMeasure(name, function, None, condition, "long", tolerance)
    value = parse_expression(argument, fields)
    _check_argument(function, argument, value.type)
    result = {
        "count": "long",
        "count_distinct": "long",
        "sum": _sum_type(value.type) if is_number(value.type) else "long",
        "avg": "double",
    }.get(function, stored(value.type))
    return CompiledMeasure(name, function, value, condition, result, tolerance)


def _check_argument(function: Function, text: str, kind: str) -> None:
    """Refuse what a function has no answer for; ExpressionError names the type seen."""
    if kind == "null":
        raise ExpressionError(f"{text!r} is always NULL", text)
    if function in ("min", "max") and kind == "boolean":
        raise ExpressionError(
            f"{text!r} is boolean, but {function} needs an order; count the true ones: count with where",
            text,
        )
    if function not in ("sum", "avg"):
        return
    if not is_number(kind):
        raise ExpressionError(f"{text!r} is {kind}, but {function} needs a number", text)
    if kind != "double" and digits(kind) + ROOM_DIGITS > MOST_DIGITS:
        most = decimal(MOST_DIGITS - ROOM_DIGITS, scale(kind))
        raise ExpressionError(
            f"{text!r} is {kind}, and {function} over many events may need more than {MOST_DIGITS} digits; "
            f"CAST it to {most} at most",
            text,
        )
