"""The Avro schema of an event, read into the few facts that the rest of Slipway needs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.errors import Permanent

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
PRIMITIVES = {"string", "int", "long", "double", "boolean"}
LOGICAL = {
    ("long", "timestamp-millis"): "timestamp",
    ("long", "timestamp-micros"): "timestamp",
    ("int", "date"): "date",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event.

    type: string, int, long, double, boolean, timestamp, date or decimal(p,s).
    symbols: the accepted values of an enum, else empty. pii: masked wherever data is shown.
    """

    name: str
    type: str
    nullable: bool
    doc: str
    pii: bool = False
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventSchema:
    """An Avro record schema. text: its canonical JSON, as registered and as handed to the decoder."""

    name: str
    fields: tuple[Field, ...]
    text: str

    def field(self, name: str) -> Field | None:
        """Return the field of that name, or None."""
        return next((field for field in self.fields if field.name == name), None)


def parse_schema(text: str) -> EventSchema:
    """Read an Avro schema; Permanent names the field and what is wrong with it.

    Stricter than Avro 1.12: a union's default must be of its first type, as it had to be before.
    """
    try:
        raw = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise Permanent(
            f"the Avro schema is not JSON: {error.msg.removesuffix(' at')} at line {error.lineno}, "
            f"column {error.colno}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise Permanent(
            "the Avro schema is nested too deeply, or has a number that is too long; expected is "
            '{"type": "record", "name": ..., "fields": [...]}'
        ) from error
    if not isinstance(raw, dict) or raw.get("type") != "record" or not isinstance(raw.get("fields"), list):
        raise Permanent('the Avro schema must be a record: {"type": "record", "name": ..., "fields": [...]}')
    fields = tuple(_field(entry) for entry in raw["fields"])
    seen: dict[str, str] = {}
    for field in fields:
        if not _NAME.fullmatch(field.name):
            raise Permanent(
                f"the Avro schema has a field called {json.dumps(field.name)}; a name is letters, digits and "
                "_, and begins with no digit"
            )
        other = seen.get(field.name.lower())
        seen[field.name.lower()] = field.name
        if other is not None:
            raise Permanent(
                f"the Avro schema has the field {field.name} twice"
                if other == field.name
                else f"the fields {other} and {field.name} differ in capitals only, which the lake does not"
                " tell apart; rename one"
            )
    canonical = json.dumps(raw, separators=(",", ":"), ensure_ascii=False)
    if any("\ud800" <= character <= "\udfff" for character in canonical):
        raise Permanent("the Avro schema holds half a surrogate pair (\\ud800 to \\udfff), which is not text")
    return EventSchema(name=str(raw.get("name", "")), fields=fields, text=canonical)


def _field(entry: Any) -> Field:
    if not isinstance(entry, dict) or "name" not in entry or "type" not in entry:
        raise Permanent(f"a field of the Avro schema needs name and type, but is {json.dumps(entry)}")
    name = str(entry["name"])
    doc = str(entry.get("doc", ""))
    if not doc:
        raise Permanent(f"field {name} of the Avro schema has no doc; say what it holds, and its unit")
    declared, nullable = entry["type"], False
    if isinstance(declared, list):
        others = [option for option in declared if option != "null"]
        if len(others) != 1:
            raise Permanent(
                f"field {name}: a union must be of null and one type, but is {json.dumps(declared)}"
            )
        declared, nullable = others[0], "null" in declared
    kind, symbols = _type(name, declared)
    if "default" in entry:
        _check_default(name, entry["type"], entry["default"], symbols)
    return Field(name, kind, nullable, doc, bool(entry.get("pii", False)), symbols)


def _type(name: str, declared: Any) -> tuple[str, tuple[str, ...]]:
    if isinstance(declared, str):
        if declared in PRIMITIVES:
            return declared, ()
        hint = "; write double" if declared == "float" else ""
        raise Permanent(
            f"field {name}: the type {declared} is not one of {', '.join(sorted(PRIMITIVES))}{hint}"
        )
    if isinstance(declared, Mapping):
        base, logical = declared.get("type"), declared.get("logicalType")
        if base == "enum":
            return "string", tuple(str(symbol) for symbol in declared.get("symbols", ()))
        if logical == "decimal":
            return f"decimal({int(declared['precision'])},{int(declared.get('scale', 0))})", ()
        if (base, logical) in LOGICAL:
            return LOGICAL[str(base), str(logical)], ()
        if logical is None and base in PRIMITIVES:
            return str(base), ()
    raise Permanent(
        f"field {name}: the type {json.dumps(declared)} is not known; known are "
        f"{', '.join(sorted(PRIMITIVES))}, enum, decimal, date, timestamp-millis and timestamp-micros"
    )


_WHOLE = {
    "int": (32, "an int is needed (a whole number of 32 bits)"),
    "long": (64, "a long is needed (a whole number of 64 bits)"),
    "date": (32, "days since 1970 are needed, as an int"),
    "timestamp-millis": (64, "milliseconds since 1970 are needed, as a long"),
    "timestamp-micros": (64, "microseconds since 1970 are needed, as a long"),
}


def _check_default(name: str, declared: Any, default: Any, symbols: tuple[str, ...]) -> None:
    """Refuse a default that its type, or the first one of its union, does not take."""
    first = declared[0] if isinstance(declared, list) else declared
    needed = _needed(first, default, symbols)
    if needed is None:
        return
    told = f"the default of field {name} is {json.dumps(default)}, but {needed}"
    if isinstance(declared, list):
        turned = json.dumps(declared[::-1])
        told += f"; a default is of the first of the union, here {json.dumps(first)}: write {turned}"
    elif default is None:
        told += f"; to let null in, make the type {json.dumps(['null', declared])}"
    raise Permanent(told)


def _needed(kind: Any, default: Any, symbols: tuple[str, ...]) -> str | None:
    """Return what a default of that type must be, None when this one is."""
    base = kind.get("logicalType", kind.get("type")) if isinstance(kind, Mapping) else kind
    if base in _WHOLE:
        bits, words = _WHOLE[base]
        whole = isinstance(default, int) and not isinstance(default, bool)
        return None if whole and -(1 << (bits - 1)) <= default < 1 << (bits - 1) else words
    match base:
        case "null":
            return None if default is None else "null is needed"
        case "boolean":
            return None if isinstance(default, bool) else "true or false is needed"
        case "double":
            number = isinstance(default, int | float) and not isinstance(default, bool)
            return None if number and math.isfinite(default) else "a number is needed"
        case "enum":
            return None if default in symbols else f"one of {', '.join(symbols)} is needed"
        case "decimal":
            fits = isinstance(default, str) and all(character <= "\u00ff" for character in default)
            return None if fits else "bytes as a text are needed, \\u0000 to \\u00ff each"
        case _:
            return None if isinstance(default, str) else "a string is needed"
