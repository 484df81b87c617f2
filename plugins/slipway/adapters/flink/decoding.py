"""What the decode function is told of an event: the schema that it reads, and the longest texts of keys."""

from __future__ import annotations

import json
from typing import Any

from slipway.domain.contract import Migration

LONGEST_KEY = 2_400
"""Bytes of text in one key: Postgres refuses index entries above 2,704, which would stop the job."""


def decoder_schema(migration: Migration) -> str:
    """Return the event schema as the decoder needs it: without docs, so that a mended comment changes no job.

    Texts that become a key in the warehouse get `at_most_bytes`. Namespaces stay for Avro alone, where they
    are a part of what a writer's schema is matched by.
    """
    left_out = {"doc"} if migration.contract.events.format == "avro" else {"doc", "namespace"}
    schema = _without(json.loads(migration.schema.text), left_out)
    limits = longest_texts(migration)
    for field in schema["fields"]:
        if field["name"] in limits:
            field["at_most_bytes"] = limits[field["name"]]
    return json.dumps(schema, separators=(",", ":"), ensure_ascii=False)


def longest_texts(migration: Migration) -> dict[str, int]:
    """Return how many bytes (UTF-8, escaped as in JSON) a text may have, by field: the id, and each grain."""
    limits = {migration.contract.events.id: LONGEST_KEY}
    known = {field.name for field in migration.event_fields}
    for kpi in migration.kpis.values():
        texts = [part.source.name for part in kpi.grain if part.type == "string"]
        for name in known.intersection(texts):
            limits[name] = min(limits.get(name, LONGEST_KEY), LONGEST_KEY // len(texts))
    return limits


def _without(node: Any, left_out: set[str]) -> Any:
    match node:
        case dict():
            return {key: _without(value, left_out) for key, value in node.items() if key not in left_out}
        case list():
            return [_without(value, left_out) for value in node]
        case _:
            return node
