"""A schema registry in memory; tests/contract/test_schemas.py holds it and the real one to the same."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.adapters.avro_compatibility import refusals
from slipway.errors import Permanent


class FakeSchemas:
    """Versions by subject; a subject without a level accepts anything."""

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

    def versions(self, subject: str) -> Sequence[str]:
        return tuple(self._versions.get(subject, ()))

    def accepts(self, subject: str, schema: str) -> bool:
        versions = self._versions.get(subject, [])
        match self._levels.get(subject):
            case "BACKWARD":
                versions = versions[-1:]
            case "BACKWARD_TRANSITIVE":
                pass
            case _:
                return True
        return not any(refusals(schema, version) for version in versions)

    def identify(self, subject: str, schema: str) -> int | None:
        return self._ids[schema] if schema in self._versions.get(subject, []) else None

    def register(self, subject: str, schema: str) -> int:
        if not self.accepts(subject, schema):
            raise Permanent(f"the schema is not compatible with the versions that {subject} has")
        versions = self._versions.setdefault(subject, [])
        if schema not in versions:
            versions.append(schema)
        return self._ids.setdefault(schema, len(self._ids) + 1)

    def text(self, schema_id: int) -> str | None:
        return next((schema for schema, number in self._ids.items() if number == schema_id), None)
