"""Five days of eight stations: readings, their revisions in any order, and what came too late.

Days close at 06:00 of the next day. Whatever is late arrives between the two nights, so that the first
passes and the second has something to explain.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.cases.records import Sent, in_order

BEGIN, END = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 5, 8, tzinfo=UTC)
AREAS = {
    "Kai 1": "harbour",
    "Kai 2": "harbour",
    "Rathaus": "centre",
    "Dom": "centre",
    "Südring": "ring — süd",
    "Nordring": "ring 'nord'",
    "mobile-1": None,
    "mobile-2": None,
}
Event = dict[str, Any]


def records() -> list[Sent]:
    """Return everything that was sent, in the order of arrival."""
    draw = random.Random(20240501)
    told = [record for reading in _readings(draw) for record in _life(reading, draw)]
    told += _too_late([record for record in told if record.event["revision"] == 1])
    told += [Sent("Dom", b'{"reading_id": "Dom-9", "revision": 1', _at(2, 10)), Sent("Dom", b"", _at(3, 4))]
    told += [Sent("Kai 1", b'{"reading_id": "Kai 1-0", "revision": 2, "station": "Kai 1"}', _at(2, 11))]
    return in_order(told)


def tables() -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of tables.sql: each revision once, with the instant at which it became known."""
    known: dict[tuple[str, int], tuple[Any, ...]] = {}
    for record in records():
        if not isinstance(record.event, bytes):
            identity = record.event["reading_id"], record.event["revision"]
            known.setdefault(identity, (*record.event.values(), record.arrival))
    return {"ops.air_readings": list(known.values())}


def _readings(draw: random.Random) -> Iterator[Event]:
    for station, area in AREAS.items():
        for number in range(int((END - BEGIN) / timedelta(minutes=30))):
            yield {
                "reading_id": f"{station}-{number}",
                "revision": 1,
                "station": station,
                "area": area,
                "measured_at": BEGIN
                + number * timedelta(minutes=30)
                + timedelta(seconds=draw.randrange(1790)),
                "pm10": None if draw.random() < 0.03 else round(draw.lognormvariate(3, 0.6), 2),
                "quality": draw.choices(["raw", "checked", "faulty"], [80, 15, 5])[0],
            }


def _life(reading: Event, draw: random.Random) -> list[Sent]:
    """A reading and what became of it while its day was open: revised, moved, doubled, overtaken."""
    first = Sent(
        reading["station"], reading, reading["measured_at"] + timedelta(seconds=draw.randrange(5, 90))
    )
    if draw.random() > 0.3:
        return [first]
    arrival, versions = first.arrival, [first]
    for revision in range(2, draw.choice([3, 3, 4]) + 1):
        arrival += timedelta(minutes=draw.randrange(1, 100))
        changed = {
            **versions[-1].event,
            "revision": revision,
            "pm10": None if draw.random() < 0.05 else round(draw.lognormvariate(3, 0.6), 2),
            "quality": draw.choice(["checked", "faulty"]),
            "measured_at": reading["measured_at"] + timedelta(minutes=draw.choice([0, 0, 0, -70, 55])),
        }
        if reading["area"] is None and draw.random() < 0.5:
            changed["area"] = "harbour"  # it was assigned after it had measured
        versions.append(Sent(reading["station"], changed, arrival))
    if draw.random() < 0.3:  # a newer revision overtakes an older one
        events = [version.event for version in versions]
        draw.shuffle(events)
        versions = [Sent(v.key, event, v.arrival) for v, event in zip(versions, events, strict=True)]
    if draw.random() < 0.2:
        again = draw.choice(versions)
        versions.append(Sent(again.key, again.event, arrival + timedelta(minutes=draw.randrange(1, 60))))
    return [v for v in versions if v.arrival <= END]


def _too_late(firsts: list[Sent]) -> Iterator[Sent]:
    """What arrives when a day that it belongs to, or belonged to, has been closed."""
    of = {record.event["reading_id"]: dict(record.event) for record in firsts}
    for number in range(50, 62):  # recalibrated two days later
        yield _revised(of[f"Rathaus-{number}"], _at(4, 10, number - 50), pm10=99.5, quality="checked")
    for number in (140, 141, 142):  # moved to the open 4th, but it came from the closed 3rd
        yield _revised(of[f"Dom-{number}"], _at(4, 9, number - 140), measured_at=_at(4, 1, number - 140))
    for number in (146, 147):  # moved back into the 3rd, which is closed
        yield _revised(of[f"Kai 2-{number}"], _at(4, 11, number - 140), measured_at=_at(3, 22, number - 140))
    # Moved back across midnight while the 3rd was open, and forward again when it was closed.
    yield _revised(of["Nordring-148"], _at(4, 5, 30), revision=7, measured_at=_at(3, 23, 30))
    yield _revised(of["Nordring-148"], _at(4, 12, 30), revision=8, measured_at=_at(4, 2, 30))
    # The first of it that anybody hears is late; its correction belongs to an open day and counts.
    lost = {**of["mobile-1-60"], "reading_id": "mobile-1-lost", "pm10": 1.5}
    yield Sent("mobile-1", {**lost, "measured_at": _at(2, 6)}, _at(4, 13))
    yield Sent("mobile-1", {**lost, "measured_at": _at(4, 14), "revision": 2}, _at(4, 14, 30))
    # Never heard of before.
    yield Sent("mobile-2", {**of["mobile-2-60"], "reading_id": "mobile-2-lost"}, _at(4, 15))
    # The same late revision again.
    yield _revised(of["Rathaus-50"], _at(4, 16), pm10=99.5, quality="checked")


def _revised(event: Event, arrival: datetime, *, revision: int = 9, **changed: Any) -> Sent:
    return Sent(event["station"], {**event, "revision": revision, **changed}, arrival)


def _at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2024, 5, day, hour, minute, tzinfo=UTC)
