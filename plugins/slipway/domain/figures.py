"""Numbers and days of a document of evidence as a reader sees them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

_NARROW_SPACE = "\u202f"
_MINUS = "\u2212"


def number(value: float | str | None) -> Decimal:
    """Return a value of a document, to the digit; None, a measure of nothing, is drawn as zero."""
    return Decimal(0) if value is None else Decimal(str(value))


def grouped(value: float | Decimal) -> str:
    """Return a number with thin spaces between thousands.

    Two decimal places are enough for a reader; a number below one keeps its first two digits instead, so that
    what is not zero is never shown as zero.
    """
    exact = Decimal(str(value))
    if exact == exact.to_integral_value():
        return f"{int(exact):,}".replace(",", _NARROW_SPACE)
    places = 2 if abs(exact) >= 1 else 1 - exact.adjusted()
    text = f"{exact:,.{places}f}".rstrip("0").rstrip(".")
    return text.replace(",", _NARROW_SPACE)


def signed(value: float | Decimal) -> str:
    """Return a number with its sign, the minus a real one."""
    return ("+" if value > 0 else _MINUS) + grouped(abs(Decimal(str(value)))) if value else "0"


_STEPS = ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "G"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))


_ALMOST = Decimal("0.9995")
"""Of a step: what is nearer to it than to 999 of the one below."""


def compact(value: float | Decimal) -> str:
    """Return a signed number in at most five characters: \u22122.8k; beyond a thousand trillions a power."""
    exact = Decimal(str(value))
    sign = "+" if exact > 0 else _MINUS if exact < 0 else ""
    size = abs(exact)
    if size >= 10**15 * _ALMOST:
        return f"{sign}{size:.0e}".replace("e+", "e")
    for step, letter in _STEPS:
        if size >= step * _ALMOST:
            part = size / step
            return f"{sign}{part:.1f}{letter}" if part < Decimal("9.95") else f"{sign}{part:.0f}{letter}"
    if size == size.to_integral_value() or size >= 10:
        return f"{sign}{size:.0f}"
    return f"{sign}{size:.1f}" if size >= Decimal("0.1") else f"{sign}<0.1"


def percent(share: float | Decimal) -> str:
    """Return a share as percent: two decimals, or the first digit of one that is smaller; 0.02 %."""
    exact = Decimal(str(share)) * 100
    if exact == 0:
        return "0 %"
    places = 2 if abs(exact) >= Decimal("0.01") else -exact.adjusted()
    text = f"{exact:.{places}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %".replace("-", _MINUS)


def long_day(day: str) -> str:
    """Return an ISO date as `27 February`."""
    parsed = date.fromisoformat(day)
    return f"{parsed.day} {parsed:%B}"


def full_day(day: str | None) -> str:
    """Return an ISO date as `27 February 2013`."""
    return f"{long_day(day)} {day[:4]}" if day else "none"


def short_day(day: str | None) -> str:
    """Return an ISO date as `27 Feb`."""
    if day is None:
        return "none"
    parsed = date.fromisoformat(day)
    return f"{parsed.day} {parsed:%b}"


def listed(words: list[str]) -> str:
    """Return words as a sentence lists them: a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
