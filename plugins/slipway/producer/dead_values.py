"""An invalid event as it is kept among the dead letters.

What is kept must never be read as another event than was given: a value that JSON has no form for is written
as {"not_json": "<what Python calls it>"}, which no field takes, and an event that is no object as a text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from slipway.domain.event_values import LONGEST_NUMBER, Instant, Refused, Rule, convert

NOT_JSON = "not_json"
_LONGEST = 10_000
_LONGEST_BITS = LONGEST_NUMBER * 3


def dead_value(event: Any, rules: Mapping[str, Rule]) -> bytes:
    """Return JSON for an event that was refused; rules: of the schema's fields, by name."""
    try:
        whole: Any = _called(event)
        if isinstance(event, Mapping) and all(isinstance(name, str) for name in event):
            whole = {name: _field(rules.get(name), value) for name, value in event.items()}
        return _written(whole)
    except RecursionError:
        return _written(f"a {type(event).__name__} that is nested too deeply, or holds itself")


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def _field(rule: Rule | None, value: Any) -> Any:
    """Return a field's value in JSON; instants, dates and decimals in the form that its rule takes."""
    if rule is None or not isinstance(value, datetime | date | Decimal):
        return _plain(value)
    try:
        typed = convert(rule, value)
    except Refused:
        return _plain(value)
    if isinstance(typed, Instant):
        return typed.as_datetime().isoformat()
    if isinstance(typed, date):
        return typed.isoformat()
    return str(value) if isinstance(typed, Decimal) else typed


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if value.bit_length() <= _LONGEST_BITS else _no_json(value)
        case float():
            return value if math.isfinite(value) else _no_json(value)
        case list() | tuple():
            return [_plain(one) for one in value]
        case Mapping() if all(isinstance(name, str) for name in value):
            return {name: _plain(one) for name, one in value.items()}
        case _:
            return _no_json(value)


def _no_json(value: Any) -> dict[str, str]:
    return {NOT_JSON: _called(value)}


def _called(value: Any) -> str:
    try:
        return repr(value)[:_LONGEST]
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return f"a {type(value).__name__}, which can't be shown: {type(error).__name__}"
