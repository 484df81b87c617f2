"""Conversions between types: halves go away from zero, and what does not fit is NULL, in every engine."""

from __future__ import annotations

from slipway.domain.dialects import Dialect, sql_type
from slipway.domain.number_types import (
    DOUBLE_LIMIT,
    INTEGERS,
    MOST_DIGITS,
    decimal,
    digits,
    is_decimal,
    is_whole,
    scale,
)

_RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


def widen(value: str, kind: str, target: str, dialect: Dialect) -> str:
    """Return a number as one of a type that holds all values of its own."""
    if target == "double" and not (kind in INTEGERS or kind == "double") and dialect == "duckdb":
        # DuckDB divides two doubles there, which is off by one in the last place at times.
        return f"CAST(CAST({value} AS VARCHAR) AS DOUBLE)"
    return f"CAST({value} AS {sql_type(target, dialect)})"


def convert(value: str, kind: str, target: str, dialect: Dialect) -> str:
    """Return the SQL of CAST(value AS target)."""
    if kind == "string":
        return _from_text(value, target, dialect)
    if target == "string":
        if dialect == "duckdb" and is_decimal(kind) and scale(kind) == digits(kind):
            # DuckDB leaves out the zero before the point where the type has no digit there.
            value = f"CAST({value} AS DECIMAL({min(digits(kind) + 1, MOST_DIGITS)},{scale(kind)}))"
        return f"CAST({value} AS {sql_type('string', dialect)})"
    if target == "double":
        return widen(value, kind, target, dialect)
    if kind == "double":
        return _from_double(value, target, dialect)
    if target in INTEGERS:
        return _to_integer(value, kind, target, dialect)
    return _to_decimal(value, kind, target, dialect)


def double_as_decimal(value: str, target: str, dialect: Dialect) -> str:
    """Return a double of a magnitude below the limit as the decimal that its shortest text rounds to."""
    if dialect == "flink":
        return f"CAST({value} AS {sql_type(target, dialect)})"
    # Postgres would keep 15 digits, and DuckDB multiply first; the shortest text is what Java rounds.
    text = f"CAST({value} AS {sql_type('string', dialect)})"
    if dialect == "duckdb":
        # Rounding a text with an exponent goes wrong there, rounding a decimal does not.
        text = f"CAST({text} AS DECIMAL({MOST_DIGITS},{MOST_DIGITS - DOUBLE_LIMIT}))"
    return f"CAST({text} AS {sql_type(target, dialect)})"


def _from_double(value: str, target: str, dialect: Dialect) -> str:
    places = scale(target)
    wide = decimal(DOUBLE_LIMIT + places, places) if DOUBLE_LIMIT + places <= MOST_DIGITS else target
    inside = double_as_decimal(value, wide, dialect)
    narrow = convert(inside, wide, target, dialect) if wide != target else inside
    return f"(CASE WHEN ABS({value}) < 1E{min(DOUBLE_LIMIT, digits(wide) - places)} THEN {narrow} END)"


def _to_integer(value: str, kind: str, target: str, dialect: Dialect) -> str:
    if kind in INTEGERS and digits(kind) <= digits(target):
        return widen(value, kind, target, dialect)
    rounded = value
    if is_decimal(kind):
        rounded = _to_decimal(
            value, kind, decimal(min(digits(kind) - scale(kind) + 1, MOST_DIGITS), 0), dialect
        )
    low, high = (f"CAST('{bound}' AS {sql_type('decimal(19,0)', dialect)})" for bound in _RANGES[target])
    fits = f"{rounded} BETWEEN {low} AND {high}"
    return f"(CASE WHEN {fits} THEN CAST({rounded} AS {sql_type(target, dialect)}) END)"


def _to_decimal(value: str, kind: str, target: str, dialect: Dialect) -> str:
    wanted = sql_type(target, dialect)
    carry = 1 if scale(target) < scale(kind) else 0
    room = digits(target) - scale(target)
    if digits(kind) - scale(kind) + carry <= room:
        return f"CAST({value} AS {wanted})"
    if dialect != "postgres":
        return f"TRY_CAST({value} AS {wanted})"
    return f"(CASE WHEN ABS(ROUND({value}, {scale(target)})) < 1E{room} THEN CAST({value} AS {wanted}) END)"


def _from_text(value: str, target: str, dialect: Dialect) -> str:
    """Return the number that a text is: an optional sign, digits, and unless it is whole, a fraction."""
    if is_whole(target):
        pattern, read = "[+-]?[0-9]{1,38}", "decimal(38,0)"
    elif target == "double":
        pattern, read = "[+-]?[0-9]{1,20}([.][0-9]{1,20})?", "double"
    else:
        places = max(scale(target) + 1, 6)
        pattern, read = (
            f"[+-]?[0-9]{{1,{MOST_DIGITS - places}}}([.][0-9]{{1,{places}}})?",
            decimal(38, places),
        )
    match dialect:
        case "flink":
            holds = f"REGEXP({value}, '^{pattern}\\z')"
        case "duckdb":
            holds = f"regexp_full_match({value}, '{pattern}')"
        case "postgres":
            holds = f"({value} ~ '^{pattern}$')"
    # Flink reads texts beside the condition, too.
    number = f"{'TRY_CAST' if dialect == 'flink' else 'CAST'}({value} AS {sql_type(read, dialect)})"
    if target not in (read, "double"):
        number = convert(number, read, target, dialect)
    return f"(CASE WHEN {holds} THEN {number} END)"
