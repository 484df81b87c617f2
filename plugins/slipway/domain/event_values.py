"""The values of the fields of an event: what each kind takes, what it becomes, the words for a refusal."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from slipway.domain.instants import NotAnInstant, day_of, micros_of

LIMITS = "json beyond the limits: nested too deeply, or a number or text that is too long"
LONGEST_NUMBER = 1000
DOUBLES_BELOW = 1e15
"""Magnitude of doubles: sums keep them as decimals of 26 digits, six of them behind the point."""
_LONGEST_QUOTE = 60
_MILLI = 1_000
_EARLIEST, _LATEST = micros_of("0001-01-02T00:00Z"), micros_of("9999-12-30T00:00Z")
"""One day inside the years 1 to 9999, so that the local day in any zone is inside them too."""
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]+))?", re.ASCII)
_LARGEST_EXPONENT = 2**31 - LONGEST_NUMBER
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WORDS = {
    "string": "a string",
    "int": "an integer",
    "long": "an integer",
    "double": "a number",
    "boolean": "true or false",
    "decimal": "a number",
    "timestamp": "an instant in ISO 8601 with its offset, or its epoch as an integer",
    "date": "a date (yyyy-mm-dd)",
}


class IntegerText(str):
    """An integer as a JSON text has it."""


class NumberText(str):
    """Any other number as a JSON text has it."""


class Repeated(list[tuple[str, Any]]):
    """A JSON object as the pairs that it was written with, repeated names included."""


class Refused(Exception):
    """Why a value is no event; the message is the reason that people read."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one field must be. digits, scale: of a decimal. micros: unit of an instant given as an integer.

    longest: bytes of a text that becomes part of a key in the warehouse; 0 for all others. identity: whether
    it is the event's id, which can't be empty.
    """

    name: str
    kind: str
    nullable: bool
    defaulted: bool
    pii: bool
    symbols: tuple[str, ...]
    digits: int
    scale: int
    micros: bool
    longest: int
    identity: bool


@dataclass(frozen=True, slots=True)
class Instant:
    """Microseconds since 1970, UTC."""

    micros: int

    def as_datetime(self) -> datetime:
        """Return it aware, UTC; always inside the years that a datetime can hold."""
        return _EPOCH + timedelta(microseconds=self.micros)


def convert(rule: Rule, value: Any) -> Any:
    """Return a field's typed value; Refused with the decoder's words when it is none."""
    if value is None:
        if rule.nullable:
            return None
        raise Refused(f"{rule.name}: null is not {WORDS[rule.kind]}")
    if isinstance(value, Mapping | list | tuple):
        what = "an object" if isinstance(value, Mapping | Repeated) else "an array"
        raise Refused(f"{rule.name}: {what} is not {WORDS[rule.kind]}")
    match rule.kind:
        case "string":
            return _text(rule, value)
        case "int":
            return _integer(rule, value, 32)
        case "long":
            return _integer(rule, value, 64)
        case "double":
            return _double(rule, value)
        case "decimal":
            return _decimal(rule, value)
        case "boolean":
            if isinstance(value, bool):
                return value
        case "timestamp":
            return _instant(rule, value)
        case "date":
            return _date(rule, value)
    raise _wrong(rule, value)


def _text(rule: Rule, value: Any) -> str:
    if not isinstance(value, str) or isinstance(value, IntegerText | NumberText):
        raise _wrong(rule, value)
    if rule.identity and not value:
        raise Refused(f"{rule.name}: '' is no identity")
    for character in value:
        if character == "\0":
            raise _because(rule, value, "holds a NUL character, which no table can store")
        if "\ud800" <= character <= "\udfff":
            raise _because(rule, value, "holds half a surrogate pair, which is not text")
    if rule.longest and bytes_in_key(value) > rule.longest:
        told = f"takes {bytes_in_key(value)} bytes, but it is part of a key, which holds {rule.longest}"
        raise _because(rule, value, told)
    if rule.symbols and value not in rule.symbols:
        raise _because(rule, value, f"is not one of {', '.join(sorted(rule.symbols))}")
    return value


def bytes_in_key(text: str) -> int:
    """Return the bytes of a text in UTF-8 within JSON."""
    more = sum(5 if character < " " else character in '"\\' for character in text if character < "]")
    return len(text.encode()) + more


def _integer(rule: Rule, value: Any, bits: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | IntegerText):
        raise _wrong(rule, value)
    found = int(_short(value)) if isinstance(value, IntegerText) else int(value)
    if not -(1 << (bits - 1)) <= found < 1 << (bits - 1):
        raise _because(rule, shown(value), f"does not fit into {bits} bits")
    return found


def _double(rule: Rule, value: Any) -> float:
    text = _number(rule, value)
    try:
        found = float(text)
    except ValueError as error:
        raise _wrong(rule, value) from error
    if math.isnan(found):
        raise _wrong(rule, value)
    if abs(found) >= DOUBLES_BELOW:
        raise _because(rule, text, "does not fit: its magnitude must be below 1e15")
    return found


def _decimal(rule: Rule, value: Any) -> Decimal:
    text = _digits(rule, value)
    try:
        found = Decimal(text)
    except InvalidOperation as error:
        raise _because(rule, text, _DOES_NOT_FIT.format(rule.digits, rule.scale)) from error
    if not found.is_finite():
        raise _wrong(rule, value)
    sign, digits, exponent = found.as_tuple()
    kept = "".join(map(str, digits)).rstrip("0")
    scale = -(int(exponent) + len(digits) - len(kept))
    # Checked before any rescaling: 1e999999999 would be written out digit by digit.
    if kept.lstrip("0") and (len(kept.lstrip("0")) - scale > rule.digits - rule.scale or scale > rule.scale):
        raise _because(rule, text, _DOES_NOT_FIT.format(rule.digits, rule.scale))
    return found if kept.lstrip("0") else Decimal((0, (0,), -rule.scale)) * (-1 if sign else 1)


def _digits(rule: Rule, value: Any) -> str:
    """Return a decimal as text; it may come as a string of digits, of which no reader makes a double."""
    if not isinstance(value, str) or isinstance(value, IntegerText | NumberText):
        return _number(rule, value)
    found = _NUMBER.fullmatch(value)
    if found is None or len(value) > LONGEST_NUMBER or abs(int(found[1] or 0)) > _LARGEST_EXPONENT:
        raise _wrong(rule, value)
    return value


_DOES_NOT_FIT = "does not fit into decimal({},{})"


def _number(rule: Rule, value: Any) -> str:
    if isinstance(value, IntegerText | NumberText):
        return _short(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _wrong(rule, value)
    return shown(value)


def _instant(rule: Rule, value: Any) -> Instant:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise _wrong(rule, value.isoformat())
        text, micros = value.isoformat(), (value - _EPOCH) // timedelta(microseconds=1)
    elif isinstance(value, str) and not isinstance(value, IntegerText | NumberText):
        try:
            text, micros = value, micros_of(value)
        except NotAnInstant as error:
            raise _wrong(rule, value) from error
    elif isinstance(value, int | IntegerText):
        number = _integer(rule, value, 64)
        text, micros = shown(value), number if rule.micros else number * _MILLI
    else:
        raise _wrong(rule, value)
    if not _EARLIEST <= micros // _MILLI * _MILLI <= _LATEST:
        raise _because(rule, text, "is outside the years 1 to 9999")
    return Instant(micros if rule.micros else micros // _MILLI * _MILLI)


def _date(rule: Rule, value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or isinstance(value, IntegerText | NumberText):
        raise _wrong(rule, value)
    try:
        year, month, day = day_of(value)
    except NotAnInstant as error:
        raise _wrong(rule, value) from error
    if not 1 <= year <= 9999:
        raise _because(rule, value, "is outside the years 1 to 9999")
    return date(year, month, day)


def _wrong(rule: Rule, value: Any) -> Refused:
    return _because(rule, shown(value), f"is not {WORDS[rule.kind]}")


def _because(rule: Rule, text: str, verdict: str) -> Refused:
    return Refused(f"{rule.name}: {'its value' if rule.pii else quoted(text)} {verdict}")


def _short(text: str) -> str:
    if len(text.lstrip("-")) > LONGEST_NUMBER:
        raise Refused(LIMITS)
    return text


def shown(value: Any) -> str:
    """Return a value as JSON writes it, as far as JSON knows it."""
    match value:
        case str():
            return str(value)
        case bool():
            return "true" if value else "false"
        case int():
            return _short_int(value)
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _short_int(value: int) -> str:
    if value.bit_length() > LONGEST_NUMBER * 4:  # more digits than the decoder reads, or Python prints
        raise Refused(LIMITS)
    return _short(str(value))


def quoted(text: str) -> str:
    """Return a text as it can stand in a log, a table and a page: short, without control characters."""
    raw = text.encode("utf-16-be", "surrogatepass")
    units = [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]
    out, at, end = [], 0, min(len(units), _LONGEST_QUOTE)
    while at < end:
        unit = units[at]
        pair = units[at + 1] if at + 1 < len(units) else 0
        if 0xD800 <= unit < 0xDC00 and 0xDC00 <= pair < 0xE000:
            out.append(bytes([unit >> 8, unit & 0xFF, pair >> 8, pair & 0xFF]).decode("utf-16-be"))
            at += 1
        elif unit < 0x20 or 0x7F <= unit < 0xA0 or 0xD800 <= unit < 0xE000:
            out.append(f"\\u{unit:04x}")
        else:
            out.append(chr(unit))
        at += 1
    return "'" + "".join(out) + ("...'" if end < len(units) else "'")
