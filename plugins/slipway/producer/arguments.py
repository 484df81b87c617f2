"""What an application hands over: events that are some, with an arrival that is theirs to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from slipway.domain.event_values import Refused
from slipway.errors import Permanent
from slipway.producer.events import Event
from slipway.producer.routes import Route

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_YEAR = 9900


def listed(events: Iterable[Event]) -> Sequence[Event]:
    """Return events as a list; Permanent when one is none."""
    if isinstance(events, Event) or not isinstance(events, Iterable):
        raise Permanent(f"events are given as a list, not as {type(events).__name__}")
    found = events if isinstance(events, list | tuple) else list(events)
    for kind in set(map(type, found)):
        if not issubclass(kind, Event):
            raise Permanent(f"an event is given as Event(type, value), not as {kind.__name__}")
    return found


def kinds(events: Sequence[Event]) -> set[str]:
    """Return the types of events."""
    try:
        return {event.type for event in events}
    except TypeError as error:
        raise Permanent(f"an event's type is the name of its Avro record: {error}") from error


def arrival(route: Route, event: Event, now: int) -> int:
    """Return when a record arrives, epoch milliseconds; Refused when that is not the application's to say."""
    if not route.from_producer:
        if event.at is not None:
            raise Refused(
                f"{route.topic} takes its arrival from the broker (`arrival: broker`): give no `at`"
            )
        return now
    if not isinstance(event.at, datetime) or event.at.utcoffset() is None:
        raise Refused(
            f"{route.topic} needs the instant of arrival (`arrival: producer`): give `at`, with a zone"
        )
    millis = (event.at - _EPOCH) // timedelta(milliseconds=1)
    if millis <= 0 or event.at.year > _LAST_YEAR:  # Kafka's client takes 0 for the present
        raise Refused(f"an arrival lies between the years 1970 and {_LAST_YEAR}, not at {event.at}")
    return millis
