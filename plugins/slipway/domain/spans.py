"""Spans of time as people write them in a contract."""

from __future__ import annotations

from datetime import timedelta

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


def spoken_span(span: timedelta) -> str:
    """Return a span as a contract writes it, in the largest unit that divides it: 24h is 1d, 90s is 90s."""
    seconds = span // timedelta(seconds=1)
    for size, unit in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
