"""What must come out of the readings, from the records alone, in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.e2e.cases.records import Kpis, Sent

Event = dict[str, Any]


def stream(sent: Sequence[Sent]) -> Kpis:
    """Return the KPI of what counts by the contract: the newest revision that was not late."""
    return _kpi(_newest(event for place, event in _placed(sent) if place == "silver"))


def batch(sent: Sequence[Sent]) -> Kpis:
    """Return the KPI of what dbt knows: the newest revision, however late."""
    return _kpi(_newest(record.event for record in sent if not isinstance(record.event, bytes)))


def amended(sent: Sequence[Sent]) -> Kpis:
    """Return the KPI when a data owner has let the late ones count."""
    return _kpi(_newest(event for place, event in _placed(sent) if place in ("silver", "late")))


def places(sent: Sequence[Sent]) -> Counter[str]:
    """Return how many records lie in silver, late, rejected, or are duplicates."""
    return Counter(place for place, _ in _placed(sent))


def _placed(sent: Sequence[Sent]) -> Iterable[tuple[str, Event]]:
    days: dict[str, list[datetime]] = defaultdict(list)  # of the versions that were on time
    taken = set()
    for record in sent:
        if isinstance(record.event, bytes):
            yield "rejected", {}
            continue
        event = dict(record.event)
        identity = event["reading_id"], event["revision"]
        if identity in taken:
            yield "duplicates", event
            continue
        taken.add(identity)
        day = event["measured_at"].replace(hour=0, minute=0, second=0, microsecond=0)
        closes = min([day, *days[event["reading_id"]]]) + timedelta(days=1, hours=6)
        if record.arrival >= closes:
            yield "late", event
        else:
            days[event["reading_id"]].append(day)
            yield "silver", event


def _newest(events: Iterable[Any]) -> Iterable[Event]:
    newest: dict[str, Event] = {}
    for event in events:
        known = newest.get(event["reading_id"])
        if known is None or event["revision"] > known["revision"]:
            newest[event["reading_id"]] = event
    return newest.values()


def _kpi(events: Iterable[Event]) -> Kpis:
    cells: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in events:
        cells[event["measured_at"].replace(minute=0, second=0, microsecond=0), event["area"]].append(event)
    return {"readings_hourly": {cell: _measures(found) for cell, found in cells.items()}}


def _measures(events: list[Event]) -> tuple[Any, ...]:
    values = [Decimal(str(e["pm10"])) for e in events if e["pm10"] is not None]
    good = [Decimal(str(e["pm10"])) for e in events if e["pm10"] is not None and e["quality"] != "faulty"]
    return (
        len(events),
        len(values),
        sum(event["quality"] == "faulty" for event in events),
        len({event["station"] for event in events}),
        float(min(good)) if good else None,
        float(max(good)) if good else None,
        float(sum(good)) / len(good) if good else None,
        sum(values, Decimal(0)),
    )
