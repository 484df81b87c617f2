"""Writes an expression tree as SQL for Flink, DuckDB or Postgres; the meaning is always Postgres's."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal as OneOfThese

from slipway.domain.expressions import (
    INTEGERS,
    Call,
    Case,
    Column,
    IsNull,
    Literal,
    Node,
    OneOf,
    Operation,
)

Dialect = OneOfThese["flink", "duckdb", "postgres"]
DIALECTS: tuple[Dialect, ...] = ("flink", "duckdb", "postgres")

_TYPES: dict[Dialect, dict[str, str]] = {
    "flink": {
        "string": "STRING",
        "int": "INT",
        "long": "BIGINT",
        "double": "DOUBLE",
        "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMP_LTZ(6)",
        "date": "DATE",
    },
    "duckdb": {
        "string": "VARCHAR",
        "int": "INTEGER",
        "long": "BIGINT",
        "double": "DOUBLE",
        "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMPTZ",
        "date": "DATE",
    },
    "postgres": {
        "string": "text",
        "int": "integer",
        "long": "bigint",
        "double": "double precision",
        "boolean": "boolean",
        "timestamp": "timestamptz",
        "date": "date",
    },
}


def sql_type(kind: str, dialect: Dialect) -> str:
    """Return an engine's name of a type; decimals are called the same everywhere."""
    if kind.startswith("decimal"):
        return kind.replace("decimal", "numeric" if dialect == "postgres" else "DECIMAL")
    return _TYPES[dialect][kind]


def quoted(identifier: str, dialect: Dialect) -> str:
    """Return a quoted identifier."""
    mark = "`" if dialect == "flink" else '"'
    return f"{mark}{identifier.replace(mark, mark * 2)}{mark}"


def text_literal(value: str) -> str:
    """Return a quoted string constant; a NUL character can't stand in SQL and is refused."""
    if "\0" in value:
        raise ValueError("a string constant can't hold the NUL character")
    return "'" + value.replace("'", "''") + "'"


def render(node: Node, dialect: Dialect) -> str:
    """Return the SQL of a tree, fully parenthesised."""
    match node:
        case Column(name=name):
            return quoted(name, dialect)
        case Literal():
            return _literal(node)
        case Operation(operator=operator, operands=(left, right)):
            return _binary(node, operator, render(left, dialect), render(right, dialect), dialect)
        case Operation(operator=operator, operands=(operand,)):
            return f"({operator.upper()} {render(operand, dialect)})"
        case Call():
            return _call(node, dialect)
        case OneOf(operand=operand, options=options):
            values = ", ".join(_literal(option) for option in options)
            return f"({render(operand, dialect)} IN ({values}))"
        case IsNull(operand=operand):
            return f"({render(operand, dialect)} IS NULL)"
        case Case(branches=branches, default=default, type=kind):
            whens = " ".join(
                f"WHEN {render(when, dialect)} THEN {_branch(then, kind, dialect)}" for when, then in branches
            )
            return f"(CASE {whens} ELSE {_branch(default, kind, dialect)} END)"
        case _:
            raise TypeError(f"no rendering for {node!r}")


def _branch(node: Node, kind: str, dialect: Dialect) -> str:
    if node.type == "null" and kind != "null":
        return f"CAST(NULL AS {sql_type(kind, dialect)})"
    return render(node, dialect)


def _literal(literal: Literal) -> str:
    match literal.value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if literal.value else "FALSE"
        case str():
            return text_literal(literal.value)
        case Decimal():
            return format(literal.value, "f")
        case _:
            return str(literal.value)


def _binary(node: Operation, operator: str, left: str, right: str, dialect: Dialect) -> str:
    # DuckDB's / always answers a double; Postgres and Flink truncate the quotient of integers.
    if operator == "/" and node.type in INTEGERS and dialect == "duckdb":
        return f"({left} // {right})"
    return f"({left} {operator.upper()} {right})"


def _call(node: Call, dialect: Dialect) -> str:
    function = node.function.upper()
    if dialect == "flink" and node.function in ("greatest", "least"):
        return _skipping_null(function, node.operands)
    return f"{function}({', '.join(render(operand, dialect) for operand in node.operands)})"


def _skipping_null(function: str, operands: tuple[Node, ...]) -> str:
    # Flink answers NULL as soon as one argument is NULL; Postgres leaves NULLs out.
    first, *rest = operands
    written = render(first, "flink")
    nullable = first.nullable
    for operand in rest:
        other = render(operand, "flink")
        both = f"{function}({written}, {other})"
        written = f"COALESCE({both}, {written}, {other})" if nullable or operand.nullable else both
        nullable = nullable and operand.nullable
    return written
