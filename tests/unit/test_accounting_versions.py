"""keep: latest: the newest accepted version counts, and each difference says why it is another."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.adapters.evidence_files import EvidenceFiles
from slipway.domain.accounting import ComparedKpi
from slipway.domain.evidence import Cause
from slipway.errors import Permanent
from tests.fakes.two_sides import FIRST, Trip, TwoSides, migration, without_files

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)


def trip(n: int, day: int = 0, version: int = 1, **changes: object) -> Trip:
    started = NOON + timedelta(days=day, minutes=n)
    return Trip(f"t{n}", f"r{n}", "A", started, "N", 100, 1.5, 2**n, version).but(**changes)


def compared(sides: TwoSides) -> ComparedKpi:
    store = EvidenceFiles(sides.folder / "store")
    return sides.comparison().compare(sides.migration, sides.question(), store).kpis["trips_daily"]


@pytest.fixture
def sides(tmp_path: Path) -> TwoSides:
    return TwoSides(tmp_path, migration(keep="latest"))


def causes(kpi: ComparedKpi) -> set[Cause]:
    return {c.cause for c in kpi.causes}


def test_a_revised_event_counts_once_and_on_its_newest_day_however_it_arrived(sides: TwoSides) -> None:
    sides.batch = [trip(1, day=1, version=2, fare=700), trip(2, version=3, fare=5)]
    sides.accept(trip(1, day=0))
    sides.accept(trip(1, day=1, version=2, fare=700))
    for version in (2, 3, 1):
        sides.accept(trip(2, version=version, fare=8 - version))

    kpi = compared(sides)

    assert (kpi.differing, kpi.cells) == (0, 2)
    assert [d.stream for d in kpi.days if d.measure == "fares"] == [5, 700]


def test_a_version_beyond_the_compared_days_takes_its_event_with_it(sides: TwoSides) -> None:
    sides.accept(trip(1, day=0))
    sides.accept(trip(1, day=9, version=2))
    sides.batch = [trip(1, day=9, version=2)]

    assert compared(sides).cells == 0


@pytest.mark.parametrize("fate", [Cause.LATE, Cause.REJECTED, Cause.LOST_IN_STREAM, Cause.NOT_ARRIVED])
def test_a_version_that_only_the_batch_has_is_explained_by_its_own_fate(sides: TwoSides, fate: Cause) -> None:
    sides.accept(trip(1))
    revised = trip(1, version=2, fare=900)
    sides.batch.append(revised)
    match fate:
        case Cause.LATE:
            sides.come_late(revised)
        case Cause.REJECTED:
            sides.reject(revised.rider, revised.trip_id, version=2)
        case Cause.LOST_IN_STREAM:
            sides.arrive(revised.trip_id, version=2)
        case _:
            pass

    kpi = compared(sides)

    assert causes(kpi) == {fate}
    assert [(c.net, c.measure) for c in kpi.causes if c.measure == "fares"] == [(800, "fares")]
    assert [(e.cause, e.events) for e in kpi.touched] == [(fate, 1)]
    assert kpi.broken == 0


def test_an_older_version_that_came_late_explains_nothing(sides: TwoSides) -> None:
    sides.come_late(trip(1))
    sides.batch.append(trip(1, version=2))

    assert causes(compared(sides)) == {Cause.NOT_ARRIVED}


def test_a_version_that_the_batch_has_not_loaded_is_told_from_one_that_came_after_its_cut(
    sides: TwoSides,
) -> None:
    sides.closed = 2
    through = sides.question_batch_through()
    for n, day, at in ((1, 2, None), (2, 2, through), (3, 1, through)):
        sides.accept(trip(n, day))
        sides.batch.append(trip(n, day))
        sides.accept(trip(n, day, version=2, fare=900), at)

    kpi = compared(sides)

    named = {(example.cause, example.ids) for example in kpi.examples}
    # On a closed day the batch has had its time.
    assert named == {
        (Cause.NOT_IN_BATCH, ("t1",)),
        (Cause.AFTER_BATCH_CUT, ("t2",)),
        (Cause.NOT_IN_BATCH, ("t3",)),
    }


def test_the_same_version_with_other_values_is_a_difference_of_values(sides: TwoSides) -> None:
    sides.batch.append(trip(1, version=2))
    sides.accept(trip(1, version=2, fare=7))

    assert causes(compared(sides)) == {Cause.VALUE}


def test_several_versions_in_the_batch_are_duplicates_there(sides: TwoSides) -> None:
    sides.batch += [trip(1), trip(1, version=2, fare=7)]
    sides.accept(trip(1))
    sides.accept(trip(1, version=2, fare=7))

    kpi = compared(sides)

    assert causes(kpi) == {Cause.DUPLICATE_IN_BATCH}
    assert [c.net for c in kpi.causes if c.measure == "fares"] == [100]


def test_of_several_versions_in_the_batch_the_newest_stands_for_the_event(sides: TwoSides) -> None:
    sides.batch += [trip(1, fare=100), trip(1, version=2, fare=7)]
    sides.accept(trip(1, fare=100))
    sides.accept(trip(1, version=2, fare=9))

    kpi = compared(sides)

    shares = {c.cause: c.net for c in kpi.causes if c.measure == "fares"}
    assert shares == {Cause.DUPLICATE_IN_BATCH: 100, Cause.VALUE: -2}


def test_an_amended_version_takes_part_in_the_choice_of_the_newest(sides: TwoSides) -> None:
    sides.accept(trip(1))
    sides.batch.append(trip(1, day=1, version=2))
    offset = sides.come_late(trip(1, day=1, version=2))
    before = compared(sides)
    sides.amended = [offset]

    assert causes(before) == {Cause.LATE}
    assert compared(sides).differing == 0


@pytest.mark.parametrize("amended", [1, 5])
def test_a_version_that_was_accepted_after_the_amendment_counts_besides(
    sides: TwoSides, amended: int
) -> None:
    sides.amended = [sides.come_late(trip(1, version=amended))]
    sides.accept(trip(1, day=2, version=2))
    sides.batch.append(trip(1, day=0 if amended > 2 else 2, version=max(amended, 2)))

    kpi = compared(sides)

    assert [(d.recomputed, d.stream, d.engine) for d in kpi.days if d.measure == "trips"] == [(1, 1, 0)] * 2
    assert causes(kpi) == {Cause.DUPLICATE_IN_STREAM}
    assert kpi.broken == 0


def test_an_accepted_version_that_an_amendment_replaced_stays_replaced(sides: TwoSides) -> None:
    sides.accept(trip(1))
    sides.accept(trip(1, version=2))
    sides.amended = [sides.come_late(trip(1, day=1, version=version)) for version in (3, 4)]
    sides.batch.append(trip(1, day=1, version=4))

    kpi = compared(sides)

    assert [(d.day, d.recomputed) for d in kpi.days if d.measure == "trips"] == [
        (FIRST + timedelta(days=1), 1)
    ]
    assert kpi.differing == 0


def test_a_rejected_record_is_blamed_for_its_own_version_or_when_that_is_unknown(sides: TwoSides) -> None:
    for n, rejected in ((1, 7), (2, None)):
        sides.accept(trip(n))
        sides.batch.append(trip(n, version=2, fare=900))
        sides.reject(f"r{n}", f"t{n}", version=rejected)

    named = {example.cause: example.ids for example in compared(sides).examples}

    assert named == {Cause.NOT_ARRIVED: ("t1",), Cause.REJECTED: ("t2",)}


def test_an_older_copy_in_the_batch_hides_no_late_version(sides: TwoSides) -> None:
    sides.accept(trip(1))
    sides.come_late(trip(1, version=2, fare=900))
    sides.batch += [trip(1), trip(1, version=2, fare=900)]

    shares = {c.cause: c.net for c in compared(sides).causes if c.measure == "fares"}

    assert shares == {Cause.LATE: 800, Cause.DUPLICATE_IN_BATCH: 100}


def test_the_batch_must_expose_the_version(sides: TwoSides) -> None:
    sides.batch_events = "SELECT * EXCLUDE (version) FROM batch_rows"

    with pytest.raises(Permanent, match=r"batch\.trip_events has no column version"):
        compared(sides)


def test_a_newer_version_is_no_duplicate_and_the_same_one_again_is(sides: TwoSides) -> None:
    sides.accept(trip(1))
    sides.accept(trip(1, version=2))
    sides.arrive("t1", version=2)
    sides.arrive("t1", version=1)
    sides.come_late(trip(1, version=3))
    sides.come_late(trip(1, version=2))
    question = sides.question()

    found = sides.comparison().count(sides.migration, question.files, question.offsets, {})

    assert (found.balance.silver, found.balance.late, found.balance.duplicates) == (2, 1, 3)
    assert (found.unaccounted, found.balance.closes) == (0, True)


def test_a_newer_version_that_no_table_took_is_unaccounted(sides: TwoSides) -> None:
    sides.accept(trip(1))
    sides.arrive("t1", version=2)
    question = sides.question()

    assert sides.comparison().count(sides.migration, question.files, question.offsets, {}).unaccounted == 1


def test_lateness_is_that_of_the_earliest_day_and_losses_fall_back_to_older_versions(sides: TwoSides) -> None:
    end = sides.migration.period_end(FIRST)
    sides.accept(trip(1))
    sides.accept(trip(1, version=2, fare=900), end + timedelta(hours=7))
    late = trip(2, version=2, day=1)
    sides.accept(trip(2))
    sides.late.append((late, sides.arrive("t2", end + timedelta(hours=30), version=2)))
    store = EvidenceFiles(sides.folder / "store")

    everything = sides.comparison().compare(sides.migration, sides.question(), store)

    # The late version's own day ends a day later, but it would have changed the first.
    assert [(c.before, c.events) for c in everything.lateness] == [(0, 2), (21600, 0), (86400, 1), (None, 1)]
    fares = {x.bound: x.lost for x in everything.kpis["trips_daily"].losses if x.measure == "fares"}
    assert fares == {0: 800, 21600: 800, 86400: 0}


def test_a_version_is_judged_by_those_before_it_on_whatever_day_they_lie(sides: TwoSides) -> None:
    end = sides.migration.period_end(FIRST)
    # Moved to the day before: late for that day, which its first version was not.
    sides.accept(trip(1, day=1), end + timedelta(hours=1))
    sides.accept(trip(1, day=0, version=2), end + timedelta(hours=7))
    # An event of the day before the compared ones: its version of a compared day is judged there.
    sides.accept(trip(2, day=-1), end - timedelta(hours=30))
    sides.accept(trip(2, day=0, version=2), end - timedelta(hours=20))
    # A version of a day that is still open, judged by a closed one.
    sides.closed = 2
    sides.accept(trip(3, day=1), end)
    sides.accept(trip(3, day=2, version=2), end + timedelta(hours=31))
    store = EvidenceFiles(sides.folder / "store")

    everything = sides.comparison().compare(sides.migration, sides.question(), store)

    assert [(c.before, c.events) for c in everything.lateness] == [(0, 2), (21600, 0), (86400, 2), (None, 0)]


@pytest.mark.parametrize("with_snapshots", [True, False])
def test_a_comparison_of_versions_repeats_from_what_was_kept(sides: TwoSides, with_snapshots: bool) -> None:
    sides.accept(trip(1))
    sides.batch.append(trip(1, version=2, fare=900))
    sides.come_late(trip(1, version=2, fare=900))
    store = EvidenceFiles(sides.folder / "store")
    question = sides.question()
    first = sides.comparison().compare(sides.migration, question, store).kpis["trips_daily"]
    kept = {"trips_daily": {"rows": store.path_of(first.rows), "events": store.path_of(first.events)}}

    again = sides.comparison().repeat(
        sides.migration, question if with_snapshots else without_files(question), kept
    )["trips_daily"]

    assert (again.days, again.causes, again.listed) == (first.days, first.causes, first.listed)


FATES = (None, Cause.LATE, Cause.LOST_IN_STREAM, Cause.NOT_ARRIVED, Cause.NOT_IN_BATCH, Cause.AFTER_BATCH_CUT)
histories = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(FATES), st.integers(0, 2), st.sampled_from(["N", None]), st.integers(0, 900)
        ),
        min_size=1,
        max_size=4,
    ),
    max_size=12,
)


@given(histories, st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_causes_sum_to_the_delta_and_name_the_fate_of_the_version_that_makes_the_difference(
    drawn: list[list[tuple[Cause | None, int, str | None, int]]], random: Random
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sides = TwoSides(Path(folder), migration(keep="latest"), days=4, closed=3)
        expected: dict[Cause, set[str]] = defaultdict(set)
        arrivals = []
        for n, versions in enumerate(drawn):
            batch: Trip | None = None
            stream: Trip | None = None
            fates: dict[int, Cause | None] = {}
            is_open = any(fate is Cause.AFTER_BATCH_CUT for fate, *_ in versions)
            for version, (fate, closed_day, zone, fare) in enumerate(versions, start=1):
                day = 3 if is_open else closed_day
                # The fare tells versions apart, so that no difference cancels out unseen.
                one = trip(n, day, version, zone=zone, fare=1000 * version + fare)
                fates[version] = fate
                if fate not in (Cause.NOT_IN_BATCH, Cause.AFTER_BATCH_CUT):
                    batch = one
                if fate in (None, Cause.NOT_IN_BATCH, Cause.AFTER_BATCH_CUT):
                    stream = one
                arrivals.append((one, fate))
            if batch is not None:
                sides.batch.append(batch)
            if batch != stream:
                deciding = max(one.version for one in (batch, stream) if one is not None)
                expected[fates[deciding] or Cause.NOT_IN_BATCH].add(f"t{n}")
        random.shuffle(arrivals)
        for one, fate in arrivals:
            match fate:
                case Cause.LATE:
                    sides.come_late(one)
                case Cause.LOST_IN_STREAM:
                    sides.arrive(one.trip_id, version=one.version)
                case Cause.NOT_ARRIVED:
                    pass
                case Cause.AFTER_BATCH_CUT:
                    sides.accept(one, sides.question_batch_through())
                case _:
                    sides.accept(one)

        kpi = compared(sides)

    assert kpi.broken == 0
    for difference in kpi.listed:
        delta = (difference.batch or 0) - (difference.stream or 0)
        assert sum(Decimal(share or 0) for share in difference.shares.values()) == delta
    named: dict[Cause, set[str]] = defaultdict(set)
    for example in kpi.examples:
        named[example.cause].update(example.ids)
    assert named == expected
