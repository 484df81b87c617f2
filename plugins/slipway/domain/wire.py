"""A record's bytes read as the stream's decoder reads them, for whoever must know its answer beforehand."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, NoReturn

from slipway.domain.event_values import LIMITS, LONGEST_NUMBER, IntegerText, NumberText, Refused, Repeated
from slipway.domain.validity import Accepted, Validity

_DEEPEST = 1000
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BLANK = " \t\r\n"


def check_json(validity: Validity, value: bytes | None, arrived_at: int) -> Accepted:
    """Return what the decoder reads from a JSON value; Refused with its reason when it refuses it.

    arrived_at: the record's timestamp, epoch milliseconds.
    """
    text = _text(value)
    if not text.strip(_BLANK):
        raise Refused("empty value")
    if _depth(text) > _DEEPEST:
        raise Refused(LIMITS)
    found, rest = _first(text)
    if not isinstance(found, Repeated):
        while rest.strip(_BLANK):
            _, rest = _first(rest)
        raise Refused("not a json object")
    if rest.strip(_BLANK):
        raise Refused("bytes after the json object")
    return validity.check(found, arrived_at)


def _text(value: bytes | None) -> str:
    if value is None:
        raise Refused("null value")
    if value.startswith(b"\xef\xbb\xbf"):
        raise Refused("byte order mark before the json")
    if len(value) >= 2 and (value[0] == 0 or value[1] == 0 or value[0] & 0xFE == 0xFE):
        raise Refused("not json")
    try:
        return value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Refused("not json") from error


def _first(text: str) -> tuple[Any, str]:
    """Return the first JSON value of a text, and what follows it."""
    text = text.lstrip(_BLANK)
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(max(usual, 2 * _DEEPEST + usual))
    try:
        found, end = _READER.raw_decode(text)
    except ValueError as error:
        raise Refused("not json") from error
    finally:
        sys.setrecursionlimit(usual)
    return found, text[end:]


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in _STRINGS.sub("", text) if text.count("[") + text.count("{") > _DEEPEST else "":
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(text: str) -> IntegerText:
    if len(text.lstrip("-")) > LONGEST_NUMBER:
        raise Refused(LIMITS)
    return IntegerText(text)


def _number(text: str) -> NumberText:
    if len(text) > LONGEST_NUMBER:
        raise Refused(LIMITS)
    return NumberText(text)


_READER = json.JSONDecoder(
    object_pairs_hook=Repeated, parse_int=_integer, parse_float=_number, parse_constant=_no_constant
)
