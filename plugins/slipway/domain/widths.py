"""How wide the values of a tree can be, seen more closely than their types tell."""

from __future__ import annotations

from decimal import Decimal

from slipway.domain.number_types import Magnitude, magnitude_of
from slipway.domain.tree import Literal, Node, Operation


def tight(node: Node) -> str:
    """Return a node's type, for a whole constant with no more digits than it has."""
    if isinstance(node, Literal) and isinstance(node.value, int) and not isinstance(node.value, bool):
        return f"whole({len(str(abs(node.value)))})"
    return node.type


def checked_magnitude(node: Node) -> Magnitude:
    """Return the bounds of a number; TooWide when arithmetic on doubles could leave their range."""
    match node:
        case Literal(value=Decimal() | int() as value) if value:
            exponent = Decimal(value).adjusted()
            return Magnitude(exponent, exponent + 1)
        case Operation(operator="-", operands=(operand,)):
            return checked_magnitude(operand)
        case Operation(operator=operator, operands=(left, right), type="double"):
            first, second = checked_magnitude(left), checked_magnitude(right)
            match operator:
                case "*":
                    return first.times(second)
                case "/":
                    return first.over(second)
                case _:
                    return first.plus(second)
        case _:
            return magnitude_of(node.type)
