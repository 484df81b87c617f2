"""What the decode function is told of an event: the schema that it reads, and the longest texts of keys."""

from __future__ import annotations

import json
from typing import Any

from slipway.domain.contract import Migration
from slipway.domain.validity import longest_texts


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


def _without(node: Any, left_out: set[str]) -> Any:
    match node:
        case dict():
            return {key: _without(value, left_out) for key, value in node.items() if key not in left_out}
        case list():
            return [_without(value, left_out) for value in node]
        case _:
            return node
