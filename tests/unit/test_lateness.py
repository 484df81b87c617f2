"""Which accept_late keeps to a target: DuckDB's one pass against a plain count, and the advice in words."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.adapters.comparison.arrivals import ArrivalsOfEvents
from slipway.adapters.comparison.relations import Relations
from slipway.adapters.comparison.templates import Templates
from slipway.domain.accounting import Loss
from slipway.domain.lateness import (
    DAY,
    EVENTS,
    HOUR,
    LADDER,
    SHOWN,
    Advice,
    Arrivals,
    Rung,
    Watched,
    advice_document,
    bounds_of,
    for_target,
    percent,
    rung,
    watched,
)
from tests.fakes.two_sides import FIRST, TEMPLATES, Trip, TwoSides, migration

DAYS = 3
CLASSES = (0, 6 * HOUR, 24 * HOUR)
ADDITIVE = ("trips", "short", "fares", "weights")


@dataclass(frozen=True)
class Arrival:
    """One version of one event, and how many seconds after its day's end it came."""

    trip: Trip
    day: date
    lag: int


def seen(sides: TwoSides) -> tuple[ArrivalsOfEvents, tuple[Loss, ...]]:
    """Return what DuckDB found, and the losses of the one KPI."""
    question = sides.question()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        Relations(connection, sides.migration).lake(question.files, question.offsets, {})
        found = ArrivalsOfEvents(connection, Templates(TEMPLATES), sides.migration, question)
        losses = found.losses(sides.migration.kpis["trips_daily"])
        late = found.late_of_days()
        assert sum(events for _, events in late.values()) == sum(one.events for one in found.classes)
        return found, losses


def put(sides: TwoSides, arrivals: Iterable[Arrival]) -> None:
    """Let events come in the order of their arrival, each into the table that the job would choose."""
    for one in sorted(arrivals, key=lambda one: (one.lag, one.trip.trip_id, one.trip.version)):
        at = sides.migration.period_end(one.day) + timedelta(seconds=one.lag)
        place = sides.arrive(one.trip.trip_id, at, version=one.trip.version)
        (sides.silver if one.lag < CLASSES[-1] else sides.late).append((one.trip, place))


def measured(trips: Iterable[Trip]) -> dict[str, int]:
    """Compute the additive measures and the distinct riders of each cell, plainly."""
    rows = list(trips)
    cells = {(t.started.date(), t.zone, t.rider) for t in rows}
    return {
        "trips": len(rows),
        "short": sum(1 for t in rows if t.fare is not None and t.fare < 500),
        "fares": sum(t.fare or 0 for t in rows),
        "weights": sum(t.cabs__weight or 0 for t in rows),
        "riders": len(cells),
    }


def newest(arrivals: Iterable[Arrival]) -> list[Trip]:
    best: dict[str, Trip] = {}
    for one in arrivals:
        if one.trip.trip_id not in best or best[one.trip.trip_id].version < one.trip.version:
            best[one.trip.trip_id] = one.trip
    return list(best.values())


def plain_rungs(arrivals: list[Arrival], bounds: Iterable[int]) -> tuple[Rung, ...]:
    whole = measured(newest(arrivals))
    rungs = []
    for bound in bounds:
        below = measured(newest(one for one in arrivals if one.lag < bound))
        later = sum(1 for one in arrivals if one.lag >= bound)
        lost = {f"trips_daily.{name}": (whole[name] - below[name], whole[name]) for name in ADDITIVE}
        rungs.append(rung(bound, later, {EVENTS: (later, len(arrivals)), **lost}))
    return tuple(rungs)


def plain_quantile(arrivals: list[Arrival], share: int) -> int:
    """Return the upper edge of the minute, or before the end of the hour, of the nearest rank."""
    lags = sorted(one.lag for one in arrivals)
    size = HOUR if (lag := lags[-(-len(lags) * share // 100) - 1]) < 0 else 60
    return lag // size * size + size


def plain(arrivals: list[Arrival], segment: str | None, value: str | None, bounds: list[int]) -> Arrivals:
    late = sum(1 for one in arrivals if one.lag >= CLASSES[-1])
    p50, p95, p99 = (plain_quantile(arrivals, share) for share in (50, 95, 99))
    return Arrivals(
        "trips_daily", segment, value, len(arrivals), late, p50, p95, p99, plain_rungs(arrivals, bounds)
    )


LAGS = st.one_of(
    st.integers(-DAY, -1),
    st.sampled_from([bound + off for bound in (*LADDER, *CLASSES) for off in (-1, 0, 1)]),
    st.integers(0, 20 * DAY),
)
EVENT = st.tuples(
    st.integers(0, DAYS - 1),
    st.sampled_from(["N", "S", "", None]),
    st.one_of(st.none(), st.integers(-50, 900)),
    st.sampled_from(["r1", "r2", "r3"]),
    st.lists(LAGS, min_size=1, max_size=3, unique=True),
)


@pytest.mark.parametrize("keep", ["first", "latest"])
@settings(max_examples=25, deadline=None)
@given(drawn=st.lists(EVENT, min_size=1, max_size=14))
def test_one_pass_finds_what_a_plain_count_finds(keep: str, drawn: list[tuple[Any, ...]]) -> None:
    arrivals = []
    for n, (day, zone, fare, rider, lags) in enumerate(drawn):
        started = migration().period_end(FIRST + timedelta(days=day)) - timedelta(hours=7, minutes=n)
        for version, lag in enumerate(sorted(lags) if keep == "latest" else lags[:1], start=1):
            paid = None if fare is None else fare * version
            revised = (
                f"{rider}{version % 2}"  # a revision may take a value away, and one after it bring it back
            )
            trip = Trip(f"t{n}", revised, "A", started, zone, paid, None, 2**n, version)
            arrivals.append(Arrival(trip, FIRST + timedelta(days=day), lag))
    with tempfile.TemporaryDirectory() as folder:
        sides = TwoSides(Path(folder), migration(keep=keep), days=DAYS)
        put(sides, arrivals)
        found, losses = seen(sides)

    whole = measured(newest(arrivals))
    assert {(one.bound, one.measure): (one.lost, one.total) for one in losses} == {
        (bound, name): (total - measured(newest(a for a in arrivals if a.lag < bound))[name], total)
        for bound in CLASSES
        for name, total in whole.items()
    }
    advice = found.advice()
    counted = [one for one in arrivals if one.day <= advice.watched.through]
    bounds = [bound for bound in bounds_of(sides.migration) if bound <= advice.watched.bound]
    assert advice.total == ((plain(counted, None, None, bounds),) if counted else ())
    assert {one.value: one for one in advice.segments} == {
        zone: plain([one for one in counted if one.trip.zone == zone], "zone", zone, bounds)
        for zone in {one.trip.zone for one in counted}
    }


def test_a_value_that_a_revision_took_away_counts_until_the_revision_came(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, migration(keep="latest"), days=1)
    started = sides.migration.period_end(FIRST) - timedelta(hours=3)
    first = Trip("t1", "r1", "A", started, "N", 1, None, 1)
    other = first.but(trip_id="t2", rider="r2")
    revised = first.but(rider="r2", version=2)
    put(
        sides,
        [Arrival(first, FIRST, -HOUR), Arrival(other, FIRST, -HOUR), Arrival(revised, FIRST, 13 * HOUR)],
    )

    losses = {one.bound: (one.lost, one.total) for one in seen(sides)[1] if one.measure == "riders"}

    # Without the revision there were two riders; with it there is one.
    assert losses == {0: (-1, 1), 6 * HOUR: (-1, 1), 24 * HOUR: (0, 1)}


def test_a_segment_lists_the_values_with_the_most_late_events_and_says_how_many_more_there_are(
    tmp_path: Path,
) -> None:
    sides = TwoSides(tmp_path, migration(), days=1)
    started = sides.migration.period_end(FIRST) - timedelta(hours=3)
    values = [f"z{n:02}" for n in range(SHOWN + 4)]
    for n, zone in enumerate(values):
        trips = [Trip(f"{zone}-{i}", "r", "A", started, zone, 1, None, 1) for i in range(n + 1)]
        put(sides, [Arrival(trip, FIRST, CLASSES[-1]) for trip in trips])

    advice = seen(sides)[0].advice()

    assert [one.value for one in advice.segments] == values[:3:-1]
    assert advice.more == {("trips_daily", "zone"): 4}


@pytest.mark.parametrize(
    ("accepted", "days", "bound", "counted"),
    [
        (24 * HOUR, 1, 24 * HOUR, 1),
        (24 * HOUR, 14, 7 * DAY, 8),
        (6 * HOUR, 14, 7 * DAY, 7),
        (0, 1, 0, 1),
        (0, 2, 24 * HOUR, 1),
        (90, 2, 24 * HOUR, 1),
    ],
)
def test_only_days_that_were_watched_as_long_as_the_largest_bound_are_asked(
    accepted: int, days: int, bound: int, counted: int
) -> None:
    closed = FIRST + timedelta(days=days - 1)

    found = watched(sorted({*LADDER, accepted}), accepted, FIRST, closed)

    assert (found.bound, found.days) == (bound, counted)
    # A day is watched for accept_late when it closes, and for a day more with each that closes after it.
    for n in range(days):
        day = FIRST + timedelta(days=n)
        assert (day in found.left_out) == (accepted + (closed - day).days * DAY < bound)


def advised(losses: Mapping[int, str], accepted: int = 24 * HOUR, target: str = "0.001") -> dict[str, Any]:
    """Return advice on departures, of which each bound loses a share."""
    rungs = tuple(
        Rung(bound, 7, {"events": Decimal(0), "flights.departed": Decimal(share)})
        for bound, share in losses.items()
    )
    total = Arrivals("flights", None, None, 10_000, 7, -3600, 60, 120, rungs)
    segment = Arrivals("flights", "origin", "EWR", 100, 5, -3600, 60, 120, rungs[:0] + rungs)
    days = Watched(max(losses), FIRST, 7, (FIRST + timedelta(days=1),))
    advice = Advice(accepted, days, (total,), (segment,), {("flights", "origin"): 3})
    return advice_document(advice, Decimal(target), {})


def test_the_smallest_bound_within_the_target_is_recommended_and_told() -> None:
    found = advised({0: "0.1", 6 * HOUR: "0.0002", 24 * HOUR: "0"})

    assert found["recommended"] == 6 * HOUR
    assert found["segments"][0]["recommended"] == 6 * HOUR
    assert found["more"] == [{"kpi": "flights", "segment": "origin", "values": 3}]
    assert found["sentence"] == (
        "6 h would have lost 0.02 % of departed; accept_late: 6h keeps to 0.1 %. Days would close sooner: the"
        " contract's 24 h would have lost nothing. Seen on 7 days that were watched for 24 h after the end; 1"
        " younger day left out."
    )


@pytest.mark.parametrize(
    ("losses", "accepted", "recommended", "words"),
    [
        ({0: "0.1", DAY: "0.0005"}, DAY, DAY, "accept_late: 1d keeps to 0.1 %, and is what the contract has"),
        (
            {0: "0.2", HOUR: "0.05", DAY: "0"},
            HOUR,
            DAY,
            "1 h, as the contract has it, would have lost 5 % of departed, more than the target of 0.1 %;"
            " accept_late: 1d would have lost nothing.",
        ),
        ({0: "0.2", DAY: "0.012"}, 0, None, "Even 24 h would have lost 1.2 % of departed, more than"),
    ],
)
def test_the_advice_says_how_the_contract_stands_to_it(
    losses: Mapping[int, str], accepted: int, recommended: int | None, words: str
) -> None:
    found = advised(losses, accepted)

    assert found["recommended"] == recommended
    assert words in found["sentence"]


def test_another_target_is_answered_from_the_ladder_in_the_evidence() -> None:
    kept = advised({0: "0.1", 6 * HOUR: "0.0002", 24 * HOUR: "0"})

    assert for_target(kept, Decimal("0.1"))["recommended"] == 0
    assert for_target(kept, Decimal(0))["segments"][0]["recommended"] == 24 * HOUR


def test_without_events_nothing_is_recommended() -> None:
    found = advice_document(Advice(DAY, Watched(DAY, FIRST, 1, ()), (), (), {}), Decimal("0.001"), {})

    assert found["recommended"] is None
    assert "nothing to advise" in found["sentence"]


def test_values_that_may_not_be_seen_are_replaced() -> None:
    rungs = (Rung(0, 1, {"events": Decimal(1)}),)
    one = Arrivals("trips", "rider", "r1", 1, 1, 60, 60, 60, rungs)
    none = Arrivals("trips", "rider", None, 1, 1, 60, 60, 60, rungs)
    advice = Advice(0, Watched(0, FIRST, 1, ()), (one,), (one, none), {})

    found = advice_document(advice, Decimal(0), {("trips", "rider"): "(masked)"})

    assert [row["value"] for row in found["segments"]] == ["(masked)", None]


@pytest.mark.parametrize(
    ("lost", "total", "share"),
    [(0, 0, "0"), (0, 5, "0"), (3, 0, "1"), (1, 3, "0.33333334"), (-2, 4, "0.5"), (2, -4, "0.5")],
)
def test_a_share_is_never_told_too_small(lost: int, total: int, share: str) -> None:
    assert rung(0, 0, {"m": (lost, total)}).worst == Decimal(share)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ("0", "0 %"),
        ("0.0002", "0.02 %"),
        ("0.001", "0.1 %"),
        ("0.01234", "1.2 %"),
        ("0.1234", "12 %"),
        ("1", "100 %"),
        ("0.0000001", "less than 0.0001 %"),
    ],
)
def test_shares_are_told_with_two_digits(share: str, words: str) -> None:
    assert percent(Decimal(share)) == words
