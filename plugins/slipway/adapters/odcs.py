"""A migration's contract as an Open Data Contract Standard document (v3.1.0), for catalogs and other tools.

What the standard has no word for goes into `customProperties`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import yaml

from slipway.domain.avro import Field
from slipway.domain.contract import Migration
from slipway.domain.measures import CompiledKpi
from slipway.domain.spans import spoken_span

VERSION = "v3.1.0"

_LOGICAL = {
    "string": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
    "timestamp": "timestamp",
    "date": "date",
}


def document(migration: Migration) -> dict[str, Any]:
    """Return the contract in the standard's shape: the event topic and each KPI's view as schema objects."""
    contract = migration.contract
    return {
        "apiVersion": VERSION,
        "kind": "DataContract",
        "id": migration.name,
        "name": migration.name,
        "version": migration.contract_digest[:12],
        "status": "active",
        "description": {"purpose": contract.description},
        "servers": [
            {
                "server": "events",
                "type": "kafka",
                "host": "see the connection slipway_kafka",
                "format": contract.events.format,
            },
            {"server": "readers", "type": "custom", "description": "the connection slipway_warehouse"},
        ],
        "schema": [_events(migration), *(_kpi(migration, kpi) for kpi in migration.kpis.values())],
        "slaDefaultElement": next(iter(migration.kpis)),
        "slaProperties": _sla(migration),
        "team": {
            "name": migration.name,
            "members": [
                {"username": user, "role": role} for role, users in contract.owners.items() for user in users
            ],
        },
        "customProperties": [
            _custom("parityTimezone", contract.parity.timezone.key),
            _custom("acceptLate", spoken_span(contract.parity.accept_late)),
            _custom("arrival", contract.events.arrival),
            _custom("keep", contract.events.keep),
            _custom("parityDigest", migration.parity_digest),
        ],
    }


def to_yaml(migration: Migration) -> str:
    """Return the document as YAML."""
    text: str = yaml.safe_dump(document(migration), sort_keys=False, allow_unicode=True, width=110)
    return text


def _events(migration: Migration) -> dict[str, Any]:
    events = migration.contract.events
    return {
        "name": migration.schema.name,
        "physicalName": events.topic,
        "physicalType": "topic",
        "logicalType": "object",
        "description": f"Events of {migration.name}, {events.format} by the Avro schema {events.schema_file}",
        "properties": [_field(field, events.id) for field in migration.event_fields],
        "customProperties": [
            _custom("key", list(events.key)),
            _custom("eventTime", events.time),
            *([_custom("version", events.version)] if events.version else []),
        ],
    }


def _field(field: Field, identity: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": field.name,
        "logicalType": _logical(field.type),
        "physicalType": field.type,
        "required": not field.nullable,
        "description": field.doc,
    }
    if field.name == identity:
        found |= {"primaryKey": True, "primaryKeyPosition": 1, "unique": False}
    if field.pii:
        found["classification"] = "restricted"
    if field.symbols:
        found["quality"] = [
            {"type": "text", "description": f"one of {', '.join(field.symbols)}", "dimension": "conformity"}
        ]
    return found


def _kpi(migration: Migration, kpi: CompiledKpi) -> dict[str, Any]:
    measures = migration.contract.kpis[kpi.name].measures
    grain = [
        {
            "name": part.name,
            "logicalType": _logical(part.type),
            "physicalType": part.type,
            "required": not part.source.nullable,
            "primaryKey": True,
            "primaryKeyPosition": place,
            "description": f"{part.function}({part.source.name})" if part.function else part.source.name,
        }
        for place, part in enumerate(kpi.grain, start=1)
    ]
    values = [
        {
            "name": measure.name,
            "logicalType": _logical(measure.type),
            "physicalType": measure.type,
            "required": measure.zero is not None,
            "description": _formula(measures[measure.name]),
        }
        for measure in kpi.measures
    ]
    return {
        "name": kpi.name,
        "physicalName": f"serving.{kpi.name}",
        "physicalType": "view",
        "logicalType": "object",
        "dataGranularityDescription": "one row by " + ", ".join(part.name for part in kpi.grain),
        "properties": grain + values,
    }


def _formula(measure: Any) -> str:
    where = f" where {measure.where}" if measure.where else ""
    return f"{measure.function}({getattr(measure, measure.function)}){where}"


def _sla(migration: Migration) -> Sequence[Mapping[str, Any]]:
    late, rows = migration.contract.parity.accept_late, []
    for name, kpi in migration.contract.kpis.items():
        rows += [
            _promise("latency", kpi.serving.fresh_within, name, "An event is in its row within this time"),
            _promise(
                "frequency",
                timedelta(days=1),
                name,
                "Rows of the batch side, which readers get until the switch",
            ),
            _promise(
                "timeOfAvailability",
                late,
                name,
                "After its end a period is complete; it changes only by an amendment",
            ),
        ]
    rows.append(
        _promise("retention", migration.contract.retention.gold, ", ".join(migration.kpis), "Rows are kept")
    )
    return rows


def _promise(name: str, span: timedelta, element: str, description: str) -> dict[str, Any]:
    found = re.fullmatch(r"(\d+)([smhd])", spoken_span(span))
    number, unit = (int(found[1]), found[2]) if found else (int(span.total_seconds()), "s")
    return {"property": name, "value": number, "unit": unit, "element": element, "description": description}


def _logical(kind: str) -> str:
    return "number" if kind.startswith("decimal") else _LOGICAL[kind]


def _custom(name: str, value: Any) -> dict[str, Any]:
    return {"property": name, "value": value}
