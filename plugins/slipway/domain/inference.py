"""Field types from sample values: what a stream of records seems to hold, and what a person must decide.

Types err on the wide side, for a record that does not fit is rejected. Values of JSON are given as Python's:
numbers with a point as Decimal. Nothing here is shown of a field that looks personal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from slipway.domain import personal
from slipway.domain.instants import NotAnInstant, day_of, micros_of

MOST_SYMBOLS, RECORDS_A_SYMBOL = 8, 10
"""A text is taken for an enum when it has few values, each of them often."""

MONEY_DIGITS, MOST_SCALE = 18, 6
MOST_DIGITS_SHOWN = 8
"""Digits of a whole number that is still quoted; one with more may be a phone's, or a person's."""

_AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)\.\d+", re.ASCII)
_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?")
_TIME_NAME = re.compile(r"(^|_)(ts|time|timestamp|at|date|datetime|when|created|updated|instant)(_|$)")
_MONEY_NAME = re.compile(
    r"(^|_)(price|amount|total|cost|fee|tax|revenue|money|paid|balance|discount|cents?|charge|refund)(_|$)"
)
_MILLIS = (946_684_800_000, 4_102_444_800_000)  # the years 2000 to 2099, epoch milliseconds
LONG = (-(2**63), 2**63 - 1)
_LARGEST_DOUBLE = Decimal("1e15")
ROOM = 1000
"""An int is chosen when the largest value seen would fit so many times."""


@dataclass(frozen=True, slots=True)
class Guess:
    """One field of the draft.

    avro: the type as an Avro schema has it, null left out. kind: the same in Slipway's terms. notes: what a
    person must decide about it. unique: different in every record. repeats: mean records of one value.
    """

    name: str
    avro: Any
    kind: str
    nullable: bool
    doc: str
    personal: bool = False
    notes: tuple[str, ...] = ()
    unique: bool = False
    repeats: float = 0.0
    distinct: int = 0
    local_time: bool = False
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A field of the sample that the draft has not. why: in words."""

    name: str
    why: str


def snake(name: str) -> str:
    """Return a name in snake case: `orderId` and `Order ID` are order_id."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", parts.lower()).strip("_")


def infer(
    records: Sequence[Mapping[str, Any]], reserved: Sequence[str] = ()
) -> tuple[list[Guess], list[LeftOut]]:
    """Return a guess for each field that an event can have, in order of appearance, and what was left out."""
    guesses: list[Guess] = []
    left_out: list[LeftOut] = []
    taken = {name.lower() for name in reserved}
    for name in dict.fromkeys(name for record in records for name in record):
        values = [record.get(name) for record in records]
        why = _no_name(name, taken)
        if why is None:
            found = guess(name, values)
            if isinstance(found, LeftOut):
                left_out.append(found)
            else:
                taken.add(name.lower())
                guesses.append(found)
        else:
            # A name can be somebody's, where a producer uses a map by address.
            shown = "(a name that looks personal)" if personal.holds([name]) else name
            left_out.append(LeftOut(shown, why))
    return guesses, left_out


def _no_name(name: str, taken: set[str]) -> str | None:
    if not _AVRO_NAME.fullmatch(name) or "__" in name:
        return "its name can't be an Avro field's: letters, digits and single _, not beginning with a digit"
    if name.lower() in taken:
        return "a field or column of that name is there already, and the lake knows no capitals"
    return None


def guess(name: str, values: Sequence[Any]) -> Guess | LeftOut:
    """Return what one field seems to hold; values: one a record, None where it is null or absent."""
    given = [value for value in values if value is not None]
    if not given:
        note = "it is null in every record of the sample; give it its type, or take it out"
        return Guess(name, "string", "string", True, _doc("", given, (), shown=False), notes=(note,))
    kinds = {_kind(value) for value in given}
    if kinds & {"object", "list"}:
        return LeftOut(
            name, f"it holds {' and '.join(sorted(kinds))}, which an event can't; flatten it first"
        )
    if len(kinds) > 1 and kinds != {"integer", "number"}:
        return LeftOut(
            name, f"it holds {' as well as '.join(sorted(kinds))}; the producer must settle on one"
        )
    nullable = len(given) < len(values)
    distinct = len(set(given))
    looks_personal = personal.named(snake(name)) or personal.holds(given)
    try:
        avro, kind, notes, symbols = _TYPES[kinds.pop() if len(kinds) == 1 else "number"](
            name, given, looks_personal
        )
    except _NoType as error:
        return LeftOut(name, str(error))
    if looks_personal:
        notes = ("looks personal, so it is marked pii and masked wherever data is shown; is it?", *notes)
    return Guess(
        name=name,
        avro=avro,
        kind=kind,
        nullable=nullable,
        doc=_doc(kind, given, symbols, shown=not looks_personal),
        personal=looks_personal,
        notes=tuple(notes),
        unique=not nullable and distinct == len(values),
        repeats=len(given) / distinct,
        distinct=distinct,
        local_time=kind == "string" and all(_LOCAL_TIME.fullmatch(text) for text in given),
        symbols=symbols,
    )


class _NoType(ValueError):
    """No type of an event holds these values; the message says why."""


Typed = tuple[Any, str, Sequence[str], tuple[str, ...]]


def _boolean(_name: str, _given: Sequence[Any], _personal: bool) -> Typed:
    return "boolean", "boolean", (), ()


def _integer(name: str, given: Sequence[Any], _personal: bool) -> Typed:
    low, high = min(given), max(given)
    if _TIME_NAME.search(snake(name)):
        if _MILLIS[0] <= low and high < _MILLIS[1]:
            return *_timestamp("millis"), ("whole numbers, read as milliseconds since 1970; are they?",), ()
        if _MILLIS[0] * 1000 <= low and high < _MILLIS[1] * 1000:
            return *_timestamp("micros"), ("whole numbers, read as microseconds since 1970; are they?",), ()
        if _MILLIS[0] <= low * 1000 and high * 1000 < _MILLIS[1]:
            note = "looks like seconds since 1970; a timestamp is given in milliseconds or as ISO 8601"
            return "long", "long", (note,), ()
    if low < LONG[0] or high > LONG[1]:
        if max(abs(low), abs(high)) >= 10**38:
            raise _NoType("its whole numbers have more than 38 digits; send it as text")
        return *_decimal(38, 0), (), ()
    if low * ROOM >= -(2**31) and high * ROOM < 2**31:
        return "int", "int", (), ()
    return "long", "long", (), ()


def _number(name: str, given: Sequence[Any], _personal: bool) -> Typed:
    decimals = [Decimal(value) for value in given]
    if not all(value.is_finite() and abs(value) < _LARGEST_DOUBLE for value in decimals):
        raise _NoType("it holds no numbers, or some of 1e15 and more, which are rejected")
    scale = max(max(0, -int(value.normalize().as_tuple().exponent)) for value in decimals)
    whole = max(len(str(abs(int(value)))) for value in decimals)
    if _MONEY_NAME.search(snake(name)) and scale <= MOST_SCALE and whole + max(scale, 2) <= MONEY_DIGITS - 3:
        note = "looks like money, so it is exact; is the scale right, and which currency is it?"
        return *_decimal(MONEY_DIGITS, max(scale, 2)), (note,), ()
    return "double", "double", (), ()


def _text(name: str, given: Sequence[Any], personal: bool) -> Typed:
    if all(_reads(micros_of, text) for text in given):
        fine = any(re.search(r"\.\d{3}0*[1-9]", text) for text in given)
        return *_timestamp("micros" if fine else "millis"), (), ()
    if all(_reads(day_of, text) and text[0].isdigit() and len(text) == 10 for text in given):
        return {"type": "int", "logicalType": "date"}, "date", (), ()
    if all(_DECIMAL.fullmatch(text) and len(text) < MONEY_DIGITS - 3 for text in given):
        scale = max(len(text.partition(".")[2]) for text in given)
        if scale <= MOST_SCALE:
            note = (
                "numbers written as text, read as exact decimals; is the scale right, which currency is it?"
            )
            return *_decimal(MONEY_DIGITS, scale), (note,), ()
    symbols = tuple(sorted(set(given)))
    if (
        not personal
        and 2 <= len(symbols) <= MOST_SYMBOLS
        and len(given) >= len(symbols) * RECORDS_A_SYMBOL
        and all(_AVRO_NAME.fullmatch(symbol) for symbol in symbols)
    ):
        note = f"{len(symbols)} values seen; any other would be rejected: make it a string if more may come"
        return (
            {"type": "enum", "name": f"{name}_values", "symbols": list(symbols)},
            "string",
            (note,),
            symbols,
        )
    if all(_LOCAL_TIME.fullmatch(text) for text in given):
        return "string", "string", ("instants without a time zone; ask the producer for the offset",), ()
    return "string", "string", (), ()


_TYPES: Mapping[str, Callable[[str, Sequence[Any], bool], Typed]] = {
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "text": _text,
}


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case Decimal() | float():
            return "number"
        case str():
            return "text"
        case list() | tuple():
            return "list"
        case _:
            return "object"


def _timestamp(unit: str) -> tuple[Any, str]:
    return {"type": "long", "logicalType": f"timestamp-{unit}"}, "timestamp"


def _decimal(precision: int, scale: int) -> tuple[Any, str]:
    avro = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    return avro, f"decimal({precision},{scale})"


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except NotAnInstant:
        return False
    return "0001" < text[:4] < "9999" and text[:4].isdigit()


def _doc(kind: str, given: Sequence[Any], symbols: Sequence[str], *, shown: bool) -> str:
    """Return a first doc. A free text is never quoted: this goes into files that are shared."""
    what = {"timestamp": "An instant", "date": "A date", "boolean": "True or false"}.get(kind, "")
    quotable = shown and (symbols or kind not in ("string", "boolean"))
    examples = [value for value in dict.fromkeys(map(_short, given)) if value][:3] if quotable else []
    seen = f"such as {', '.join(examples)}" if examples else ""
    told = " ".join(part for part in (what, seen) if part)
    return f"DECIDE: say what it holds, and its unit{f'. In the sample: {told}' if told else ''}"


def _short(value: Any) -> str:
    if isinstance(value, int) and len(str(abs(value))) > MOST_DIGITS_SHOWN:
        return ""
    text = str(value) if not isinstance(value, str) else json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 40 else ""


def instant_of(value: Any, kind: Any) -> datetime | None:
    """Return the instant that a value of a timestamp field stands for; None when there is none."""
    try:
        micros = micros_of(value) if isinstance(value, str) else int(value) * _UNIT[kind["logicalType"]]
        return datetime.fromtimestamp(micros / 1_000_000, tz=UTC)
    except (NotAnInstant, TypeError, ValueError, OverflowError, OSError):
        return None


_UNIT = {"timestamp-millis": 1000, "timestamp-micros": 1}
