"""The types of numbers and what arithmetic makes of them; no result may need more digits than engines have.

Whole numbers are int (10 digits), long (19) and whole(p) for what arithmetic on them may need beyond;
decimals carry their digits and their scale; doubles carry bounds of their magnitude, see `Magnitude`.
"""

from __future__ import annotations

from typing import NamedTuple

MOST_DIGITS = 38
"""Digits of the widest decimal that Flink, DuckDB and Iceberg have."""

INTEGERS = ("int", "long")
_DIGITS = {"int": 10, "long": 19}

DOUBLE_LIMIT = 15
"""Doubles take part in arithmetic and aggregates when their magnitude is below 10 to the power of this.

Up to there the engines agree on the shortest text of a double; beyond, they do not.
"""
DOUBLE_VANISHES = -20
"""Doubles of a magnitude below 10 to the power of this are zero to arithmetic: no product underflows."""
DOUBLE_SCALE = 6
"""Doubles are added up as decimals of this scale, so that the order of events can't change a sum."""
DOUBLE_AS_DECIMAL = f"decimal({DOUBLE_LIMIT + DOUBLE_SCALE},{DOUBLE_SCALE})"
_DOUBLE_EXPONENTS = 300
_DOUBLE_DIGITS = 17


class TooWide(ValueError):
    """A result that may need more digits than there are; the text says which types lead to it."""


def is_number(kind: str) -> bool:
    """Say whether arithmetic is defined on a type."""
    return kind in ("double", "null") or is_whole(kind) or is_decimal(kind)


def is_whole(kind: str) -> bool:
    """Say whether a type is of whole numbers, which divide without a remainder."""
    return kind in INTEGERS or kind.startswith("whole(")


def is_decimal(kind: str) -> bool:
    """Say whether a type is a decimal."""
    return kind.startswith("decimal(")


def digits(kind: str) -> int:
    """Return the decimal digits of a whole or decimal type."""
    return _DIGITS.get(kind) or int(kind.partition("(")[2].rstrip(")").split(",")[0])


def scale(kind: str) -> int:
    """Return how many of the digits stand behind the point."""
    return int(kind.rstrip(")").split(",")[1]) if is_decimal(kind) else 0


def stored(kind: str) -> str:
    """Return the type of a column that holds such values: beyond long, whole numbers are decimals."""
    return f"decimal({digits(kind)},0)" if kind.startswith("whole(") else kind


def whole(count: int) -> str:
    """Return the whole type of so many digits; TooWide."""
    if count > MOST_DIGITS:
        raise TooWide(f"up to {count} digits")
    return "long" if count < _DIGITS["long"] else f"whole({count})"


def decimal(count: int, places: int) -> str:
    """Return the decimal type of so many digits; TooWide."""
    if count > MOST_DIGITS:
        raise TooWide(f"up to {count} digits, {places} of them behind the point")
    return f"decimal({count},{places})"


def common(left: str, right: str) -> str:
    """Return the type that holds the values of both types exactly, or double; TooWide when there is none."""
    if right in (left, "null"):
        return left
    if left == "null":
        return right
    if "double" in (left, right):
        return "double"
    if is_decimal(left) or is_decimal(right):
        places = max(scale(left), scale(right))
        return decimal(max(digits(left) - scale(left), digits(right) - scale(right)) + places, places)
    if left in INTEGERS and right in INTEGERS:
        return "long"
    return f"whole({max(digits(left), digits(right))})"


def added(left: str, right: str) -> str:
    """Return the type of a sum or a difference."""
    if "double" in (left, right):
        return "double"
    places = max(scale(left), scale(right))
    count = max(digits(left) - scale(left), digits(right) - scale(right)) + 1 + places
    return decimal(count, places) if is_decimal(left) or is_decimal(right) else whole(count)


def multiplied(left: str, right: str) -> str:
    """Return the type of a product."""
    if "double" in (left, right):
        return "double"
    count, places = digits(left) + digits(right), scale(left) + scale(right)
    if not (is_decimal(left) or is_decimal(right)):
        # Two ints of 10 digits hold at most 2^62, which a long can.
        return "long" if left == right == "int" else whole(count)
    if places and count == MOST_DIGITS:
        # Flink counts one digit more, and would give up a decimal place for it.
        raise TooWide(f"up to {count + 1} digits, {places} of them behind the point")
    return decimal(count, places)


def rounded(kind: str, places: int) -> str:
    """Return the type of a number rounded to so many decimal places; negative ones are tens, hundreds..."""
    if kind == "double":
        return decimal(DOUBLE_LIMIT + max(places, 0), max(places, 0))
    if places >= scale(kind):
        return kind
    count = digits(kind) - scale(kind) + 1 + max(places, 0)
    return decimal(count, max(places, 0)) if is_decimal(kind) else whole(count)


class Magnitude(NamedTuple):
    """Bounds of a number that is not zero: at least 10^low, below 10^high."""

    low: int
    high: int

    def checked(self) -> Magnitude:
        """Return it; TooWide when a double could overflow, or be so small that it vanishes."""
        if self.low < -_DOUBLE_EXPONENTS or self.high > _DOUBLE_EXPONENTS:
            raise TooWide(f"magnitudes from 1e{self.low} to 1e{self.high}, but a double ends near 1e±300")
        return self

    def plus(self, other: Magnitude) -> Magnitude:
        """Return the bounds of a sum; a difference may cancel all digits but the last."""
        return Magnitude(min(self.low, other.low) - _DOUBLE_DIGITS, max(self.high, other.high) + 1).checked()

    def times(self, other: Magnitude) -> Magnitude:
        """Return the bounds of a product."""
        return Magnitude(self.low + other.low, self.high + other.high).checked()

    def over(self, other: Magnitude) -> Magnitude:
        """Return the bounds of a quotient."""
        return Magnitude(self.low - other.high, self.high - other.low).checked()


def magnitude_of(kind: str) -> Magnitude:
    """Return the bounds of a type's values; those of doubles are held by the rendering."""
    if kind == "double":
        return Magnitude(DOUBLE_VANISHES, DOUBLE_LIMIT)
    return Magnitude(-scale(kind), max(digits(kind) - scale(kind), 1))
