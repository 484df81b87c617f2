"""The demo's feed: every real event is in it, and every fault is one that was written down."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from demo.faults import COPY_LATEST, EACH, NEWARK, Fault, Feed, Injection, Malformed, feed_of
from demo.flights import SLICE_A, Event, day_start, events_of, load_flights, load_planes


@pytest.fixture(scope="module")
def events() -> tuple[Event, ...]:
    return events_of(load_flights(SLICE_A))


@pytest.fixture(scope="module")
def feed() -> Feed:
    return feed_of()


def injected(feed: Feed, fault: Fault) -> list[Injection]:
    return [injection for injection in feed.injections if injection.fault == fault]


def test_the_slice_has_the_known_events(events: tuple[Event, ...]) -> None:
    assert Counter(event.kind for event in events) == {"D": 14_231, "A": 14_191, "X": 705}
    assert len({event.event_id for event in events}) == len(events)


def test_the_register_of_aircraft_is_whole() -> None:
    planes = load_planes()

    assert len(planes) == len({plane.tailnum for plane in planes}) == 3_322
    assert all(plane.seats > 0 for plane in planes)


def test_nobody_lands_before_departing_or_days_after(events: tuple[Event, ...]) -> None:
    departed = {event.flight.flight_id: event.happened_at for event in events if event.kind == "D"}
    in_the_air = [
        event.happened_at - departed[event.flight.flight_id] for event in events if event.kind == "A"
    ]

    assert timedelta(minutes=20) < min(in_the_air)
    assert max(in_the_air) < timedelta(hours=13)


def test_an_event_tells_only_what_was_known_then(events: tuple[Event, ...]) -> None:
    fields = {event.event_id: event.fields() for event in events}

    assert all(f["arr_delay"] is None for f in fields.values() if f["kind"] in "DX")
    assert all(f["dep_delay"] is None for f in fields.values() if f["kind"] == "X")
    assert fields["2013-02-25-US-1117-EWR:A"] == {
        "event_id": "2013-02-25-US-1117-EWR:A",
        "flight_id": "2013-02-25-US-1117-EWR",
        "kind": "A",
        "flight_date": "2013-02-25",
        "carrier": "US",
        "flight": 1117,
        "tailnum": "N564UW",
        "origin": "EWR",
        "dest": "CLT",
        "distance": 529,
        "event_time": "2013-02-25T10:00:00Z",
        "dep_delay": 13,
        "arr_delay": 11,
    }


def test_the_same_days_give_the_same_bytes(feed: Feed) -> None:
    assert feed_of() == feed


def test_records_are_the_events_the_copies_and_the_malformed_ones(
    feed: Feed, events: tuple[Event, ...]
) -> None:
    expected = Counter(event.value() for event in events)
    expected.update(
        event.value()
        for event in events
        if event.event_id in {copy.event_id for copy in injected(feed, Fault.DUPLICATE)}
    )

    found = Counter(record.value for record in feed.records if b"-ZZ-" not in record.key)

    assert found == expected
    assert len(injected(feed, Fault.DUPLICATE)) == 291
    assert len(feed.records) == 29_127 + 291 + 40


def test_arrivals_never_go_back(feed: Feed) -> None:
    assert all(a.arrival <= b.arrival for a, b in pairwise(feed.records))


def test_only_copies_and_the_delayed_arrive_at_another_time_than_they_happened(
    feed: Feed, events: tuple[Event, ...]
) -> None:
    happened = {(event.value(), event.happened_at) for event in events}
    faults = {(i.key, i.arrival) for i in feed.injections}

    moved = [r for r in feed.records if (r.value, r.arrival) not in happened]

    assert all((record.key.decode(), record.arrival) in faults for record in moved)


def test_a_copy_comes_after_its_original_and_before_its_day_closes(feed: Feed) -> None:
    for copy in injected(feed, Fault.DUPLICATE):
        assert copy.on_time is not None
        assert timedelta(seconds=2) <= copy.arrival - copy.on_time <= COPY_LATEST
        closes = day_start(date.fromisoformat(copy.key[:10]) + timedelta(days=2))
        assert copy.arrival < closes


def test_newarks_departures_of_one_hour_come_three_days_late(feed: Feed, events: tuple[Event, ...]) -> None:
    hour = datetime(2013, 2, 27, 22, tzinfo=UTC)  # 17:00 in New York
    expected = {
        event.event_id
        for event in events
        if event.kind == "D"
        and event.flight.origin == "EWR"
        and hour <= event.happened_at < hour + timedelta(hours=1)
    }

    delayed = injected(feed, Fault.DELAYED)

    assert len(expected) > 10
    assert {injection.event_id for injection in delayed} == expected
    assert {i.arrival - i.on_time for i in delayed if i.on_time} == {timedelta(days=3)}
    assert (NEWARK.start, NEWARK.end) == (hour, hour + timedelta(hours=1))
    arrivals = [record.arrival for record in feed.records if _id_of(record.value) in expected]
    assert min(arrivals) >= hour + timedelta(days=3), "a copy on time would hide the delay"


def test_there_are_five_malformed_records_of_each_kind_and_no_real_flight_has_their_key(
    feed: Feed, events: tuple[Event, ...]
) -> None:
    malformed = injected(feed, Fault.MALFORMED)
    real = {event.flight.flight_id for event in events}

    assert Counter(i.kind for i in malformed) == dict.fromkeys(Malformed, EACH)
    assert len({i.key for i in malformed}) == 40
    assert not real & {i.key for i in malformed}
    assert not {event.event_id for event in events} & {i.event_id for i in malformed}


def test_each_malformed_record_is_wrong_in_its_own_way(feed: Feed) -> None:
    kinds = {i.key: Malformed(i.kind) for i in injected(feed, Fault.MALFORMED)}
    for record in feed.records:
        kind = kinds.get(record.key.decode())
        if kind is None:
            continue
        if kind in (Malformed.NOT_JSON, Malformed.TRUNCATED):
            with pytest.raises(json.JSONDecodeError):
                json.loads(record.value)
            continue
        value = json.loads(record.value)
        match kind:
            case Malformed.ARRAY:
                assert isinstance(value, list)
            case Malformed.NO_EVENT_ID:
                assert "event_id" not in value
            case Malformed.WRONG_INTEGER:
                assert value["dep_delay"] == "soon"
            case Malformed.UNKNOWN_KIND:
                assert value["kind"] not in "DAX"
            case Malformed.NO_INSTANT:
                with pytest.raises(ValueError, match="Invalid isoformat"):
                    datetime.fromisoformat(value["event_time"])
            case Malformed.FAR_AHEAD:
                ahead = datetime.fromisoformat(value["event_time"]) - record.arrival
                assert ahead > timedelta(hours=24)


def _id_of(value: bytes) -> str | None:
    try:
        found = json.loads(value)
    except json.JSONDecodeError:
        return None
    return found.get("event_id") if isinstance(found, dict) else None
