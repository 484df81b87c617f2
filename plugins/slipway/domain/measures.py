"""Measures and grain of a KPI, compiled from the contract and written for each engine from one tree.

Aggregates over no events: COUNT and SUM are 0, MIN, MAX and AVG are NULL, in every engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from slipway.domain.contract_file import Function
from slipway.domain.expressions import (
    INTEGERS,
    Column,
    ExpressionError,
    Node,
    columns,
    is_number,
    parse_expression,
)
from slipway.domain.rendering import Dialect, quoted, render, sql_type, text_literal

GRAIN_FUNCTIONS = {"minute": "timestamp", "hour": "timestamp", "day": "date", "week": "date", "month": "date"}
"""Type by function: the beginning of the calendar unit, in the business zone, that holds an instant."""
SUM_SCALE_OF_DOUBLES = 6
"""Doubles are added up as decimals of this scale, so that the order of events can't change a sum."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far batch and stream may differ in one cell; zero is exact. relative: share of the batch value."""

    absolute: Decimal = Decimal(0)
    relative: Decimal = Decimal(0)

    def allows(self, batch: Decimal, stream: Decimal) -> bool:
        """Say whether two values are equal enough; either bound is sufficient."""
        delta = abs(batch - stream)
        return delta <= self.absolute or delta <= self.relative * abs(batch)


@dataclass(frozen=True, slots=True)
class GrainColumn:
    """One column of a KPI's key. function: None for a plain field, else the name of the grain function.

    minutes: width of the bucket of `minute`, which `minutes(15, t)` sets; a divisor of 60.
    """

    name: str
    source: Column
    function: str | None
    type: str
    zone: ZoneInfo
    minutes: int = 1

    def opens_on(self, dialect: Dialect) -> str:
        """Return the SQL of the first business day of a row, over the KPI's own column."""
        column = quoted(self.name, dialect)
        return column if self.type == "date" else _local_day(column, self.zone, dialect)

    def closes_on(self, dialect: Dialect) -> str:
        """Return the SQL of the last business day of a row: the day with which the row closes."""
        match self.function:
            case "week":
                return _later(self.opens_on(dialect), "6", "DAY", dialect)
            case "month":
                return _later(_later(self.opens_on(dialect), "1", "MONTH", dialect), "-1", "DAY", dialect)
            case _:
                return self.opens_on(dialect)

    def sql(self, dialect: Dialect) -> str:
        """Return the expression over event columns that gives this part of the key."""
        source = quoted(self.source.name, dialect)
        if self.function is None:
            return source
        return _local_day(source, self.zone, dialect)


def _local_day(instant: str, zone: ZoneInfo, dialect: Dialect) -> str:
    name = text_literal(zone.key)
    match dialect:
        case "flink":
            # The session's zone (table.local-time-zone) is the contract's.
            return f"CAST({instant} AS DATE)"
        case "duckdb":
            return f"CAST(timezone({name}, {instant}) AS DATE)"
        case "postgres":
            return f"CAST({instant} AT TIME ZONE {name} AS DATE)"


def _later(day: str, count: str, unit: str, dialect: Dialect) -> str:
    if dialect == "flink":
        return f"TIMESTAMPADD({unit}, {count}, {day})"
    return f"CAST({day} + INTERVAL '{count} {unit.lower()}' AS DATE)"


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
        target = sql_type(self.type, dialect)
        match self.function:
            case "count":
                return f"COUNT({value}){only}"
            case "count_distinct":
                return f"COUNT(DISTINCT {value}){only}"
            case "sum":
                # Flink keeps the argument's type and wraps; DuckDB and Postgres widen to types of their own.
                total = f"SUM(CAST({value} AS {target})){only}"
                return f"CAST(COALESCE({total}, 0) AS {target})"
            case "avg":
                total = f"CAST(SUM(CAST({value} AS {self._sum_type(dialect)})){only} AS {target})"
                return f"{total} / NULLIF(COUNT({value}){only}, 0)"
            case "min" | "max":
                return f"{self.function.upper()}({value}){only}"

    def _sum_type(self, dialect: Dialect) -> str:
        if self.argument is None:
            raise ValueError(f"{self.function} of {self.name} needs an argument")
        return sql_type(_sum_type(self.argument.type), dialect)


def _sum_type(kind: str) -> str:
    if kind in INTEGERS:
        return "long"
    if kind == "double":
        return f"decimal(38,{SUM_SCALE_OF_DOUBLES})"
    return f"decimal(38,{kind.rstrip(')').split(',')[1]})"


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
        """True when a grain column comes from a field that may be null; a cell of nulls is a cell like any."""
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


def compile_grain(name: str, text: str, fields: Mapping[str, Column], zone: ZoneInfo) -> GrainColumn:
    """Compile `field` or `function(field)`; ExpressionError names what is known."""
    function, bracket, rest = text.partition("(")
    source_name = rest.rstrip(") ").strip() if bracket else text.strip()
    if source_name not in fields:
        raise ExpressionError(
            f"{text!r}: there is no field {source_name}; known are {', '.join(sorted(fields))}"
        )
    source = fields[source_name]
    if not bracket:
        return GrainColumn(name, source, None, source.type, zone)
    if function.strip() not in GRAIN_FUNCTIONS:
        known = ", ".join(GRAIN_FUNCTIONS)
        raise ExpressionError(f"{text!r}: there is no grain function {function.strip()}; known are {known}")
    if source.type != "timestamp":
        raise ExpressionError(
            f"{text!r}: {function.strip()} needs a timestamp, but {source_name} is {source.type}"
        )
    return GrainColumn(name, source, function.strip(), GRAIN_FUNCTIONS[function.strip()], zone)


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
    if condition is not None and condition.type != "boolean":
        raise ExpressionError(f"{where!r} is {condition.type}, but `where` needs a condition")
    if argument.strip() == "*":
        if function != "count":
            raise ExpressionError(f"{function} of * has no meaning; name a field or an expression")
        return CompiledMeasure(name, function, None, condition, "long", tolerance)
    value = parse_expression(argument, fields)
    if function in ("sum", "avg") and not is_number(value.type):
        raise ExpressionError(f"{argument!r} is {value.type}, but {function} needs a number")
    result = {
        "count": "long",
        "count_distinct": "long",
        "sum": _sum_type(value.type) if is_number(value.type) else "long",
        "avg": "double",
    }.get(function, value.type)
    return CompiledMeasure(name, function, value, condition, result, tolerance)
