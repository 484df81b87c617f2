"""A schema registry in memory; tests/contract/test_schemas.py holds it and the real one to the same."""

from __future__ import annotations

import json

from slipway.errors import Permanent


class FakeSchemas:
    """Versions by subject; of compatibility it knows that a new field needs a default."""

    def __init__(self) -> None:
        self._levels: dict[str, str] = {}
        self._versions: dict[str, list[str]] = {}
        self._ids: dict[str, int] = {}

    def compatibility(self, subject: str) -> str | None:
        return self._levels.get(subject)

    def set_compatibility(self, subject: str, level: str) -> None:
        self._levels[subject] = level

    def latest(self, subject: str) -> str | None:
        return next(reversed(self._versions.get(subject, [])), None)

    def identify(self, subject: str, schema: str) -> int | None:
        return self._ids[schema] if schema in self._versions.get(subject, []) else None

    def register(self, subject: str, schema: str) -> int:
        latest = self.latest(subject)
        if latest is not None and self._levels.get(subject) == "BACKWARD":
            known = {field["name"] for field in json.loads(latest)["fields"]}
            for field in json.loads(schema)["fields"]:
                if field["name"] not in known and "default" not in field:
                    raise Permanent(
                        f"the schema is not compatible: {field['name']} is new and has no default"
                    )
        versions = self._versions.setdefault(subject, [])
        if schema not in versions:
            versions.append(schema)
        return self._ids.setdefault(schema, len(self._ids) + 1)
