"""Writes an expression tree as SQL for Flink, DuckDB or Postgres; the meaning is always Postgres's."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from string import ascii_lowercase, ascii_uppercase

from slipway.domain import conversions
from slipway.domain.dialects import DIALECTS, Dialect, quoted, sql_type, text_literal
from slipway.domain.number_types import (
    DOUBLE_LIMIT,
    DOUBLE_VANISHES,
    INTEGERS,
    common,
    digits,
    is_decimal,
    is_whole,
    scale,
)
from slipway.domain.tree import Call, Case, Cast, Column, IsNull, Literal, Node, OneOf, Operation
from slipway.domain.widths import tight

__all__ = ["DIALECTS", "Dialect", "bounded", "in_byte_order", "quoted", "render", "sql_type", "text_literal"]


_NARROW = 18
"""Digits of a decimal that DuckDB keeps in 64 bits."""


def render(node: Node, dialect: Dialect) -> str:
    """Return the SQL of a tree, fully parenthesised. It fails for no value: what has no result is NULL."""
    match node:
        case Column(name=name):
            return quoted(name, dialect)
        case Literal():
            return _literal(node, dialect)
        case Operation(operator="not", operands=(operand,)):
            return f"(NOT {render(operand, dialect)})"
        case Operation(operator="and" | "or" as operator, operands=(left, right)):
            return f"({render(left, dialect)} {operator.upper()} {render(right, dialect)})"
        case Operation(type="boolean", operator=operator, operands=(left, right)):
            return _compared(operator, left, right, dialect)
        case Operation():
            return _arithmetic(node, dialect)
        case Call():
            return _call(node, dialect)
        case Cast(operand=operand, type=kind):
            return conversions.convert(render(operand, dialect), operand.type, kind, dialect)
        case OneOf(operand=operand, options=options):
            kind = operand.type
            for option in options:
                kind = common(kind, option.type)
            values = ", ".join(_as(option, kind, dialect) for option in options)
            return f"({_as(operand, kind, dialect)} IN ({values}))"
        case IsNull(operand=operand):
            return f"({render(operand, dialect)} IS NULL)"
        case Case(branches=branches, default=default, type=kind):
            whens = " ".join(
                f"WHEN {render(when, dialect)} THEN {_as(then, kind, dialect)}" for when, then in branches
            )
            return f"(CASE {whens} ELSE {_as(default, kind, dialect)} END)"
        case _:
            raise TypeError(f"no rendering for {node!r}")


def in_byte_order(text: str, kind: str, dialect: Dialect) -> str:
    """Return text that is ordered by its bytes in UTF-8, as Flink and DuckDB do; other types as they are."""
    return f'({text} COLLATE "C")' if kind == "string" and dialect == "postgres" else text


def bounded(double: str) -> str:
    """Return a double that is NULL when its magnitude is beyond what measures take part with.

    Nor are NaN and the infinities below the bound, in any engine.
    """
    return f"(CASE WHEN ABS({double}) < 1E{DOUBLE_LIMIT} THEN {double} END)"


def _as(node: Node, kind: str, dialect: Dialect) -> str:
    """Return the SQL of a node as a value of the type that it is put together with."""
    if node.type == "null":
        return f"CAST(NULL AS {sql_type(kind, dialect)})"
    written = render(node, dialect)
    if node.type == kind or (node.type in INTEGERS and kind in INTEGERS and isinstance(node, Literal)):
        return written
    return conversions.widen(written, node.type, kind, dialect)


def _literal(literal: Literal, dialect: Dialect) -> str:
    match literal.value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if literal.value else "FALSE"
        case str():
            # Flink's constants are CHAR(n): side by side, the shorter ones would be filled with blanks.
            text = text_literal(literal.value)
            return f"CAST({text} AS STRING)" if dialect == "flink" else text
        case datetime():
            return _instant(literal.value, dialect)
        case date():
            return f"DATE '{literal.value.isoformat()}'"
        case int() if literal.type in INTEGERS and literal.value > -(2**31):
            return str(literal.value)
        case _:
            # As text: Flink has no numbers beyond the long, and to DuckDB a long fraction is a double.
            return f"CAST('{Decimal(literal.value):f}' AS {sql_type(literal.type, dialect)})"


def _instant(value: datetime, dialect: Dialect) -> str:
    if dialect == "flink":
        millis = int(value.timestamp()) * 1000 + value.microsecond // 1000
        return f"CAST(TO_TIMESTAMP_LTZ({millis}, 3) AS TIMESTAMP_LTZ(6))"
    return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat(sep=' ', timespec='milliseconds')}'"


def _compared(operator: str, left: Node, right: Node, dialect: Dialect) -> str:
    kind = common(left.type, right.type)
    if left.type in INTEGERS and right.type in INTEGERS:
        return f"({render(left, dialect)} {operator} {render(right, dialect)})"
    first, second = (_as(side, kind, dialect) if kind != "null" else "NULL" for side in (left, right))
    return f"({in_byte_order(first, kind, dialect)} {operator} {second})"


def _arithmetic(node: Operation, dialect: Dialect) -> str:
    target = sql_type(node.type, dialect)
    if len(node.operands) == 1:
        operand = node.operands[0]
        return (
            f"(- {_factor(operand, dialect) if node.type == 'double' else _as(operand, node.type, dialect)})"
        )
    left, right = node.operands
    if node.type == "double":
        first, second = (_factor(side, dialect) for side in node.operands)
        if node.operator == "/" and not isinstance(right, Literal):
            second = f"NULLIF({second}, {conversions.widen('0', 'int', 'double', dialect)})"
        return f"({first} {node.operator} {second})"
    if node.operator in ("/", "%"):
        return _whole_division(node, left, right, dialect)
    if is_whole(node.type):
        first, second = (_as(side, node.type, dialect) for side in node.operands)
        if node.operator == "*" and node.type not in INTEGERS:
            # Each factor keeps its own digits: widened ones would need more than there are.
            first, second = (_as(side, _own_digits(side), dialect) for side in node.operands)
    else:
        first, second = (_as(side, _own_digits(side), dialect) for side in node.operands)
    if dialect == "duckdb" and node.type != "long":
        first = _past_64_bits(first, left, node)
    return f"CAST({first} {node.operator} {second} AS {target})"


def _past_64_bits(value: str, operand: Node, node: Operation) -> str:
    """Return an operand of DuckDB's, which has the result of two narrow decimals overflow at 18 digits."""
    if digits(node.type) <= _NARROW or digits(_own_digits(operand)) > _NARROW:
        return value
    return f"CAST({value} AS DECIMAL({_NARROW + 1},{scale(operand.type)}))"


def _own_digits(node: Node) -> str:
    if is_decimal(node.type) or node.type not in INTEGERS:
        return node.type
    kind = tight(node)
    return kind if kind.startswith("whole(") else f"whole({digits(kind)})"


def _factor(node: Node, dialect: Dialect) -> str:
    """Return an operand of arithmetic on doubles, held within the bounds that its type is known by."""
    if node.type != "double" or isinstance(node, Operation):
        return _as(node, "double", dialect)
    value = render(node, dialect)
    tiny = f"WHEN ABS({value}) < 1E{DOUBLE_VANISHES} THEN {conversions.widen('0', 'int', 'double', dialect)}"
    return f"(CASE {tiny} WHEN ABS({value}) < 1E{DOUBLE_LIMIT} THEN {value} END)"


def _whole_division(node: Operation, left: Node, right: Node, dialect: Dialect) -> str:
    first, second = (_as(side, "long", dialect) for side in (left, right))
    divisor = second if isinstance(right, Literal) and right.value else f"NULLIF({second}, 0)"
    # DuckDB's / always answers a double; Postgres and Flink cut the quotient of whole numbers off.
    sign = "//" if node.operator == "/" and dialect == "duckdb" else node.operator
    if isinstance(right, Literal) and right.value != -1:
        return f"({first} {sign} {divisor})"
    # The smallest long divided by -1 is no long any more, which ends a query or is wrong without a word.
    if node.operator == "%":
        return f"(CASE WHEN {second} = -1 THEN {first} * 0 ELSE {first} % {divisor} END)"
    if left.type == "int":
        return f"({first} {sign} {divisor})"
    wide = sql_type(node.type, dialect)
    negative = f"(- {conversions.widen(first, 'long', 'whole(19)', dialect)})"
    plain = f"CAST({first} {sign} {divisor} AS {wide})"
    return f"(CASE WHEN {second} = -1 THEN {negative} ELSE {plain} END)"


def _call(node: Call, dialect: Dialect) -> str:
    function, kind = node.function.upper(), node.type
    if node.function in ("lower", "upper"):
        return _letters(node, dialect)
    if node.function == "nullif":
        first, second = node.operands
        equal = _compared("=", first, second, dialect)
        nothing = f"CAST(NULL AS {sql_type(kind, dialect)})"
        return f"(CASE WHEN {equal} THEN {nothing} ELSE {render(first, dialect)} END)"
    if dialect == "flink" and node.function in ("greatest", "least"):
        return _skipping_null(function, node.operands, kind)
    operands = [_as(operand, kind, dialect) for operand in node.operands]
    if node.function in ("greatest", "least"):
        operands[0] = in_byte_order(operands[0], kind, dialect)
    return f"{function}({', '.join(operands)})"


def _letters(node: Call, dialect: Dialect) -> str:
    """Return LOWER or UPPER of the letters A to Z; how others change depends on engine and locale."""
    text = render(node.operands[0], dialect)
    if dialect == "postgres":
        return f'{node.function.upper()}({text} COLLATE "C")'
    before, after = ascii_uppercase, ascii_lowercase
    if node.function == "upper":
        before, after = after, before
    return f"TRANSLATE({text}, '{before}', '{after}')"


def _skipping_null(function: str, operands: tuple[Node, ...], kind: str) -> str:
    # Flink answers NULL as soon as one argument is NULL; Postgres leaves NULLs out.
    first, *rest = operands
    written = _as(first, kind, "flink")
    nullable = first.nullable
    for operand in rest:
        other = _as(operand, kind, "flink")
        both = f"{function}({written}, {other})"
        written = f"COALESCE({both}, {written}, {other})" if nullable or operand.nullable else both
        nullable = nullable and operand.nullable
    return written
