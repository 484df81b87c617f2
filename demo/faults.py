"""What real feeds do wrong, done on purpose: seeded, labelled, and written down fault by fault.

Three kinds: records that come twice, records that are no events, and one hour of departures that reaches
Kafka three days late while the operational table has it on time. No original is ever lost or changed, so
that every difference between batch and stream is one that was made here.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from demo.flights import (
    NEW_YORK,
    SLICE_A,
    Days,
    Event,
    Flight,
    day_start,
    events_of,
    instant_text,
    load_flights,
)
from demo.records import Record

SEED = 20130225
DUPLICATED = 0.01
"""Share of the events on time that come twice."""

COPY_LATEST = timedelta(hours=6)
"""A copy comes between two seconds and this after its original; no copy then meets a closed day."""

FIVE_DAYS = Days(date(2013, 2, 25), date(2013, 3, 1))
"""When malformed records come: the days that the demo walks through, so that it meets all of them."""

EACH = 5
"""Malformed records of a kind."""


class Fault(StrEnum):
    """What was done to the feed."""

    DUPLICATE = "duplicate"
    MALFORMED = "malformed"
    DELAYED = "delayed"


class Malformed(StrEnum):
    """How a record fails to be an event."""

    NOT_JSON = "not_json"
    TRUNCATED = "truncated"
    ARRAY = "array"
    NO_EVENT_ID = "no_event_id"
    WRONG_INTEGER = "wrong_integer"
    UNKNOWN_KIND = "unknown_kind"
    NO_INSTANT = "no_instant"
    FAR_AHEAD = "far_ahead"


REASONS = {
    Malformed.NOT_JSON: "not json",
    Malformed.TRUNCATED: "not json",
    Malformed.ARRAY: "not a json object",
    Malformed.NO_EVENT_ID: "missing field event_id",
    Malformed.WRONG_INTEGER: "dep_delay: 'soon' is not an integer",
    Malformed.UNKNOWN_KIND: "kind: 'Z' is not one of ",
    Malformed.NO_INSTANT: "event_time: 'yesterday evening' is not an instant",
    Malformed.FAR_AHEAD: "event_time is more than 24 h ahead of its arrival",
}
"""How the reason begins with which a decoder should refuse each kind."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Events of one kind and origin that happened in [start, end) arrive later by a fixed time."""

    origin: str
    kind: str
    start: datetime
    end: datetime
    by: timedelta

    def holds(self, event: Event) -> bool:
        """True when the event is one of the delayed."""
        return (
            event.flight.origin == self.origin
            and event.kind == self.kind
            and self.start <= event.happened_at < self.end
        )


_FIVE_PM = day_start(date(2013, 2, 27)) + timedelta(hours=17)
NEWARK = Delay("EWR", "D", _FIVE_PM, _FIVE_PM + timedelta(hours=1), timedelta(days=3))
"""Newark's departures of the hour from 17:00 on 27 February."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault. on_time: when the record would have come without it; None for what should not be at all.

    event_id: the id that the record's value yields, None where it yields none. reason: how the reason of
    the record's rejection begins, None when it must not be rejected.
    """

    fault: Fault
    kind: str
    key: str
    event_id: str | None
    arrival: datetime
    on_time: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Feed:
    """Everything that reaches Kafka, by arrival, and the ledger of what was done to it."""

    records: tuple[Record, ...]
    injections: tuple[Injection, ...]


def feed_of(days: Days = SLICE_A) -> Feed:
    """Return the demo's feed of the days, faults and all; the same days give the same bytes."""
    return inject(events_of(load_flights(days)), random.Random(SEED))


def inject(events: Sequence[Event], chance: random.Random, delay: Delay = NEWARK) -> Feed:
    """Turn events into records and add the faults."""
    made: list[tuple[Record, Injection | None]] = []
    on_time = []
    for event in events:
        late = delay.holds(event)
        arrival = event.happened_at + (delay.by if late else timedelta(0))
        made.append((_record(event, arrival), _delayed(event, arrival) if late else None))
        if not late:
            on_time.append(event)
    # Delayed events are not drawn from: a copy that came on time would hide the delay.
    for event in chance.sample(on_time, round(len(events) * DUPLICATED)):
        arrival = event.happened_at + _copy_delay(chance)
        made.append((_record(event, arrival), _duplicate(event, arrival)))
    made.extend(_malformed(chance))
    made.sort(key=lambda pair: pair[0].arrival)  # stable: what came at the same second stays in order
    return Feed(tuple(record for record, _ in made), tuple(fault for _, fault in made if fault is not None))


def _record(event: Event, arrival: datetime) -> Record:
    return Record(event.flight.flight_id.encode(), event.value(), arrival)


def _delayed(event: Event, arrival: datetime) -> Injection:
    key = event.flight.flight_id
    return Injection(Fault.DELAYED, event.kind, key, event.event_id, arrival, event.happened_at, None)


def _duplicate(event: Event, arrival: datetime) -> Injection:
    key = event.flight.flight_id
    return Injection(Fault.DUPLICATE, event.kind, key, event.event_id, arrival, event.happened_at, None)


def _copy_delay(chance: random.Random) -> timedelta:
    """Draw from seconds to hours, each order of magnitude as likely as the other."""
    seconds = math.exp(chance.uniform(math.log(2), math.log(COPY_LATEST.total_seconds())))
    return timedelta(seconds=max(2, int(seconds)))


def _malformed(chance: random.Random) -> list[tuple[Record, Injection]]:
    start = day_start(FIVE_DAYS.first)
    seconds = int((day_start(FIVE_DAYS.last + timedelta(days=1)) - start).total_seconds())
    made = []
    for number, kind in enumerate(kind for kind in Malformed for _ in range(EACH)):
        arrival = start + timedelta(seconds=chance.randrange(seconds))
        event = _invented(number, arrival)
        value, event_id = _break(kind, event, arrival)
        key = event.flight.flight_id
        injection = Injection(Fault.MALFORMED, kind, key, event_id, arrival, None, REASONS[kind])
        made.append((Record(key.encode(), value, arrival), injection))
    return made


def _invented(number: int, at: datetime) -> Event:
    """A departure of a carrier that does not exist, so that no real flight is touched."""
    day = at.astimezone(NEW_YORK).date()
    origin = ("EWR", "JFK", "LGA")[number % 3]
    flight = Flight(
        flight_id=f"{day.isoformat()}-ZZ-{9000 + number}-{origin}",
        flight_date=day,
        carrier="ZZ",
        flight=9000 + number,
        origin=origin,
        dest="BOS",
        tailnum=None,
        distance=200,
        scheduled_departure=at,
        dep_delay=0,
        arr_delay=None,
        departed_at=at,
        arrived_at=None,
        cancelled_at=None,
    )
    return Event(flight, "D", at)


def _break(kind: Malformed, event: Event, arrival: datetime) -> tuple[bytes, str | None]:
    """Return the broken value and the id that it still yields."""
    fields = event.fields()
    match kind:
        case Malformed.NOT_JSON:
            return f"{event.flight.flight_id} departed on time".encode(), None
        case Malformed.TRUNCATED:
            whole = event.value()
            return whole[: len(whole) * 2 // 3], event.event_id
        case Malformed.ARRAY:
            return _json([fields]), None
        case Malformed.NO_EVENT_ID:
            del fields["event_id"]
            return _json(fields), None
        case Malformed.WRONG_INTEGER:
            return _json(fields | {"dep_delay": "soon"}), event.event_id
        case Malformed.UNKNOWN_KIND:
            return _json(fields | {"kind": "Z"}), event.event_id
        case Malformed.NO_INSTANT:
            return _json(fields | {"event_time": "yesterday evening"}), event.event_id
        case Malformed.FAR_AHEAD:
            ahead = instant_text(arrival + timedelta(days=400))
            return _json(fields | {"event_time": ahead}), event.event_id


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
