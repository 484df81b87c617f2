"""The typed tree of a contract's expressions: a small SQL subset, parsed once, checked against types."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from slipway.domain import names
from slipway.errors import Permanent

INTEGERS = ("int", "long")
COMPARISONS = {"=", "<>", "<", "<=", ">", ">="}


class ExpressionError(Permanent):
    """An expression that can't be read or does not fit the types of its fields."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the event, or of a dimension (`planes__seats`)."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; None is NULL, of type `null`."""

    value: str | int | Decimal | bool | None
    type: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator on one or two operands: not, -, +, *, /, %, and, or, and the comparisons."""

    operator: str
    operands: tuple[Node, ...]
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One of the allowed functions: coalesce, greatest, least, nullif, abs, lower, upper."""

    function: str
    operands: tuple[Node, ...]
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """`operand IN (options)`."""

    operand: Node
    options: tuple[Literal, ...]
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class IsNull:
    """`operand IS NULL`; never NULL itself."""

    operand: Node
    type: str = "boolean"
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """`CASE WHEN condition THEN value ... ELSE default END`."""

    branches: tuple[tuple[Node, Node], ...]
    default: Node
    type: str
    nullable: bool


Node = Column | Literal | Operation | Call | OneOf | IsNull | Case

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


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct operands of a node."""
    match node:
        case Operation() | Call():
            return node.operands
        case OneOf(operand=operand, options=options):
            return (operand, *options)
        case IsNull(operand=operand):
            return (operand,)
        case Case(branches=branches, default=default):
            return (*(part for branch in branches for part in branch), default)
        case _:
            return ()


def columns(node: Node) -> Iterator[Column]:
    """Yield every column below a node, as often as it stands there."""
    if isinstance(node, Column):
        yield node
    for child in children(node):
        yield from columns(child)


def parse_expression(text: str, fields: Mapping[str, Column]) -> Node:
    """Read one expression over the given fields (`name`, or `dimension.field` for dimensions).

    ExpressionError says where and why: the line and column inside the expression, and the types seen.
    """
    try:
        parsed = sqlglot.parse_one(text, dialect="postgres")
    except SqlglotError as error:
        details = getattr(error, "errors", None) or [{}]
        place = f" at line {details[0].get('line', 1)}, column {details[0].get('col', 1)}"
        raise ExpressionError(
            f"can't read {text!r}{place}: {details[0].get('description', error)}"
        ) from error
    return _Reader(text, fields).read(parsed)


class _Reader:
    """Turns sqlglot's tree into ours, refusing what the subset does not hold."""

    def __init__(self, text: str, fields: Mapping[str, Column]) -> None:
        self.text = text
        self.fields = fields

    def refuse(self, node: exp.Expr, why: str) -> ExpressionError:
        marked = next((part for part in node.walk() if part.meta.get("line")), None)
        place = f", line {marked.meta['line']}, column {marked.meta['col']}" if marked else ""
        return ExpressionError(f"{self.text!r}{place}: {why}")

    def read(self, node: exp.Expr) -> Node:
        kind = type(node)
        if isinstance(node, exp.Paren):
            return self.read(node.this)
        if isinstance(node, exp.Column):
            return self.column(node)
        if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
            return self.literal(node)
        if isinstance(node, exp.Not):
            return self.negation(node)
        if isinstance(node, exp.Neg):
            operand = self.number(node, self.read(node.this))
            return Operation("-", (operand,), operand.type, operand.nullable)
        if kind in _BINARY:
            return self.binary(node, _BINARY[kind])
        if kind in _CALLS:
            return self.call(node, _CALLS[kind])
        if isinstance(node, exp.In):
            return self.one_of(node)
        if isinstance(node, exp.Between):
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
        raise self.refuse(node, f"{node.sql(dialect='postgres')!r} is not part of the language of measures")

    def column(self, node: exp.Column) -> Column:
        name = f"{node.table}.{node.name}" if node.table else node.name
        if name not in self.fields:
            near = difflib.get_close_matches(name, list(self.fields), n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(self.fields))}"
            raise self.refuse(node, f"there is no field {name}; {hint}")
        return self.fields[name]

    def literal(self, node: exp.Literal | exp.Boolean | exp.Null) -> Literal:
        if isinstance(node, exp.Null):
            return Literal(None, "null", nullable=True)
        if isinstance(node, exp.Boolean):
            return Literal(bool(node.this), "boolean")
        if node.is_string:
            return Literal(str(node.this), "string")
        text = str(node.this)
        if text.isdigit():
            return Literal(int(text), "int" if int(text) < 2**31 else "long")
        value = Decimal(text)
        scale = max(0, -int(value.as_tuple().exponent))
        return Literal(value, f"decimal({max(len(value.as_tuple().digits), scale + 1)},{scale})")

    def negation(self, node: exp.Not) -> Node:
        operand = self.boolean(node, self.read(node.this))
        return Operation("not", (operand,), "boolean", operand.nullable)

    def binary(self, node: exp.Expr, operator: str) -> Operation:
        left, right = self.read(node.this), self.read(node.expression)
        nullable = left.nullable or right.nullable
        if operator in ("and", "or"):
            operands = self.boolean(node, left), self.boolean(node, right)
            return Operation(operator, operands, "boolean", nullable)
        if operator in COMPARISONS:
            self.comparable(node, left, right)
            return Operation(operator, (left, right), "boolean", nullable)
        for side in (left, right):
            self.number(node, side)
        return Operation(operator, (left, right), widest(left.type, right.type), nullable)

    def call(self, node: exp.Expr, function: str) -> Call:
        raw = [node.this, *node.expressions]
        if function == "nullif":
            raw = [node.this, node.expression]
        operands = tuple(self.read(operand) for operand in raw)
        first = operands[0]
        if function in ("lower", "upper"):
            if first.type != "string":
                raise self.refuse(node, f"{function} needs a string, but {shown(raw[0])} is {first.type}")
            return Call(function, operands, "string", first.nullable)
        if function == "abs":
            return Call(function, (self.number(node, first),), first.type, first.nullable)
        result = first.type
        for operand in operands[1:]:
            self.comparable(node, first, operand)
            result = result if operand.type == "null" else common(result, operand.type)
        if function == "nullif":
            return Call(function, operands, first.type, nullable=True)
        return Call(function, operands, result, all(operand.nullable for operand in operands))

    def one_of(self, node: exp.In) -> OneOf:
        operand = self.read(node.this)
        options = tuple(self.read(option) for option in node.expressions)
        literals = tuple(option for option in options if isinstance(option, Literal))
        if not options or len(literals) != len(options):
            raise self.refuse(node, "IN needs a list of constants")
        for option in literals:
            self.comparable(node, operand, option)
        return OneOf(operand, literals, "boolean", operand.nullable)

    def case(self, node: exp.Case) -> Case:
        if node.this is not None:
            raise self.refuse(node, "write CASE WHEN condition THEN ..., without an operand after CASE")
        branches = tuple(
            (self.boolean(node, self.read(branch.this)), self.read(branch.args["true"]))
            for branch in node.args["ifs"]
        )
        default_node = node.args.get("default")
        default = self.read(default_node) if default_node else Literal(None, "null", nullable=True)
        values = [value for _, value in branches] + [default]
        result = "null"
        for value in values:
            self.comparable(node, values[0], value)
            result = common(result, value.type)
        return Case(branches, default, result, any(value.nullable for value in values))

    def boolean(self, node: exp.Expr, operand: Node) -> Node:
        if operand.type not in ("boolean", "null"):
            raise self.refuse(
                node, f"a condition is needed, but {shown(node)} has an operand of {operand.type}"
            )
        return operand

    def number(self, node: exp.Expr, operand: Node) -> Node:
        if not is_number(operand.type):
            raise self.refuse(node, f"a number is needed in {shown(node)}, but an operand is {operand.type}")
        return operand

    def comparable(self, node: exp.Expr, left: Node, right: Node) -> None:
        if "null" in (left.type, right.type) or left.type == right.type:
            return
        if is_number(left.type) and is_number(right.type):
            return
        raise self.refuse(node, f"{shown(node)} compares {left.type} with {right.type}")


def shown(node: exp.Expr) -> str:
    """Return a node's text for a message."""
    return repr(node.sql(dialect="postgres"))


def is_number(kind: str) -> bool:
    """Say whether arithmetic is defined on a type."""
    return kind in (*INTEGERS, "double", "null") or kind.startswith("decimal")


def common(left: str, right: str) -> str:
    """Return the type that holds values of both types."""
    if right in (left, "null"):
        return left
    return right if left == "null" else widest(left, right)


def widest(left: str, right: str) -> str:
    """Return the wider of two number types, as Postgres would choose it."""
    if "double" in (left, right):
        return "double"
    decimals = [kind for kind in (left, right) if kind.startswith("decimal")]
    if decimals:
        scale = max(int(kind.rstrip(")").split(",")[1]) for kind in decimals)
        return f"decimal(38,{scale})"
    return "long" if "long" in (left, right) else "int"


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
                names.dimension_column(dimension, name), kind, nullable=True
            )
    return found
