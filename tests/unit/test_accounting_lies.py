"""A side that lies is found and named, whatever it lies about; the other one is not blamed."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from slipway.adapters.comparison import DuckDBComparison
from slipway.adapters.evidence_files import EvidenceFiles
from slipway.domain.accounting import Compared, ComparedKpi, error_of
from slipway.domain.document import kpi_document
from slipway.domain.evidence import STREAM_FAULTS, Cause, Verdict
from slipway.domain.judging import kpi_verdict
from tests.fakes.two_sides import FIRST, MEASURES, REPO, TEMPLATES, TOLLED, Kpi, Trip, TwoSides, migration

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)


def trip(n: int, day: int = 0, **changes: object) -> Trip:
    plain = Trip(f"t{n}", f"r{n}", "A", NOON + timedelta(days=day, minutes=n), "N", 100, 1.5, 2 ** (n % 60))
    return plain.but(**changes)


def both(sides: TwoSides, *trips: Trip) -> None:
    for one in trips:
        sides.batch.append(one)
        sides.accept(one)


def everything(sides: TwoSides, templates: Path = TEMPLATES) -> Compared:
    comparison = DuckDBComparison(sides, templates, sides.folder / "work")
    return comparison.compare(sides.migration, sides.question(), EvidenceFiles(sides.folder / "store"))


def daily(sides: TwoSides) -> ComparedKpi:
    return everything(sides).kpis["trips_daily"]


def causes(kpi: ComparedKpi) -> set[Cause]:
    return {cause.cause for cause in kpi.causes}


@pytest.fixture
def sides(tmp_path: Path) -> TwoSides:
    found = TwoSides(tmp_path, days=4, closed=3)
    for n in range(8):
        # Late in the evening of New York it is the next day in UTC.
        at = NOON + timedelta(days=n % 3, hours=9 if n % 2 else 0, minutes=n)
        both(found, trip(n, started=at, zone=None if n == 5 else "NS"[n % 2]))
    return found


DEFINITIONS = {
    "wrong definition": "SELECT * REPLACE (fares * 100 AS fares) FROM folded",
    "wrong time zone": (
        "SELECT CAST(started AS DATE) AS day, zone, count(*) AS trips,"
        " count(*) FILTER (fare < 500) AS short, sum(fare) AS fares, sum(cabs__weight) AS weights,"
        " count(DISTINCT rider) AS riders, min(started) AS first, max(fare) AS dearest,"
        " avg(miles) AS mean_miles FROM warehouse.batch.trip_events GROUP BY ALL"
    ),
    "lost join": "SELECT * FROM folded WHERE zone IS NOT NULL",
    "nothing is zero": "SELECT * REPLACE (coalesce(mean_miles, 0) AS mean_miles) FROM folded",
    "no number": "SELECT * REPLACE (CAST('NaN' AS DOUBLE) AS mean_miles) FROM folded",
    "endless": "SELECT * REPLACE (CAST('-Infinity' AS DOUBLE) AS mean_miles) FROM folded",
}


@pytest.mark.parametrize("lie", DEFINITIONS)
def test_a_kpi_model_that_computes_something_else_is_a_definition(sides: TwoSides, lie: str) -> None:
    both(sides, trip(20, day=1, zone="Q", miles=None))
    sides.batch_rows = DEFINITIONS[lie]

    kpi = daily(sides)

    assert causes(kpi) == {Cause.DEFINITION}
    assert all(one.shares for one in kpi.listed)
    assert (kpi.broken, kpi.touched) == (0, ())


EVENTS = {
    Cause.TIME_BUCKET: "SELECT * REPLACE (started + INTERVAL 5 HOUR AS started) FROM batch_rows",
    Cause.VALUE: "SELECT * REPLACE (CAST(fare * 100 AS INTEGER) AS fare) FROM batch_rows",
    Cause.DIMENSION: "SELECT * REPLACE (CAST(NULL AS BIGINT) AS cabs__weight) FROM batch_rows",
    Cause.NOT_IN_BATCH: "SELECT * FROM batch_rows WHERE trip_id <> 't4'",
    Cause.DUPLICATE_IN_BATCH: "SELECT * FROM batch_rows UNION ALL SELECT * FROM batch_rows WHERE fare = 100",
}


@pytest.mark.parametrize("cause", EVENTS)
def test_an_event_model_that_lies_is_named_and_the_stream_is_not_blamed(
    sides: TwoSides, cause: Cause
) -> None:
    sides.batch_events = EVENTS[cause]

    kpi = daily(sides)

    assert causes(kpi) == {cause}
    assert not causes(kpi) & STREAM_FAULTS
    assert kpi.broken == 0


def test_rows_of_the_event_model_without_an_id_are_named_as_such(sides: TwoSides) -> None:
    extra = "SELECT * REPLACE (CAST(NULL AS VARCHAR) AS trip_id) FROM batch_rows WHERE trip_id = 't4'"
    sides.batch_events = f"SELECT * FROM batch_rows UNION ALL {extra} UNION ALL {extra}"

    kpi = daily(sides)

    assert causes(kpi) == {Cause.DUPLICATE_IN_BATCH}
    assert [(one.ids, one.events) for one in kpi.examples] == [(("(no id)",), 2)]
    assert kpi.broken == 0


def test_a_batch_that_looked_early_differs_on_open_days_only(sides: TwoSides) -> None:
    through = sides.question_batch_through()
    sides.accept(trip(30, day=3), through)
    sides.accept(trip(31, day=3), through - timedelta(seconds=1))

    kpi = daily(sides)

    named = {(one.day, one.cause): one.ids for one in kpi.examples}
    last = FIRST + timedelta(days=3)
    assert named == {(last, Cause.AFTER_BATCH_CUT): ("t30",), (last, Cause.NOT_IN_BATCH): ("t31",)}


def test_an_amended_event_that_the_batch_lacks_on_a_closed_day_is_not_in_batch(sides: TwoSides) -> None:
    offset = sides.arrive("t40", sides.question_batch_through() + timedelta(days=1))
    sides.late.append((trip(40), offset))
    sides.amended = [offset]

    assert causes(daily(sides)) == {Cause.NOT_IN_BATCH}


SERVED = {
    "a reset total": "SELECT * REPLACE (trips - 1 AS trips, fares - 100 AS fares) FROM folded",
    "two writers": "SELECT * REPLACE (trips * 2 AS trips) FROM folded",
    "a lost flush": "SELECT * FROM folded WHERE day > (SELECT min(day) FROM folded)",
    "edited by hand": "SELECT * REPLACE (CASE WHEN zone IS NULL THEN 7 ELSE trips END AS trips) FROM folded",
    "a row of nothing": (
        f"SELECT * FROM folded UNION ALL SELECT DATE '{FIRST}', 'Z', 0, 0, 0, 0, 0, NULL, 0, 0"
    ),
}


@pytest.mark.parametrize("lie", SERVED)
def test_a_serving_table_that_is_not_the_fold_of_silver_is_the_engines_fault(
    sides: TwoSides, lie: str
) -> None:
    sides.stream_rows = SERVED[lie]

    kpi = daily(sides)

    assert causes(kpi) == {Cause.ENGINE}
    assert all(one.shares for one in kpi.listed)
    assert (kpi.broken, kpi.touched) == (0, ())


def test_a_record_that_no_table_took_is_lost_in_the_stream(sides: TwoSides) -> None:
    sides.batch.append(trip(50))
    sides.arrive("t50")

    assert causes(daily(sides)) == {Cause.LOST_IN_STREAM}


def test_one_rejected_record_is_blamed_for_the_same_event_in_every_kpi(tmp_path: Path) -> None:
    kpis = {
        "all": Kpi("day(started)", {"trips": {"count": "*"}}, ()),
        "dear": Kpi("day(started)", {"dearest": {"max": "fare"}}, ()),
    }
    sides = TwoSides(tmp_path, migration(kpis=kpis))
    both(sides, trip(1))
    # Only one of the two moves the maximum, and it is not the first of them.
    sides.batch += [trip(2, rider="same", fare=1), trip(3, rider="same", fare=900)]
    sides.reject("same")

    found = everything(sides)

    named = {
        name: {(one.cause, identity) for one in kpi.examples for identity in one.ids}
        for name, kpi in found.kpis.items()
    }
    expected = {(Cause.REJECTED, "t2"), (Cause.NOT_ARRIVED, "t3")}
    assert named == {"all": expected, "dear": expected}


def test_a_record_rejected_long_before_the_compared_days_explains_nothing_of_them(sides: TwoSides) -> None:
    sides.batch.append(trip(60))
    sides.reject("r60")
    sides.rejected[-1]["arrived_at"] = NOON - timedelta(days=30)

    assert causes(daily(sides)) == {Cause.NOT_ARRIVED}


def test_a_null_key_is_nobodys(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, migration(key=("zone",)))
    both(sides, trip(1, zone=None))
    sides.batch += [trip(2, zone=None), trip(3, zone="S")]
    sides.reject(None)
    sides.reject("S")

    named = {one.cause: one.ids for one in daily(sides).examples}

    assert named == {Cause.NOT_ARRIVED: ("t2",), Cause.REJECTED: ("t3",)}


def test_a_minimum_of_nothing_is_not_zero_and_its_cause_is_named(tmp_path: Path) -> None:
    kpi = Kpi("day(started)", {"dearest": {"max": "fare"}}, ())
    sides = TwoSides(tmp_path, migration(kpis={"trips_daily": kpi}))
    sides.batch.append(trip(1, fare=0))
    sides.accept(trip(2, fare=None))
    sides.batch.append(trip(2, fare=None))

    found = daily(sides)

    [one] = found.listed
    assert (one.batch, one.stream, one.shares, one.beyond) == (0, None, {Cause.NOT_ARRIVED: 0}, True)
    assert [(cause.cause, cause.net, cause.gross) for cause in found.causes] == [(Cause.NOT_ARRIVED, 0, 0)]


def hidden(sides: TwoSides) -> set[tuple[str, date, tuple[str, ...]]]:
    return {(one.kind, one.day, one.ids) for one in everything(sides).hidden}


ALIKE: dict[str, Any] = {"rider": "r", "cabs__weight": 5, "started": NOON}


def test_one_missing_and_one_doubled_are_found_though_the_cell_agrees(sides: TwoSides) -> None:
    sides.batch += [trip(70, **ALIKE), trip(71, **ALIKE)]
    for _ in range(2):
        sides.accept(trip(71, **ALIKE))

    assert hidden(sides) == {("batch_only", FIRST, ("t70",)), ("copies", FIRST, ("t71",))}


def test_values_swapped_between_two_events_are_found(sides: TwoSides) -> None:
    for n, fare, other in ((72, 1, 2), (73, 2, 1)):
        sides.batch.append(trip(n, **ALIKE, fare=fare))
        sides.accept(trip(n, **ALIKE, fare=other))

    assert hidden(sides) == {("differs", FIRST, ("t72", "t73"))}


def test_events_that_changed_places_between_two_days_are_found(sides: TwoSides) -> None:
    one: dict[str, Any] = {"rider": "r", "cabs__weight": 5}
    later = NOON + timedelta(days=1)
    for n, batch, stream in ((74, NOON, later), (75, later, NOON)):
        sides.batch.append(trip(n, **one, started=batch))
        sides.accept(trip(n, **one, started=stream))

    assert hidden(sides) == {("differs", FIRST, ("t74", "t75"))}


def test_an_event_whose_partner_lies_beyond_the_compared_days_differs_and_is_not_missing(
    sides: TwoSides,
) -> None:
    sides.batch += [trip(76, **ALIKE), trip(77, day=-9)]
    sides.accept(trip(77, **ALIKE))
    sides.accept(trip(76, day=-9))

    assert hidden(sides) == {("differs", FIRST, ("t76", "t77"))}


def two_kpis(folder: Path) -> TwoSides:
    kpis = {
        "trips_daily": Kpi("day(started)", {"fares": {"sum": "fare"}}, ("zone",)),
        "weighed": Kpi("day(started)", {"weights": {"sum": "cabs.weight"}}, ()),
    }
    return TwoSides(folder, migration(kpis=kpis), days=4, closed=3)


def test_what_cancels_in_one_kpi_is_found_though_another_one_has_walked_its_cell(tmp_path: Path) -> None:
    sides = two_kpis(tmp_path)
    both(sides, trip(1))
    # The cell of fares differs by t2 and t3. The weights of t3 and t4 are swapped: fares know nothing of it.
    sides.batch += [trip(2, cabs__weight=0), trip(3, cabs__weight=5), trip(4, cabs__weight=6)]
    sides.accept(trip(3, cabs__weight=6, fare=7))
    sides.accept(trip(4, cabs__weight=5))

    found = everything(sides)

    assert {one.cause for one in found.kpis["trips_daily"].causes} == {Cause.NOT_ARRIVED, Cause.VALUE}
    assert found.kpis["weighed"].differing == 0
    assert [(one.kind, one.ids) for one in found.hidden] == [("differs", ("t3", "t4"))]


def test_an_event_that_a_walk_has_named_is_not_hidden_as_well(tmp_path: Path) -> None:
    sides = two_kpis(tmp_path)
    # Fares tell of the two that are missing on one side each; their weights cancel.
    sides.batch.append(trip(2, cabs__weight=5))
    sides.accept(trip(3, cabs__weight=5, fare=1))

    found = everything(sides)

    assert found.kpis["trips_daily"].differing == 1 and found.kpis["weighed"].differing == 0
    assert found.hidden == ()


def test_only_the_days_asked_for_are_compared_row_by_row(sides: TwoSides) -> None:
    for day in (0, 1):
        same: dict[str, Any] = {**ALIKE, "started": NOON + timedelta(days=day)}
        sides.batch.append(trip(80 + day, **same))
        sides.accept(trip(90 + day, **same))
    question = sides.question()
    second = FIRST + timedelta(days=1)
    asked = dataclasses.replace(question, row_by_row=(second, FIRST + timedelta(days=3)))
    store = EvidenceFiles(sides.folder / "store")

    found = sides.comparison().compare(sides.migration, asked, store).hidden

    assert [(one.kind, one.day, one.ids) for one in found] == [
        ("batch_only", second, ("t81",)),
        ("stream_only", second, ("t91",)),
    ]


def breaks(folder: Path, file: str, old: str, new: str) -> Path:
    """Return a copy of the templates in which the walk is broken."""
    copy = folder / "templates"
    shutil.copytree(TEMPLATES, copy)
    text = (copy / file).read_text("utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new), "utf-8")
    return copy


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("follow_events.sql", "THEN {{ step.late }}", "THEN {{ never }}"),
        ("follow_events.sql", "FROM batch_rows WHERE copy > 1", "FROM batch_rows WHERE copy > 9"),
        ("walk.sql", "FROM still AS s", "FROM (SELECT * FROM still LIMIT 0) AS s"),
    ],
    ids=["late ones never leave", "copies forgotten", "what stands still forgotten"],
)
def test_a_broken_walk_is_an_error_that_names_its_cell(
    sides: TwoSides, file: str, old: str, new: str
) -> None:
    for n in range(3):
        sides.batch.append(trip(100 + n, zone="W"))
    sides.come_late(trip(100, zone="W"))
    sides.batch += [trip(101, zone="W"), trip(1, zone="B")]
    both(sides, trip(103, zone="W"))
    # A far larger difference, and one that is well explained.
    sides.batch += [trip(110 + n, day=1, zone="L") for n in range(9)]

    kpi = everything(sides, breaks(sides.folder, file, old, new)).kpis["trips_daily"]

    assert kpi.broken > 0
    assert kpi_verdict(kpi, sides.question().closed_through) is Verdict.ERROR
    first = kpi.listed[0]
    assert first.remainder and first.remainder > 0
    assert first.cell["zone"] != "L"
    [shown, *_] = kpi_document(sides.migration, "trips_daily", kpi, sides.question().closed_through)[
        "differences"
    ]
    assert (shown["cell"], shown["remainder"]) == (first.cell, first.remainder)


def test_decimals_are_exact_to_their_last_place(tmp_path: Path) -> None:
    measures = {"tolls": {"sum": "toll"}, "mean_toll": {"avg": "toll"}}
    kpi = Kpi("day(started)", measures, ())
    sides = TwoSides(tmp_path, migration(schema=TOLLED, kpis={"trips_daily": kpi}))
    both(sides, *(trip(n, toll=Decimal("9999999.99")) for n in range(30)))
    sides.batch.append(trip(40, toll=Decimal("0.01")))

    shares = {one.measure: one.shares for one in daily(sides).listed}

    assert shares["tolls"] == {Cause.NOT_ARRIVED: Decimal("0.01")}


def test_a_double_shows_a_millionth_and_says_how_exact_it_is(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    both(sides, trip(1, miles=1.0))
    sides.batch_rows = "SELECT * REPLACE (mean_miles + 1e-6 AS mean_miles) FROM folded"
    sides.stream_rows = "SELECT * REPLACE (mean_miles + 1e-9 AS mean_miles) FROM folded"

    kpi = daily(sides)

    assert [(one.measure, one.shares) for one in kpi.listed] == [
        ("mean_miles", {Cause.DEFINITION: Decimal("0.000001")})
    ]
    bounds = {measure.name: error_of(measure) for measure in sides.migration.kpis["trips_daily"].measures}
    assert {name for name, bound in bounds.items() if bound} == {"mean_miles"}
    assert "a difference of 0.000001 or more always shows" in bounds["mean_miles"]


def test_a_sum_of_doubles_states_what_rounding_its_addends_may_cost() -> None:
    miles = migration(kpis={"k": Kpi("day(started)", {**MEASURES, "miles": {"sum": "miles"}})}).kpis["k"]

    assert "at most 0.0000005 an event" in error_of(miles.measure("miles"))


def test_the_reference_explains_every_cause() -> None:
    reference = (REPO / "docs" / "reference" / "reconciliation.md").read_text("utf-8")
    rows = [line.split("|") for line in reference.splitlines() if line.startswith("| `")]
    explained = {row[1].strip(" `"): [cell.strip() for cell in row[2:-1]] for row in rows}

    for cause in Cause:
        assert len(explained[cause]) == 3 and all(explained[cause])
