"""What may be shown of an event: fields that the schema marks `pii` are hidden wherever data is shown.

A page, a report, a listing, a log line and a reason all ask the same `Masking`. It errs towards hiding: in a
schema with personal fields, a field that the schema does not know and bytes that can't be read are hidden
too, for nobody can say what they hold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.domain.avro import EventSchema

if TYPE_CHECKING:  # brings sqlglot, which the parsing of DAGs does without
    from slipway.domain.measures import CompiledKpi

HIDDEN = "(masked)"
"""Stands where a personal value would be; NULL stays NULL, for what is absent gives nothing away."""

_ROUNDS = 10_000
"""Of PBKDF2: some 3 ms a value, so that going through all phone numbers takes a year, not a minute."""


@dataclass(frozen=True, slots=True)
class Masking:
    """What one event schema lets be seen. known: all fields; personal: those marked `pii`."""

    known: frozenset[str]
    personal: frozenset[str]

    @classmethod
    def of(cls, schema: EventSchema) -> Masking:
        """Return what a schema lets be seen."""
        return cls(
            frozenset(field.name for field in schema.fields),
            frozenset(field.name for field in schema.fields if field.pii),
        )

    def hides(self, field: str) -> bool:
        """Say whether the values of a field stay hidden."""
        return field in self.personal or (bool(self.personal) and field not in self.known)

    def value(self, field: str, value: Any) -> Any:
        """Return a field's value as it may be shown."""
        return HIDDEN if value is not None and self.hides(field) else value

    def record(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return an event as it may be shown; its fields keep their order."""
        return {field: self.value(field, value) for field, value in event.items()}

    def identity(self, field: str, value: str) -> str:
        """Return a value by which equal ones can be told, and no more when the field is personal.

        Slow on purpose; made for the few ids that a listing shows.
        """
        if not self.hides(field):
            return value
        made = hashlib.pbkdf2_hmac("sha256", value.encode("utf-8", "surrogatepass"), field.encode(), _ROUNDS)
        return f"masked-{made.hex()[:12]}"

    def identities(self, field: str, values: Iterable[str]) -> list[str]:
        """Return each value by `identity`."""
        return [self.identity(field, value) for value in values]

    def key(self, fields: Iterable[str], key: bytes | None) -> str:
        """Return a record's key as it may be shown. fields: those that the key is made of."""
        if key is None:
            return ""
        whole = _text(key)
        return HIDDEN if any(self.hides(field) for field in fields) else whole

    def payload(self, raw: bytes | None) -> str:
        """Return a record's bytes as they may be shown: JSON with its personal fields hidden.

        Without personal fields the bytes are shown as they are, what is not text escaped. With them, what is
        not a JSON object is not shown at all: a broken record still holds somebody's address.
        """
        if raw is None:
            return "(no value)"
        if not self.personal:
            return _text(raw)
        try:
            event = json.loads(raw.decode("utf-8"), object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, _Pairs):
            return f"(masked: {len(raw)} bytes that are no JSON object, and the schema has personal fields)"
        shown = (
            f"{json.dumps(name, ensure_ascii=False)}: {_json(self.value(name, value))}"
            for name, value in event
        )
        return "{" + ", ".join(shown) + "}"

    def cell(self, kpi: CompiledKpi, cell: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row's key as it may be shown: a grain column made of a personal field is hidden."""
        sources = {part.name: part.source.name for part in kpi.grain}
        return {
            column: HIDDEN if value is not None and sources.get(column) in self.personal else value
            for column, value in cell.items()
        }


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: with names that come twice."""


def _json(value: Any) -> str:
    match value:
        case _Pairs():
            return "{" + ", ".join(f"{_json(name)}: {_json(item)}" for name, item in value) + "}"
        case list():
            return "[" + ", ".join(map(_json, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
