"""Numbers of things in words."""

from __future__ import annotations


def plural(number: int, noun: str) -> str:
    """Return a noun as the number needs it: `record`, `records`."""
    return noun if number == 1 else f"{noun}s"


def counted(number: int, noun: str) -> str:
    """Return a number of things: `1 record`, `2 records`."""
    return f"{number} {plural(number, noun)}"
