"""The three kinds of time that a record has, kept apart: what each one is, and what it alone decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from slipway.domain.contract import Migration


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
            f"{late}: accepted until {_hours(parity.accept_late)} after the end of the business day; when a"
            f" day closes; the lateness class ({', '.join(map(_hours, parity.lateness_classes))}); whether an"
            f" event is too far ahead ({_hours(events.ahead_at_most)} at most); how far the stream has got",
        ),
        KindOfTime(
            "processing time",
            "the engine's clock as it reads a record",
            f"which of several {copies} is the first{forgets}, and freshness; no number depends on it"
            " otherwise",
        ),
    )


def _hours(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
