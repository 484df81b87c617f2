"""The table of cases that the Java decoder and the producer library answer alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from slipway.domain.avro import parse_schema
from slipway.domain.contract import Contract, Migration, compile_migration

TABLE = Path(__file__).parent / "cases" / "decoder.json"


@dataclass(frozen=True)
class Case:
    """One value of a record, and why it is no event (None: it is one)."""

    value: bytes
    reason: str | None


def table() -> dict[str, Any]:
    """The whole file."""
    found: dict[str, Any] = json.loads(TABLE.read_text())
    return found


def cases() -> list[Case]:
    """Every case as bytes."""
    return [Case(_value(one), one["reason"]) for one in table()["cases"]]


def migration(**events: Any) -> Migration:
    """A migration whose events are those of the table; events: what its contract says otherwise."""
    found = table()
    return compile_migration(contract(**events), parse_schema(json.dumps(found["schema"])))


def contract(name: str = "cases", **events: Any) -> Contract:
    """The contract of that migration."""
    return Contract.model_validate(
        {
            "migration": name,
            "description": "What the decoder takes and refuses",
            "owners": {"data_owner": ("ana",)},
            "events": {
                "topic": "raw-cases",
                "schema": "cases.avsc",
                "key": ("event_id",),
                "id": "event_id",
                "time": "event_time",
                "ahead_at_most": "24h",
                "traffic": {"peak_per_second": 10, "mean_bytes": 100},
                **events,
            },
            "parity": {"timezone": "UTC", "accept_late": "24h", "from": date(2013, 3, 1)},
            "kpis": {
                "cases_daily": {
                    "grain": {"day": "day(event_time)"},
                    "measures": {"events": {"count": "*"}},
                    "batch": {"model": "cases_daily", "events": "cases_events"},
                }
            },
            "gates": {"sign_offs": {"data_owner": 1}},
        }
    )


def _value(one: dict[str, Any]) -> bytes:
    if "hex" in one:
        return bytes.fromhex(one["hex"])
    parts = one.get("parts") or [one["value"]]
    text = "".join(part if isinstance(part, str) else part[0] * part[1] for part in parts)
    return text.encode("utf-8", "surrogatepass")
