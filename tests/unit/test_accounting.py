"""Every difference has a cause, and the causes sum to it."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.adapters.evidence_files import EvidenceFiles
from slipway.domain.accounting import Compared, ComparedKpi
from slipway.domain.evidence import Cause
from tests.fakes.two_sides import FIRST, Trip, TwoSides, migration, without_files

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)
EVENT_FAULTS = (
    Cause.DUPLICATE_IN_BATCH,
    Cause.TIME_BUCKET,
    Cause.VALUE,
    Cause.DIMENSION,
    Cause.LATE,
    Cause.REJECTED,
    Cause.LOST_IN_STREAM,
    Cause.NOT_ARRIVED,
    Cause.AFTER_BATCH_CUT,
    Cause.NOT_IN_BATCH,
    Cause.DUPLICATE_IN_STREAM,
)


def compared(sides: TwoSides) -> tuple[ComparedKpi, Compared]:
    found = sides.comparison().compare(
        sides.migration, sides.question(), EvidenceFiles(sides.folder / "store")
    )
    return found.kpis["trips_daily"], found


def inject(sides: TwoSides, trip: Trip, fault: Cause | None) -> None:
    """Bring one true trip to both sides, with one fault between them."""
    batch_through = sides.question_batch_through()
    if fault not in (Cause.NOT_IN_BATCH, Cause.AFTER_BATCH_CUT):
        sides.batch.append(trip)
    match fault:
        case Cause.LATE:
            sides.come_late(trip)
        case Cause.REJECTED:
            # Every other bad value still yields its id; the rest are known by their key only.
            sides.reject(trip.rider, trip.trip_id if len(sides.rejected) % 2 else None)
        case Cause.LOST_IN_STREAM:
            sides.arrive(trip.trip_id)
        case Cause.NOT_ARRIVED:
            pass
        case Cause.AFTER_BATCH_CUT:
            sides.accept(trip, batch_through)
        case Cause.DUPLICATE_IN_BATCH:
            sides.batch.append(trip)
            sides.accept(trip)
        case Cause.DUPLICATE_IN_STREAM:
            sides.accept(trip)
            sides.accept(trip)
        case Cause.TIME_BUCKET:
            moved = trip.started + timedelta(days=1 if trip.started < NOON + timedelta(days=1) else -1)
            sides.accept(trip.but(started=moved))
        case Cause.VALUE:
            sides.accept(trip.but(fare=(trip.fare or 0) + 7, zone="X"))
        case Cause.DIMENSION:
            sides.accept(trip.but(cabs__weight=(trip.cabs__weight or 0) + 1))
        case _:
            sides.accept(trip)


trips = st.lists(
    st.tuples(
        st.sampled_from([None, *EVENT_FAULTS]),
        st.integers(0, 2),  # day
        st.sampled_from(["N", "S", None]),
        st.one_of(st.none(), st.integers(0, 1000)),
        st.one_of(st.none(), st.floats(0, 99, width=32)),
        st.integers(0, 4),  # rider
    ),
    max_size=30,
)


@given(trips, st.booleans(), st.booleans())
@settings(max_examples=15)
def test_causes_sum_to_the_delta_and_each_fault_lands_in_its_own_cause(
    drawn: list[tuple[Cause | None, int, str | None, int | None, float | None, int]],
    wrong_definition: bool,
    wrong_engine: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sides = TwoSides(Path(folder), days=4, closed=3)
        injected: dict[Cause, set[str]] = defaultdict(set)
        for n, (fault, closed_day, zone, fare, miles, rider) in enumerate(drawn):
            day = 3 if fault is Cause.AFTER_BATCH_CUT else closed_day  # 3 is open
            # Powers of two: no two sets of trips weigh the same, so that no faults cancel out unseen.
            trip = Trip(
                f"t{n}",
                f"r{rider}" if fault is not Cause.REJECTED else f"only{n}",
                "A",
                NOON + timedelta(days=day, minutes=n),
                zone,
                fare,
                miles,
                2 ** (n + 1),
            )
            inject(sides, trip, fault)
            if fault is not None:
                injected[fault].add(trip.trip_id)
        if wrong_definition:
            sides.batch_rows = "SELECT * REPLACE (trips + 3 AS trips) FROM folded"
        if wrong_engine:
            sides.stream_rows = "SELECT * REPLACE (fares - 100 AS fares) FROM folded"

        kpi, everything = compared(sides)

    assert kpi.broken == 0
    assert everything.hidden == ()
    for difference in kpi.listed:
        assert difference.remainder == 0
        delta = (difference.batch or 0) - (difference.stream or 0)
        assert sum(Decimal(share or 0) for share in difference.shares.values()) == delta
    named: dict[Cause, set[str]] = defaultdict(set)
    for example in kpi.examples:
        named[example.cause].update(example.ids)
    assert named == injected
    if wrong_definition and sides.batch:
        assert {c.measure for c in kpi.causes if c.cause is Cause.DEFINITION} == {"trips"}
    else:
        assert all(c.cause is not Cause.DEFINITION for c in kpi.causes)
    if wrong_engine and sides.silver:
        assert {c.measure for c in kpi.causes if c.cause is Cause.ENGINE} == {"fares"}
    else:
        assert all(c.cause is not Cause.ENGINE for c in kpi.causes)
    if not injected and not wrong_definition and not wrong_engine:
        assert kpi.differing == 0


def trip(n: int, day: int = 0, **changes: object) -> Trip:
    plain = Trip(f"t{n}", f"r{n}", "A", NOON + timedelta(days=day, minutes=n), "N", 100, 1.5, 2**n)
    return plain.but(**changes)


def agreeing(folder: Path, trips: int = 6) -> TwoSides:
    sides = TwoSides(folder)
    for n in range(trips):
        inject(sides, trip(n, day=n % 3), None)
    return sides


def test_sides_that_agree_have_no_differing_cell(tmp_path: Path) -> None:
    kpi, everything = compared(agreeing(tmp_path))

    assert (kpi.cells, kpi.differing, kpi.walked, kpi.broken) == (3, 0, 0, 0)
    assert not kpi.causes and not kpi.listed and not everything.hidden
    assert [d.batch for d in kpi.days if d.measure == "trips"] == [2, 2, 2]


def test_an_event_that_only_changed_its_day_nets_to_zero_and_shows_its_magnitude(tmp_path: Path) -> None:
    sides = agreeing(tmp_path)
    inject(sides, trip(9, day=0), Cause.TIME_BUCKET)

    kpi, _ = compared(sides)

    moved = [c for c in kpi.causes if c.measure == "trips"]
    assert {c.cause for c in moved} == {Cause.TIME_BUCKET}
    assert sum(c.net or 0 for c in moved) == 0
    assert sum(c.gross or 0 for c in moved) == 2


def test_differences_that_cancel_in_a_cell_are_still_found(tmp_path: Path) -> None:
    sides = agreeing(tmp_path)
    # One trip is missing in the stream and another, alike but for its id, is missing in the batch.
    inject(sides, trip(9), Cause.NOT_ARRIVED)
    inject(sides, trip(9, trip_id="t9b"), Cause.NOT_IN_BATCH)

    kpi, everything = compared(sides)

    assert kpi.differing == 0
    assert [(h.kind, h.day, h.ids) for h in everything.hidden] == [
        ("batch_only", FIRST, ("t9",)),
        ("stream_only", FIRST, ("t9b",)),
    ]


def test_a_rejected_record_without_an_id_stands_for_one_missing_event_of_its_key(tmp_path: Path) -> None:
    sides = agreeing(tmp_path)
    for n in (10, 11):
        sides.batch.append(trip(n, rider="same"))
    sides.reject("same")

    kpi, _ = compared(sides)

    fates = {(c.cause, c.net) for c in kpi.causes if c.measure == "trips"}
    assert fates == {(Cause.REJECTED, 1), (Cause.NOT_ARRIVED, 1)}


def test_a_key_of_several_fields_is_a_json_array(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, migration(key=("rider", "version")))
    for n in (10, 11):
        sides.batch.append(trip(n, rider="Zoë"))
    sides.reject('["Zoë",1]')

    kpi, _ = compared(sides)

    fates = {(c.cause, c.net) for c in kpi.causes if c.measure == "trips"}
    assert fates == {(Cause.REJECTED, 1), (Cause.NOT_ARRIVED, 1)}


def test_amended_late_rows_count_as_the_days_events(tmp_path: Path) -> None:
    sides = agreeing(tmp_path)
    sides.batch.append(trip(9))
    offset = sides.come_late(trip(9))
    before, _ = compared(sides)
    sides.amended = [offset]

    after, everything = compared(sides)

    assert {c.cause for c in before.causes} == {Cause.LATE}
    assert after.differing == 0 and not everything.hidden


def test_a_missing_row_equals_the_measures_over_no_events(tmp_path: Path) -> None:
    sides = agreeing(tmp_path)
    empty = "NULL::DATE AS day, 'Q' AS zone, 0, 0, 0, 0, 0, NULL, NULL, NULL"
    sides.batch_rows = (
        f"SELECT * FROM folded UNION ALL SELECT DATE '{FIRST}', * EXCLUDE (day) FROM (SELECT {empty})"
    )

    kpi, _ = compared(sides)

    assert (kpi.cells, kpi.differing) == (4, 0)


def test_serving_that_agrees_with_the_batch_but_not_with_its_own_events_differs(tmp_path: Path) -> None:
    sides = agreeing(tmp_path)
    sides.batch_rows = sides.stream_rows = "SELECT * REPLACE (trips + 3 AS trips) FROM folded"

    kpi, _ = compared(sides)

    assert [(d.beyond, d.engine) for d in kpi.days if d.measure == "trips"] == [(1, 1)] * 3
    assert {(c.cause, c.net) for c in kpi.causes} == {(Cause.DEFINITION, 3), (Cause.ENGINE, -3)}


def test_two_rows_for_one_cell_are_noticed(tmp_path: Path) -> None:
    sides = agreeing(tmp_path)
    sides.batch_rows = (
        "SELECT * FROM folded UNION ALL SELECT * FROM folded WHERE day = (SELECT min(day) FROM folded)"
    )

    kpi, _ = compared(sides)

    assert kpi.crowded == 1


def test_tolerance_is_judged_cell_by_cell_as_the_contract_defines_it(tmp_path: Path) -> None:
    sides = agreeing(tmp_path)
    # 200 cents a cell, 1 % allowed: 2 cents are tolerated, 3 are not.
    sides.stream_rows = "SELECT * REPLACE (fares + [2, 3, 0][dayofmonth(day)] AS fares) FROM folded"

    kpi, _ = compared(sides)

    # The fold of silver is held against the stream by the same rule.
    seen = [(d.tolerated, d.beyond, d.engine) for d in kpi.days if d.measure == "fares"]
    assert seen == [(1, 0, 0), (0, 1, 1), (0, 0, 0)]
    allows = sides.migration.kpis["trips_daily"].measure("fares").tolerance.allows
    assert (allows(Decimal(200), Decimal(202)), allows(Decimal(200), Decimal(203))) == (True, False)


def test_lateness_says_what_each_bound_would_have_lost(tmp_path: Path) -> None:
    sides = agreeing(tmp_path, trips=4)
    end = sides.migration.period_end(FIRST)
    for n, hours in ((10, 1), (11, 7)):
        sides.batch.append(trip(n))
        sides.accept(trip(n), end + timedelta(hours=hours))
    sides.batch.append(trip(12))
    sides.come_late(trip(12))

    kpi, everything = compared(sides)

    assert [(c.before, c.events) for c in everything.lateness] == [(0, 4), (21600, 1), (86400, 1), (None, 1)]
    lost = {loss.bound: (loss.lost, loss.total) for loss in kpi.losses if loss.measure == "trips"}
    assert lost == {0: (3, 7), 21600: (2, 7), 86400: (1, 7)}


def test_the_same_inputs_give_the_same_kept_files_and_findings(tmp_path: Path) -> None:
    sides = agreeing(tmp_path)
    inject(sides, trip(9), Cause.LATE)

    assert compared(sides) == compared(sides)


@pytest.mark.parametrize("with_snapshots", [True, False])
def test_a_comparison_repeats_from_what_was_kept(tmp_path: Path, with_snapshots: bool) -> None:
    sides = agreeing(tmp_path)
    for n, fault in enumerate(EVENT_FAULTS, start=20):
        inject(sides, trip(n), fault)
    store = EvidenceFiles(tmp_path / "store")
    question = sides.question()
    first = sides.comparison().compare(sides.migration, question, store).kpis["trips_daily"]
    kept: Mapping[str, Mapping[str, Path]] = {
        "trips_daily": {"rows": store.path_of(first.rows), "events": store.path_of(first.events)}
    }
    if not with_snapshots:
        question = without_files(question)

    again = sides.comparison().repeat(sides.migration, question, kept)["trips_daily"]

    assert (again.days, again.causes, again.listed) == (first.days, first.causes, first.listed)
    assert again.rows == first.rows
