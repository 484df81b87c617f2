"""Reads a contract's expressions, a small SQL subset, into a typed tree that fits the fields' types."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from slipway.domain import names
from slipway.domain.number_types import (
    INTEGERS,
    MOST_DIGITS,
    TooWide,
    added,
    common,
    decimal,
    is_number,
    is_whole,
    multiplied,
    rounded,
    stored,
)
from slipway.domain.tree import (
    Call,
    Case,
    Cast,
    Column,
    ExpressionError,
    IsNull,
    Literal,
    Node,
    OneOf,
    Operation,
    children,
    columns,
)
from slipway.domain.widths import checked_magnitude, tight

__all__ = [
    "INTEGERS",
    "Call",
    "Case",
    "Cast",
    "Column",
    "ExpressionError",
    "IsNull",
    "Literal",
    "Node",
    "OneOf",
    "Operation",
    "SqlReader",
    "children",
    "columns",
    "field_columns",
    "is_number",
    "parse_expression",
    "parsed",
]

EQUALITIES = ("=", "<>")
ORDERED = ("string", "date", "timestamp")
"""Types besides the numbers that have an order."""

_BINARY: Mapping[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.And: "and",
    exp.Or: "or",
}
_CALLS: Mapping[type[exp.Expr], str] = {
    exp.Coalesce: "coalesce",
    exp.Greatest: "greatest",
    exp.Least: "least",
    exp.Nullif: "nullif",
    exp.Abs: "abs",
    exp.Lower: "lower",
    exp.Upper: "upper",
}
_CAST_TYPES: Mapping[exp.DType, str] = {
    exp.DType.INT: "int",
    exp.DType.BIGINT: "long",
    exp.DType.DOUBLE: "double",
    exp.DType.TEXT: "string",
    exp.DType.VARCHAR: "string",
    exp.DType.DECIMAL: "decimal",
}


def parsed(text: str) -> exp.Expr:
    """Read SQL text into sqlglot's tree; ExpressionError says where it stops being SQL."""
    try:
        return sqlglot.parse_one(text, dialect="postgres")
    except SqlglotError as error:
        details = (getattr(error, "errors", None) or [{}])[0]
        lines = text.splitlines(keepends=True)
        line, end = details.get("line") or 1, details.get("col") or 1
        offset = sum(map(len, lines[: line - 1])) + max(end - len(details.get("highlight") or " "), 0)
        why = _in_words(
            str(details.get("description") or "it is not SQL; is it empty, or a quote not closed?")
        )
        raise ExpressionError(f"can't read {text!r}: {why}", text, min(offset, len(text))) from error


def _in_words(description: str) -> str:
    """Return sqlglot's complaint without the names of its classes."""
    if description.startswith("Required keyword"):
        return "an operand is missing here"
    if description.startswith("Expecting "):
        return f"{description.removeprefix('Expecting ')} is missing here"
    if description.startswith("Invalid expression"):
        return "it does not go on like this in SQL; is an operator, a bracket or a quote missing?"
    return description


def parse_expression(text: str, fields: Mapping[str, Column]) -> Node:
    """Read one expression over the given fields (`name`, or `dimension.field` for dimensions).

    ExpressionError says where and why, with the types seen.
    """
    return SqlReader(text, fields).read(parsed(text))


class SqlReader:
    """Turns sqlglot's tree into ours, refusing what the subset does not hold."""

    def __init__(self, text: str, fields: Mapping[str, Column]) -> None:
        self.text = text
        self.fields = fields

    def refuse(self, node: exp.Expr, why: str) -> ExpressionError:
        """Return the complaint about a part of the text, with its place."""
        starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
        return ExpressionError(f"{self.text!r}: {why}", self.text, min(starts, default=None))

    def read(self, node: exp.Expr) -> Node:
        """Return our tree of a parsed expression."""
        kind = type(node)
        if isinstance(node, exp.Paren):
            return self.read(node.this)
        if isinstance(node, exp.Column):
            return self.column(node)
        if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
            return self.literal(node)
        if isinstance(node, exp.Not):
            operand = self.boolean(node, self.read(node.this))
            return Operation("not", (operand,), "boolean", operand.nullable)
        if isinstance(node, exp.Neg):
            return self.negative(node)
        if kind in _BINARY:
            return self.binary(node, _BINARY[kind])
        if kind in _CALLS:
            return self.call(node, _CALLS[kind])
        if isinstance(node, exp.Round):
            return self.round(node)
        if isinstance(node, exp.Cast) and kind is exp.Cast:
            return self.cast(node)
        if isinstance(node, exp.In):
            return self.one_of(node)
        if isinstance(node, exp.Between) and not node.args.get("symmetric"):
            low = exp.GTE(this=node.this.copy(), expression=node.args["low"])
            high = exp.LTE(this=node.this.copy(), expression=node.args["high"])
            return self.read(exp.And(this=low, expression=high))
        if isinstance(node, exp.Is):
            if not isinstance(node.expression, exp.Null):
                raise self.refuse(node, "IS is known with NULL only")
            found = IsNull(self.read(node.this))
            return Operation("not", (found,), "boolean", nullable=False) if node.args.get("negate") else found
        if isinstance(node, exp.Case):
            return self.case(node)
        raise self.refuse(node, f"{shown(node)} is not part of the language of measures")

    def column(self, node: exp.Column) -> Column:
        """Return the field that a name stands for."""
        name = ".".join(part.name for part in node.parts)
        if name not in self.fields:
            near = difflib.get_close_matches(name, list(self.fields), n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(self.fields))}"
            raise self.refuse(node, f"there is no field {name}; {hint}")
        return self.fields[name]

    def literal(self, node: exp.Literal | exp.Boolean | exp.Null) -> Literal:
        """Return a constant with the narrowest type that holds it."""
        if isinstance(node, exp.Null):
            return Literal(None, "null", nullable=True)
        if isinstance(node, exp.Boolean):
            return Literal(bool(node.this), "boolean")
        if node.is_string:
            if "\0" in node.this:
                raise self.refuse(node, "a text can't hold the NUL character")
            return Literal(str(node.this), "string")
        if not re.fullmatch(r"\d+|\d*\.\d+([eE][+-]?\d{1,2})?|\d+\.?([eE][+-]?\d{1,2})?", str(node.this)):
            raise self.refuse(node, f"{node.this} is not a number")
        value = Decimal(str(node.this))
        places = max(0, -int(value.as_tuple().exponent))
        # The zero before a point counts: Flink reads '0.5' as two digits.
        count = len(str(int(value))) + places
        if count > MOST_DIGITS:
            raise self.refuse(
                node, f"the number has {count} digits, but no engine has more than {MOST_DIGITS}"
            )
        if not str(node.this).isdigit():
            return Literal(value, decimal(count, places))
        return Literal(int(value), _type_of_whole(int(value)))

    def negative(self, node: exp.Neg) -> Node:
        """Return minus an operand, one type wider, for the smallest number has no positive counterpart."""
        operand = self.number(node, self.read(node.this))
        if isinstance(operand, Literal) and isinstance(operand.value, int):
            return Literal(-operand.value, _type_of_whole(-operand.value))
        if isinstance(operand, Literal) and isinstance(operand.value, Decimal):
            return Literal(-operand.value, operand.type)
        return Operation("-", (operand,), _without_sign(operand.type), operand.nullable)

    def binary(self, node: exp.Expr, operator: str) -> Operation:
        """Return an operator on two operands."""
        left, right = self.read(node.this), self.read(node.expression)
        nullable = left.nullable or right.nullable
        if operator in ("and", "or"):
            operands = self.boolean(node, left), self.boolean(node, right)
            return Operation(operator, operands, "boolean", nullable)
        if operator not in ("+", "-", "*", "/", "%"):
            self.alike(node, left, right, "compares", ordered=operator not in EQUALITIES)
            return Operation(operator, (left, right), "boolean", nullable)
        return self.arithmetic(node, operator, self.number(node, left), self.number(node, right))

    def arithmetic(self, node: exp.Expr, operator: str, left: Node, right: Node) -> Operation:
        """Return an operation on numbers whose type holds every result."""
        nullable = left.nullable or right.nullable
        if "null" in (left.type, right.type):
            raise self.refuse(node, f"{shown(node)} is always NULL")
        types = tight(left), tight(right)
        seen = f"{left.type} {operator} {right.type}"
        if operator == "%" or (operator == "/" and all(is_whole(kind) for kind in types)):
            if not (left.type in INTEGERS and right.type in INTEGERS):
                raise self.refuse(
                    node,
                    f"{shown(node)} is {seen}, but {operator} without a remainder is known for int and long"
                    if operator == "/"
                    else f"{shown(node)} is {seen}, but {operator} is known for int and long",
                )
            # Only -2^63 / -1 leaves the long.
            wide = operator == "/" and left.type == "long" and not isinstance(right, Literal)
            result = "whole(19)" if wide else "long"
            return Operation(operator, (left, right), result, nullable or not _never_zero(right))
        try:
            match operator:
                case "/":
                    result = "double"
                case "*":
                    result = multiplied(*types)
                case _:
                    result = added(*types)
            found = Operation(
                operator,
                (left, right),
                result,
                nullable or (operator == "/" and not _never_zero(right)) or result == "double",
            )
            if result == "double":
                checked_magnitude(found)
        except TooWide as error:
            raise self.refuse(
                node,
                f"{shown(node)} is {seen}, which may need {error}, and no engine has more than {MOST_DIGITS} "
                "digits; CAST an operand to a narrower decimal(p, s)",
            ) from error
        return found

    def call(self, node: exp.Expr, function: str) -> Call:
        """Return a call of a function."""
        raw = [node.this, node.expression] if function == "nullif" else [node.this, *node.expressions]
        operands = tuple(self.read(operand) for operand in raw)
        first = operands[0]
        if function in ("lower", "upper"):
            if first.type != "string":
                raise self.refuse(node, f"{function} needs a string, but {shown(raw[0])} is {first.type}")
            return Call(function, operands, "string", first.nullable)
        if function == "abs":
            operand = self.number(node, first)
            return Call(function, (operand,), _without_sign(operand.type), operand.nullable)
        ordered = function in ("greatest", "least")
        result = self.common(node, operands, f"{function} puts together", ordered=ordered)
        if function == "nullif":
            return Call(function, operands, first.type, nullable=True)
        return Call(function, operands, result, all(operand.nullable for operand in operands))

    def round(self, node: exp.Round) -> Cast:
        """Return ROUND as the cast that it is."""
        operand = self.number(node, self.read(node.this))
        given = node.args.get("decimals")
        constant = Literal(0, "int") if given is None else self.read(given)
        places = constant.value if isinstance(constant, Literal) else None
        if node.args.get("truncate") or not isinstance(places, int) or not -MOST_DIGITS <= places <= 12:
            raise self.refuse(node, "ROUND needs a whole constant up to 12 as its number of decimal places")
        if operand.type == "null" or (operand.type == "double" and places < 0):
            raise self.refuse(
                node, f"ROUND to {places} places is not known for {operand.type}; CAST it first"
            )
        if places < 0:
            raise self.refuse(node, "ROUND to tens or hundreds is not known; divide, round and multiply")
        try:
            return Cast(operand, rounded(operand.type, places), operand.nullable or operand.type == "double")
        except TooWide as error:
            raise self.refuse(node, f"{shown(node)} of {operand.type} may need {error}") from error

    def cast(self, node: exp.Cast) -> Node:
        """Return CAST; one of a text constant to a date or an instant is a constant."""
        target = node.args["to"]
        if isinstance(node.this, exp.Literal) and node.this.is_string:
            if target.this in (exp.DType.DATE, exp.DType.TIMESTAMPTZ):
                return self.instant(node, str(node.this.this), target.this)
            raise self.refuse(node, f"write the constant {shown(node.this)} as what it is, without CAST")
        operand = self.read(node.this)
        kind = _CAST_TYPES.get(target.this)
        if kind == "decimal":
            given = [int(str(part.this.this)) for part in target.expressions]
            if not given or not (0 < given[0] <= MOST_DIGITS and 0 <= (*given, 0)[1] <= given[0]):
                raise self.refuse(
                    node,
                    f"a decimal needs its digits, up to {MOST_DIGITS}: decimal(p, s), not {shown(target)}",
                )
            kind = decimal(given[0], (*given, 0)[1])
        known = operand.type == "string" or (is_number(operand.type) and operand.type != "null")
        if kind is None or not known or (kind == "string" and operand.type in ("double", "string")):
            raise self.refuse(node, f"CAST of {operand.type} to {shown(target)} is not known")
        if kind == operand.type:
            return operand
        return Cast(operand, kind, nullable=operand.nullable or kind != "string")

    def instant(self, node: exp.Cast, text: str, kind: exp.DType) -> Literal:
        """Return a constant date or instant; the instant's text must carry its offset."""
        try:
            if kind is exp.DType.DATE:
                return Literal(date.fromisoformat(text), "date")
            value = datetime.fromisoformat(text)
        except ValueError as error:
            raise self.refuse(node, f"{text!r} is not an ISO 8601 date or instant: {error}") from error
        if value.tzinfo is None:
            raise self.refuse(node, f"{text!r} names no offset, such as Z or -05:00, so it is no instant")
        value = value.astimezone(UTC)
        if value.microsecond % 1000:
            raise self.refuse(node, f"{text!r} is finer than a millisecond")
        return Literal(value, "timestamp")

    def one_of(self, node: exp.In) -> OneOf:
        """Return IN over constants."""
        operand = self.read(node.this)
        options = tuple(self.read(option) for option in node.expressions)
        literals = tuple(
            option for option in options if isinstance(option, Literal) and option.type != "null"
        )
        if not options or len(literals) != len(options):
            raise self.refuse(node, "IN needs a list of constants other than NULL")
        for option in literals:
            self.alike(node, operand, option, "compares")
        return OneOf(operand, literals, "boolean", operand.nullable)

    def case(self, node: exp.Case) -> Case:
        """Return CASE with conditions."""
        if node.this is not None:
            raise self.refuse(node, "write CASE WHEN condition THEN ..., without an operand after CASE")
        branches = tuple(
            (self.boolean(node, self.read(branch.this)), self.read(branch.args["true"]))
            for branch in node.args["ifs"]
        )
        default_node = node.args.get("default")
        default = self.read(default_node) if default_node else Literal(None, "null", nullable=True)
        values = (*(value for _, value in branches), default)
        result = self.common(node, values, "CASE puts together")
        return Case(branches, default, result, any(value.nullable for value in values))

    def boolean(self, node: exp.Expr, operand: Node) -> Node:
        """Return an operand that is a condition."""
        if operand.type not in ("boolean", "null"):
            raise self.refuse(
                node, f"a condition is needed, but {shown(node)} has an operand of {operand.type}"
            )
        return operand

    def number(self, node: exp.Expr, operand: Node) -> Node:
        """Return an operand that is a number."""
        if not is_number(operand.type):
            raise self.refuse(node, f"a number is needed in {shown(node)}, but an operand is {operand.type}")
        return operand

    def common(self, node: exp.Expr, values: tuple[Node, ...], verb: str, *, ordered: bool = False) -> str:
        """Return the type that holds all the values."""
        result = "null"
        for value in values:
            self.alike(node, Literal(None, result, nullable=True), value, verb, ordered=ordered)
            result = common(result, value.type)
        if result == "null":
            raise self.refuse(node, f"{shown(node)} is always NULL")
        return result

    def alike(self, node: exp.Expr, left: Node, right: Node, verb: str, *, ordered: bool = False) -> None:
        """Refuse two operands that no type holds; ordered: the type must have an order, too."""
        seen = f"{shown(node)} {verb} {left.type} with {right.type}"
        if ordered and "boolean" in (left.type, right.type):
            raise self.refuse(node, f"{seen}, but true and false have no order")
        if "null" in (left.type, right.type) or left.type == right.type:
            return
        if not (is_number(left.type) and is_number(right.type)):
            raise self.refuse(node, seen)
        try:
            common(left.type, right.type)
        except TooWide as error:
            raise self.refuse(
                node, f"{seen}, which may need {error}, and no engine has more than {MOST_DIGITS} digits"
            ) from error


def shown(node: exp.Expr) -> str:
    """Return a node's text for a message."""
    return repr(node.sql(dialect="postgres"))


def _type_of_whole(value: int) -> str:
    if -(2**31) <= value < 2**31:
        return "int"
    return "long" if -(2**63) <= value < 2**63 else f"whole({len(str(abs(value)))})"


def _without_sign(kind: str) -> str:
    """Return the type of minus a value, or of its magnitude: -2^31 has no counterpart among the ints."""
    return {"int": "long", "long": "whole(19)"}.get(kind, kind)


def _never_zero(node: Node) -> bool:
    return isinstance(node, Literal) and bool(node.value)


def field_columns(
    schema: Mapping[str, tuple[str, bool]], dimensions: Mapping[str, Mapping[str, str]]
) -> Mapping[str, Column]:
    """Return what an expression may name: event fields by name, dimension fields as `dimension.field`.

    A dimension's value is always nullable: the look-up may find nothing.
    """
    found = {name: Column(name, kind, nullable) for name, (kind, nullable) in schema.items()}
    for dimension, fields in dimensions.items():
        for name, kind in fields.items():
            found[f"{dimension}.{name}"] = Column(
                names.dimension_column(dimension, name), stored(kind), nullable=True
            )
    return found
