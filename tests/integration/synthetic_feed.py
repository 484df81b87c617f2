"""A feed of flight events with known faults, and what must become of each record, worked out by hand."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DAY = datetime(2013, 3, 8, 5, tzinfo=UTC)
"""Local midnight of 8 March 2013; clocks go forward on the 10th."""

MALFORMED: tuple[tuple[bytes | None, str, str | None], ...] = (
    (b"not json", "not json", None),
    (None, "null value", None),
    (b"[1]", "not a json object", None),
    (b'{"event_id": "m1", "kind": ', "not json", "m1"),
    (b"{}", "missing field event_id", None),
    (b'{"event_id": "m2", "dep_delay": "x"}', "dep_delay: 'x' is not an integer", "m2"),
    (b'{"kind": "Q", "event_id": "m3"}', "kind: 'Q' is not one of A, D, X", "m3"),
    ("{}".encode("utf-16"), "not json", None),
)


@dataclass(frozen=True)
class Record:
    """One record of the topic. arrival: its timestamp, UTC. fate: silver, late, rejected or duplicate."""

    key: bytes
    value: bytes | None
    arrival: datetime
    fate: str
    event_id: str | None
    reason: str | None = None


@dataclass
class Feed:
    """Records in the order in which they are produced, and the KPI rows of those that count."""

    records: list[Record] = field(default_factory=list)
    kpi: dict[tuple[date, str, str], dict[str, int]] = field(default_factory=dict)

    def fates(self) -> dict[str, int]:
        """How many records have which fate."""
        count: dict[str, int] = defaultdict(int)
        for record in self.records:
            count[record.fate] += 1
        return dict(count)


def build(events: int, seats: dict[str, int], seed: int = 7) -> Feed:
    """A feed of so many good events, plus a tenth of them again, late ones and malformed ones."""
    chance = random.Random(seed)
    feed = Feed()
    tails: dict[tuple[date, str, str], set[str]] = defaultdict(set)
    for number in range(events):
        event, arrival = _event(chance, number, sorted(seats))
        record = _good(event, arrival)
        feed.records.append(record)
        if record.fate == "silver":
            _count(feed, tails, event, arrival, seats)
        if chance.random() < 0.1:
            again = arrival + timedelta(seconds=chance.randrange(60))
            feed.records.append(Record(record.key, record.value, again, "duplicate", record.event_id))
        if number % 50 == 0:
            value, reason, event_id = MALFORMED[number // 50 % len(MALFORMED)]
            key = f"bad-{number}".encode()
            feed.records.append(Record(key, value, arrival, "rejected", event_id, reason))
    return feed


def _event(chance: random.Random, number: int, tails: list[str]) -> tuple[dict[str, object], datetime]:
    at = FIRST_DAY + timedelta(minutes=number % (5 * 24 * 60))
    kind = chance.choice("DDAAX")
    flight = f"F{number}"
    late = chance.random() < 0.05
    arrival = at + (timedelta(days=3) if late else timedelta(minutes=chance.randrange(90)))
    event: dict[str, object] = {
        "event_id": f"{flight}:{kind}",
        "flight_id": flight,
        "kind": kind,
        "flight_date": at.astimezone(NEW_YORK).date().isoformat(),
        "carrier": chance.choice(["UA", "B6", "DL"]),
        "flight": number % 9000,
        "tailnum": chance.choice([*tails, "N-UNKNOWN", None]),
        "origin": chance.choice(["EWR", "JFK", "LGA"]),
        "dest": "BOS",
        "distance": 200,
        "event_time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dep_delay": None if kind == "X" else chance.randrange(-20, 200),
        "arr_delay": chance.randrange(-20, 200) if kind == "A" else None,
    }
    return event, arrival


def _good(event: dict[str, object], arrival: datetime) -> Record:
    at = datetime.fromisoformat(str(event["event_time"]))
    tomorrow = at.astimezone(NEW_YORK).date() + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=NEW_YORK).astimezone(UTC)
    fate = "late" if arrival >= midnight + timedelta(hours=24) else "silver"
    value = json.dumps(event).encode()
    return Record(str(event["flight_id"]).encode(), value, arrival, fate, str(event["event_id"]))


def _count(
    feed: Feed,
    tails: dict[tuple[date, str, str], set[str]],
    event: dict[str, object],
    arrival: datetime,
    seats: dict[str, int],
) -> None:
    day = datetime.fromisoformat(str(event["event_time"])).astimezone(NEW_YORK).date()
    cell = (day, str(event["origin"]), str(event["carrier"]))
    row = feed.kpi.setdefault(cell, defaultdict(int))
    kind, tail, delay = event["kind"], event["tailnum"], event["dep_delay"]
    row["updated_through"] = max(row["updated_through"], round(arrival.timestamp()))
    row["scheduled"] += kind in ("D", "X")
    row["cancelled"] += kind == "X"
    row["departed"] += kind == "D"
    row["arrived"] += kind == "A"
    if kind == "A":
        assert isinstance(event["arr_delay"], int)
        row["arrived_on_time"] += event["arr_delay"] < 15
    if kind == "D":
        assert isinstance(delay, int)
        row["departed_on_time"] += delay < 15
        row["delay_minutes"] += max(delay, 0)
        row["seats"] += seats.get(str(tail), 0)
        row["seats_unknown"] += str(tail) not in seats
        if tail is not None:
            tails[cell].add(str(tail))
        row["aircraft"] = len(tails[cell])
