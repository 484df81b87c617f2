"""What the story of a case is told in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Rows = Mapping[tuple[Any, ...], tuple[Any, ...]]
"""A KPI: measures by the values of its grain, both in the order of the contract."""

Kpis = Mapping[str, Rows]


@dataclass(frozen=True, slots=True)
class Sent:
    """One record of the topic.

    event: fields by name, encoded as the contract's format says; bytes go as they are, to be rejected.
    arrival: the record's Kafka timestamp, UTC, whole milliseconds.
    """

    key: str
    event: Mapping[str, Any] | bytes
    arrival: datetime


def in_order(records: Sequence[Sent]) -> list[Sent]:
    """Return records as they arrive; those of one instant stay in the order they were told in."""
    return sorted(records, key=lambda record: record.arrival)
