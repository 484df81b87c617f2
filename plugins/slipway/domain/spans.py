"""Spans of time in words: as people write them in a contract, and as they say them."""

from __future__ import annotations

from datetime import timedelta

_WRITTEN = ((86_400, "d"), (3_600, "h"), (60, "m"))
_EXACT = ((3_600, "h"), (60, "min"))
_ROUGH = ((86_400, "d"), (3_600, "h"), (60, "min"))


def spoken_span(span: timedelta) -> str:
    """Return a span as a contract writes it, in the largest unit that divides it: 24h is 1d, 90s is 90s."""
    seconds = span // timedelta(seconds=1)
    for size, unit in _WRITTEN:
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def exact_span(span: timedelta) -> str:
    """Return a span in the largest unit below a day that divides it: 24 h, 90 min, 45 s."""
    seconds = span // timedelta(seconds=1)
    for size, unit in _EXACT:
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def rough_span(span: timedelta) -> str:
    """Return about how long a span is, as a person says it: 31 h, 5 min, 3 d."""
    seconds = int(span.total_seconds())
    for size, unit in _ROUGH:
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
