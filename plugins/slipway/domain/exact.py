"""Decimals to their last digit: comparisons count in 39 digits, and Python's own context rounds after 28."""

from __future__ import annotations

from decimal import Context, Decimal

EXACT = Context(prec=100)
"""Wide enough for every number of a comparison, and for a share of two of them."""


def scaled(whole: int, places: int) -> Decimal:
    """Return a whole number of the smallest unit as a decimal with so many places."""
    return Decimal(whole).scaleb(-places, EXACT)


def plain(value: Decimal) -> str:
    """Return a decimal as text, without exponent or trailing zeros."""
    return format(value.normalize(EXACT), "f")
