"""The typed tree of a contract's expressions: what the three engines' SQL is written from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from slipway.errors import Permanent


class ExpressionError(Permanent):
    """An expression that can't be read or does not fit the types of its fields.

    text: the expression. offset: characters from its start to the part that is wrong; None when all of it is.
    """

    def __init__(self, message: str, text: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.text = text
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the event, or of a dimension (`planes__seats`)."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; None is NULL, of type `null`. An instant is UTC, to the millisecond."""

    value: str | int | Decimal | bool | date | datetime | None
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
class Cast:
    """`CAST(operand AS type)`, and ROUND, a cast to fewer decimal places. What does not fit is NULL."""

    operand: Node
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


Node = Column | Literal | Operation | Call | Cast | OneOf | IsNull | Case


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct operands of a node."""
    match node:
        case Operation() | Call():
            return node.operands
        case OneOf(operand=operand, options=options):
            return (operand, *options)
        case IsNull(operand=operand) | Cast(operand=operand):
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
