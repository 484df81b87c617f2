"""How the fields of an event become the key of its Kafka record, which decides partition and order.

One text field: its text. Anything else, several fields or a field that is no text: a JSON array of the values
in the contract's order, such as `["LGA",7]`, without spaces; instants in UTC, dates as yyyy-mm-dd.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from slipway.domain.contract import Migration
from slipway.domain.instants import zulu


def is_plain(migration: Migration) -> bool:
    """Say whether the key is the text of one field."""
    names = migration.contract.events.key
    field = migration.schema.field(names[0])
    return len(names) == 1 and field is not None and field.type == "string"


def key_bytes(names: Sequence[str], values: Mapping[str, Any], *, plain: bool) -> bytes | None:
    """Return a record's key; None when a plain key is null.

    values: by field, typed: instants are aware datetimes.
    """
    if plain:
        text = values.get(names[0])
        return None if text is None else str(text).encode()
    parts = [_jsonable(values.get(name)) for name in names]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()


def _jsonable(value: Any) -> Any:
    match value:
        case datetime():
            return zulu(value)
        case date():
            return value.isoformat()
        case Decimal():
            return format(value.normalize(), "f")
        case _:
            return value
