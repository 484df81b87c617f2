"""What is a valid event: the rules of the stream's decoder, word for word, for whoever must know beforehand.

The decoder itself is Java (flink_jobs/decode); tests/cases/decoder.json holds both to the same answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from slipway.domain.avro import Field
from slipway.domain.contract import Migration
from slipway.domain.event_values import LIMITS, Refused, Rule, convert, quoted

LONGEST_KEY = 2_400
"""Bytes of text in one key: Postgres refuses index entries above 2,704, which would stop the job."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A valid event. values: typed, by field of the schema: str, int, float, bool, Decimal, date or Instant.

    unknown: fields that the schema does not have; the decoder skips them.
    """

    values: Mapping[str, Any]
    unknown: tuple[str, ...]


class Validity:
    """The rules of one contract's events."""

    def __init__(self, migration: Migration) -> None:
        events = migration.contract.events
        declared = {field["name"]: field for field in json.loads(migration.schema.text)["fields"]}
        longest = longest_texts(migration)
        self.rules = {
            field.name: _rule(field, declared[field.name], longest.get(field.name, 0), events.id)
            for field in migration.schema.fields
        }
        self.id, self.time = events.id, events.time
        self._ahead = events.ahead_at_most // timedelta(milliseconds=1)

    def check(self, event: Iterable[tuple[str, Any]], arrived_at: int) -> Accepted:
        """Return the event's values; Refused with the decoder's own reason when it is none.

        event: names and values in the order in which they are written; arrived_at: epoch milliseconds.
        """
        values: dict[str, Any] = {}
        unknown: list[str] = []
        first: Refused | None = None
        for name, value in event:
            if not isinstance(name, str):
                raise Refused(f"{quoted(str(name))} is not the name of a field")
            rule = self.rules.get(name)
            if rule is None:
                unknown.append(name)
                continue
            try:
                if name in values:
                    raise Refused(f"duplicate field {name}")
                values[name] = None
                values[name] = convert(rule, value)
            except Refused as refused:
                if str(refused) == LIMITS:
                    raise
                first = first or refused
        if first is not None:
            raise first
        self._complete(values)
        self._check_time(values, arrived_at)
        return Accepted(values, tuple(unknown))

    def _complete(self, values: dict[str, Any]) -> None:
        for rule in self.rules.values():
            if rule.name not in values and not rule.defaulted and not rule.nullable:
                raise Refused(f"missing field {rule.name}")

    def _check_time(self, values: Mapping[str, Any], arrived_at: int) -> None:
        at = values.get(self.time)  # absent when the schema has a default for it
        if at is not None and at.micros // 1_000 - arrived_at > self._ahead:
            raise Refused(f"{self.time} is more than {_span(self._ahead)} ahead of its arrival")


def longest_texts(migration: Migration) -> dict[str, int]:
    """Return how many bytes (UTF-8, escaped as in JSON) a text may have, by field: the id, and each grain."""
    limits = {migration.contract.events.id: LONGEST_KEY}
    known = {field.name for field in migration.event_fields}
    for kpi in migration.kpis.values():
        texts = [part.source.name for part in kpi.grain if part.type == "string"]
        for name in known.intersection(texts):
            limits[name] = min(limits.get(name, LONGEST_KEY), LONGEST_KEY // len(texts))
    return limits


def _rule(field: Field, declared: Mapping[str, Any], longest: int, id_field: str) -> Rule:
    kind, digits, scale = field.type, 0, 0
    if found := re.fullmatch(r"decimal\((\d+),(\d+)\)", kind):
        kind, digits, scale = "decimal", int(found[1]), int(found[2])
    branches = declared["type"] if isinstance(declared["type"], list) else [declared["type"]]
    micros = any(isinstance(one, dict) and one.get("logicalType") == "timestamp-micros" for one in branches)
    defaulted = declared.get("default") is not None
    return Rule(
        name=field.name,
        kind=kind,
        nullable=field.nullable,
        defaulted=defaulted,
        pii=field.pii,
        symbols=field.symbols,
        digits=digits,
        scale=scale,
        micros=micros,
        longest=longest,
        identity=field.name == id_field,
    )


def _span(millis: int) -> str:
    if millis % 3_600_000 == 0:
        return f"{millis // 3_600_000} h"
    return f"{millis // 60_000} min" if millis % 60_000 == 0 else f"{millis / 1000} s"
