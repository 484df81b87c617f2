"""Which contract takes which events, and where it sends them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.errors import Permanent
from slipway.ports import Schemas
from slipway.producer.encoding import Encoding, OnUnknown


class Route:
    """Where the events of one contract go."""

    def __init__(self, migration: Migration, schema_id: int | None, on_unknown: OnUnknown) -> None:
        self.migration = migration
        self.topic = migration.contract.events.topic
        self.dead_letters = names.dlq_topic(self.topic)
        self.schema_id = schema_id
        self.from_producer = migration.contract.events.arrival == "producer"
        self.encoding = Encoding(migration, schema_id, on_unknown)

    def meaning(self) -> tuple[Any, ...]:
        """Return what two contracts must have in common to share the events of a type."""
        events = self.migration.contract.events
        kept = (events.topic, events.format, events.key, events.id, events.time, events.arrival)
        return (*kept, events.ahead_at_most, self.migration.schema.text)


def _loaded(contracts: Iterable[Migration | Path]) -> Iterable[Migration]:
    from slipway.adapters.contracts import load_all, load_migration

    if isinstance(contracts, str | Path | Migration):
        raise Permanent(f"contracts are given as a list; put {_called(contracts)} into one")
    for contract in contracts:
        if not isinstance(contract, Migration | Path):
            raise Permanent(
                f"a contract is a Migration, or the Path of its file or folder, not {_called(contract)}"
            )
        if isinstance(contract, Migration):
            yield contract
        elif contract.is_dir():
            yield from load_all(contract).values()
        else:
            yield load_migration(contract)


def routes_of(
    contracts: Iterable[Migration | Path], registry: Schemas | None, on_unknown: OnUnknown
) -> Mapping[str, Route]:
    """Return the route of every type by its name, and by its name with the namespace."""
    routes: dict[str, Route] = {}
    for migration in _loaded(contracts):
        route = Route(migration, _schema_id(migration, registry), on_unknown)
        for kind in _types(migration):
            other = routes.setdefault(kind, route)
            if other.meaning() != route.meaning():
                raise Permanent(
                    f"{other.migration.name} and {migration.name} both take events of type {kind}, but into"
                    f" {other.topic} and {route.topic} or by other rules; give each a producer of its own"
                )
    if not routes:
        raise Permanent("the producer was given no contract")
    return routes


def _types(migration: Migration) -> Iterable[str]:
    declared = json.loads(migration.schema.text)
    yield migration.schema.name
    if declared.get("namespace"):
        yield f"{declared['namespace']}.{migration.schema.name}"


def _schema_id(migration: Migration, registry: Schemas | None) -> int | None:
    events = migration.contract.events
    subject = names.value_subject(events.topic)
    found = None if registry is None else registry.identify(subject, migration.schema.text)
    if found is None and events.format == "avro":
        seen = "no registry was given" if registry is None else f"{subject} does not hold it"
        raise Permanent(
            f"{migration.name} is written in Avro, which needs the id of its schema, but {seen}; give"
            f" `registry`, and run the DAG `{migration.name}.provision` first"
        )
    return found


def _called(contract: Any) -> str:
    named = contract.name if isinstance(contract, Migration) else str(contract)[:200]
    return f"{named!r} ({type(contract).__name__})"
