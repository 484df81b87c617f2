"""The key of a KPI: fields, and the calendar units of the business time zone that hold an instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlglot import exp

from slipway.domain.dialects import Dialect, quoted, text_literal
from slipway.domain.expressions import SqlReader, parsed, shown
from slipway.domain.tree import Column

GRAIN_FUNCTIONS = {
    "minute": "timestamp",
    "minutes": "timestamp",
    "hour": "timestamp",
    "day": "date",
    "week": "date",
    "month": "date",
}
"""Type by function: the beginning of the calendar unit, in the business zone, that holds an instant."""
_HOUR = 60


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
        match self.function:
            case None:
                return source
            case "minute" | "minutes":
                return _bucket(source, self.minutes, self.zone, dialect)
            case "hour":
                return _bucket(source, _HOUR, self.zone, dialect)
            case "week":
                return _monday(_local_day(source, self.zone, dialect), dialect)
            case "month":
                return _first_of_month(_local_day(source, self.zone, dialect), dialect)
            case _:
                return _local_day(source, self.zone, dialect)


def _local_day(instant: str, zone: ZoneInfo, dialect: Dialect) -> str:
    if dialect == "flink":
        # The session's zone (table.local-time-zone) is the contract's.
        return f"CAST({instant} AS DATE)"
    return f"CAST({_local(instant, zone, dialect)} AS DATE)"


def _local(instant: str, zone: ZoneInfo, dialect: Dialect) -> str:
    """Return the wall clock's date and time; in Flink, the zone is the session's."""
    if dialect == "flink":
        return f"CAST({instant} AS TIMESTAMP(6))"
    return f"timezone({text_literal(zone.key)}, {instant})"


def _bucket(instant: str, minutes: int, zone: ZoneInfo, dialect: Dialect) -> str:
    """Return the instant at which the local unit began: the instant minus what the clock shows beyond it.

    Nothing goes from the clock back to an instant, so the hour that comes twice in autumn stays two hours.
    """
    local = _local(instant, zone, dialect)
    match dialect:
        case "flink":
            # Counted from the clock's midnight: EXTRACT is wrong for instants before 1970.
            midnight = f"CAST(CAST({instant} AS DATE) AS TIMESTAMP(6))"
            beyond = f"MOD(TIMESTAMPDIFF(SECOND, {midnight}, FLOOR({local} TO SECOND)), {minutes * 60})"
            return f"CAST(TIMESTAMPADD(SECOND, -({beyond}), FLOOR({instant} TO SECOND)) AS TIMESTAMP_LTZ(6))"
        case "duckdb":
            micros = minutes * 60_000_000
            beyond = f"(epoch_us({local}) % {micros} + {micros}) % {micros}"
            return f"({instant} - to_microseconds({beyond}))"
        case "postgres":
            origin = "TIMESTAMP '2000-01-01'"
            return f"({instant} - ({local} - date_bin(INTERVAL '{minutes} minutes', {local}, {origin})))"


def _monday(day: str, dialect: Dialect) -> str:
    match dialect:
        case "flink":
            # 0001-01-01 was a Monday; no earlier day is accepted.
            since = f"TIMESTAMPDIFF(DAY, DATE '0001-01-01', {day})"
            return f"TIMESTAMPADD(DAY, -MOD({since}, 7), {day})"
        case "duckdb" | "postgres":
            return f"CAST(date_trunc('week', {day}) AS DATE)"


def _first_of_month(day: str, dialect: Dialect) -> str:
    if dialect == "flink":
        return f"TIMESTAMPADD(DAY, 1 - EXTRACT(DAY FROM {day}), {day})"
    return f"CAST(date_trunc('month', {day}) AS DATE)"


def _later(day: str, count: str, unit: str, dialect: Dialect) -> str:
    if dialect == "flink":
        return f"TIMESTAMPADD({unit}, {count}, {day})"
    return f"CAST({day} + INTERVAL '{count} {unit.lower()}' AS DATE)"


def compile_grain(name: str, text: str, fields: Mapping[str, Column], zone: ZoneInfo) -> GrainColumn:
    """Compile `field`, `function(field)` or `minutes(15, field)`; ExpressionError says what is wrong."""
    reader = SqlReader(text, fields)
    node = parsed(text)
    if isinstance(node, exp.Column):
        source = reader.column(node)
        if source.type == "double":
            raise reader.refuse(
                node, f"{source.name} is a double, and doubles make no key: which are equal is chance"
            )
        return GrainColumn(name, source, None, source.type, zone)
    function, given = _called(node)
    if function not in GRAIN_FUNCTIONS:
        seen = f"there is no grain function {function}" if function else f"{shown(node)} is no grain"
        raise reader.refuse(node, f"{seen}; known are {', '.join(GRAIN_FUNCTIONS)}, and fields as they are")
    minutes = 1
    if function == "minutes":
        width = given[0] if given else None
        minutes = int(str(width.this)) if isinstance(width, exp.Literal) and width.is_int else 0
        if len(given) != 2 or not 0 < minutes < _HOUR or _HOUR % minutes:
            raise reader.refuse(node, "minutes needs a divisor of 60 and an instant, such as minutes(15, t)")
        given = given[1:]
    if len(given) != 1 or not isinstance(given[0], exp.Column):
        raise reader.refuse(node, f"{function} needs the name of one field")
    source = reader.column(given[0])
    if source.type != "timestamp":
        raise reader.refuse(given[0], f"{function} needs a timestamp, but {given[0].sql()} is {source.type}")
    return GrainColumn(name, source, function, GRAIN_FUNCTIONS[function], zone, minutes)


def _called(node: exp.Expr) -> tuple[str, list[exp.Expr]]:
    """Return the name and the arguments of a call; no name for anything else."""
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower(), list(node.expressions)
    if isinstance(node, exp.Func):
        inner = [part for part in node.args.values() if isinstance(part, exp.Expr)]
        return node.sql_name().lower(), inner + list(node.expressions)
    return "", []
