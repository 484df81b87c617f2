"""The three kinds of time that a record has, kept apart: what each one is, and what it alone decides."""

from __future__ import annotations

from dataclasses import dataclass

from slipway.domain.contract import Migration
from slipway.domain.spans import exact_span


@dataclass(frozen=True, slots=True)
class KindOfTime:
    """One kind of time. where: what holds it, in words; decides: what follows from it and from no other."""

    name: str
    where: str
    decides: str


def kinds_of_time(migration: Migration) -> tuple[KindOfTime, ...]:
    """Return event time, arrival time and processing time as a contract uses them."""
    events, parity = migration.contract.events, migration.contract.parity
    stamped = {
        "broker": "the record's Kafka timestamp, set by the broker as it is written (LogAppendTime)",
        "producer": "the record's Kafka timestamp, set by the producer (CreateTime): history is replayed"
        " with its own instants",
    }[events.arrival]
    late = (
        "lateness (a version by the earliest day among its own and all accepted versions of its id)"
        if events.keep == "latest"
        else "lateness"
    )
    copies = "copies of one version of an event" if events.keep == "latest" else "records of one event"
    accepted, ahead = exact_span(parity.accept_late), exact_span(events.ahead_at_most)
    classes = ", ".join(map(exact_span, parity.lateness_classes))
    forgets = "" if events.keep == "latest" else ", when an id that can't count any more is forgotten"
    return (
        KindOfTime(
            "event time",
            f"the field {events.time} of the event",
            f"the rows in which an event counts, by days of {parity.timezone.key}",
        ),
        KindOfTime(
            "arrival time",
            stamped,
            f"{late}: accepted until {accepted} after the end of the business day; when a"
            f" day closes; the lateness class ({classes}); whether an"
            f" event is too far ahead ({ahead} at most); how far the stream has got",
        ),
        KindOfTime(
            "processing time",
            "the engine's clock as it reads a record",
            f"which of several {copies} is the first{forgets}, and freshness; no number depends on it"
            " otherwise",
        ),
    )
