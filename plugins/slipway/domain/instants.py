"""Instants as text: written with a Z, and read as the stream's decoder reads them, any year, no lenience."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_DAY = r"([+-]?\d{4,9})-(\d\d)-(\d\d)"
_INSTANT = re.compile(
    _DAY + r"[Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{0,9}))?)?"
    r"(?:[Zz]|([+-])(\d\d)(?::(\d\d)(?::(\d\d))?)?)",
    re.ASCII,
)
_DATE = re.compile(_DAY, re.ASCII)
_LARGEST_OFFSET = 18 * 3600
_LARGEST_MILLIS = 2**63


class NotAnInstant(ValueError):
    """The text is no instant, or no date, that the decoder would read."""


def zulu(instant: datetime, timespec: str = "auto") -> str:
    """Return an aware instant in ISO 8601 and UTC, with a Z; timespec as in datetime.isoformat."""
    return instant.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def local_text(instant: str, zone: ZoneInfo) -> str:
    """Return an instant that DuckDB has written as the business reads it: local, with its offset."""
    local = datetime.fromisoformat(instant).astimezone(zone)
    return local.isoformat(timespec="minutes" if local.second == local.microsecond == 0 else "auto")


def micros_of(text: str) -> int:
    """Return microseconds since 1970, finer fractions cut; NotAnInstant for any other text."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise NotAnInstant(text)
    year, month, day = _checked(found[1], int(found[2]), int(found[3]))
    hour, minute, second = int(found[4]), int(found[5]), int(found[6] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise NotAnInstant(text)
    micros = int((found[7] or "").ljust(9, "0")[:6])
    seconds = _days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - _offset(found)
    if not -_LARGEST_MILLIS <= seconds * 1_000 < _LARGEST_MILLIS:
        raise NotAnInstant(text)
    return seconds * 1_000_000 + micros


def day_of(text: str) -> tuple[int, int, int]:
    """Return year, month and day; the year may be any. NotAnInstant for any other text."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise NotAnInstant(text)
    return _checked(found[1], int(found[2]), int(found[3]))


def _checked(year: str, month: int, day: int) -> tuple[int, int, int]:
    digits = year.lstrip("+-")
    padded = len(digits) > 4 and year[0] not in "+-"
    if padded or (year[0] == "+" and len(digits) == 4) or year == "-0000":
        raise NotAnInstant(year)
    number = int(year)
    # The calendar repeats itself every 400 years; Python's own ends with the year 9999.
    if not 1 <= month <= 12 or not 1 <= day <= monthrange(2000 + number % 400, month)[1]:
        raise NotAnInstant(year)
    return number, month, day


def _offset(found: re.Match[str]) -> int:
    if found[8] is None:
        return 0
    hours, minutes, seconds = int(found[9]), int(found[10] or 0), int(found[11] or 0)
    total = hours * 3_600 + minutes * 60 + seconds
    if minutes > 59 or seconds > 59 or total > _LARGEST_OFFSET:
        raise NotAnInstant(found[0])
    return -total if found[8] == "-" else total


def _days(year: int, month: int, day: int) -> int:
    """Return days since 1970-01-01 of the proleptic Gregorian calendar."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
