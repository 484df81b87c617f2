"""The page of a night: safe to open, whole without a network, and its figures sum."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from slipway.adapters.report.arrivals import Bar, histogram
from slipway.adapters.report.heat_map import square_of
from slipway.adapters.report.waterfall import Fall, Step, absent, axis_note, steps
from slipway.app.reconcile import reconcile, summary
from slipway.domain.evidence import Cause, canonical
from slipway.domain.narrative import headline
from tests.fakes.night import ANA, NightWorld
from tests.fakes.two_sides import FIRST, SCHEMA, Trip, TwoSides, migration

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)
NASTY = '<script>alert("x")</script>&'


class Tags(HTMLParser):
    """Collects what a page would run or fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def trip(n: int, day: int = 0, zone: str | None = "N", trip_id: str = "") -> Trip:
    started = NOON + timedelta(days=day, minutes=n)
    return Trip(trip_id or f"t{n}", f"r{n}", "A", started, zone, 100, 1.5, 2**n)


@pytest.fixture
def night(tmp_path: Path) -> NightWorld:
    sides = TwoSides(tmp_path)
    for n in range(6):
        sides.batch.append(trip(n, n % 3))
        sides.accept(trip(n, n % 3))
    return NightWorld(sides, as_of=sides.migration.closes_at(FIRST + timedelta(days=2)))


def written(night: NightWorld) -> str:
    world = night.world()
    return Path(reconcile(night.sides.migration, night.as_of, world, ANA, wait=night.wait).report).read_text(
        "utf-8"
    )


def test_values_from_events_and_people_are_escaped(night: NightWorld) -> None:
    night.sides.batch.append(trip(9, zone=NASTY, trip_id=NASTY))

    page = written(night)

    assert NASTY not in page
    assert "&lt;script&gt;" in page
    tags = Tags()
    tags.feed(page)
    assert "script" not in {tag for tag, _ in tags.seen}


def test_the_page_fetches_nothing(night: NightWorld) -> None:
    tags = Tags()
    tags.feed(written(night))

    links = [
        value for _, attrs in tags.seen for name, value in attrs.items() if name in ("src", "href", "action")
    ]
    assert links
    assert all(link and link.startswith(("#", "data:")) for link in links)
    assert not re.search(r"@import|url\(", written(night))


def test_a_failing_day_leads_from_the_map_to_its_causes_and_ids(night: NightWorld) -> None:
    night.sides.batch.append(trip(9, day=1))

    page = written(night)

    assert '<a href="#day-2026-03-02">' in page
    assert 'id="day-2026-03-02"' in page
    assert "1 event has not arrived in the stream" in page
    assert "<code>t9</code>" in page


def test_every_heading_that_is_named_exists(night: NightWorld) -> None:
    tags = Tags()
    tags.feed(written(night))

    ids = {attrs["id"] for _, attrs in tags.seen if "id" in attrs}
    named = {attrs["aria-labelledby"] for _, attrs in tags.seen if "aria-labelledby" in attrs}
    assert named and named <= ids


def test_a_night_without_a_closed_day_has_a_page_too(night: NightWorld) -> None:
    night.as_of = NOON

    page = written(night)

    assert "Nothing can be said" in page
    assert "No closed day could be compared" in page


def test_the_headline_of_a_passing_night_names_the_window(night: NightWorld) -> None:
    found = reconcile(night.sides.migration, night.as_of, night.world(), ANA, wait=night.wait)
    document = night.world().evidence.get(found.digest)

    told = headline(document)

    assert (told.title, told.badge) == ("Ready to sign", "PASS · 3 closed days agree")
    assert "1 Mar to 3 Mar" in told.sentence
    assert "6 in bronze = 6 silver + 0 late + 0 rejected + 0 duplicates; closes" in summary(document)


def test_a_headline_does_not_call_tolerated_differences_equal(night: NightWorld) -> None:
    night.sides.stream_rows = "SELECT * REPLACE (fares + 1 AS fares) FROM folded"
    found = reconcile(night.sides.migration, night.as_of, night.world(), ANA, wait=night.wait)

    told = headline(night.world().evidence.get(found.digest))

    assert told.badge.startswith("PASS")
    assert "3 values within the tolerance" in told.sentence


def fall(batch: int, stream: int, shares: dict[Cause, int]) -> Fall:
    return Fall(Decimal(batch), Decimal(stream), {cause: Decimal(share) for cause, share in shares.items()})


def test_the_waterfall_steps_from_batch_to_stream() -> None:
    rows = steps(fall(131, 113, {Cause.LATE: 20, Cause.NOT_IN_BATCH: -2}))

    assert [(row.name, row.change, row.then) for row in rows] == [
        ("batch", "", "131"),
        ("late", "\u221220", "111"),
        ("not in batch", "+2", "113"),
        ("stream", "", "113"),
    ]


def test_what_no_cause_explains_stands_as_a_row_of_its_own() -> None:
    one = fall(131, 113, {Cause.LATE: 15})

    assert one.remainder == 3
    assert [(row.name, row.change) for row in steps(one)][2] == ("remainder", "\u22123")
    assert "late" not in absent(one) and "engine" in absent(one)


def test_a_cause_that_takes_nothing_from_a_sum_keeps_its_row() -> None:
    nothing_against_zero = fall(0, 0, {Cause.VALUE: 0})

    assert [(row.name, row.change) for row in steps(nothing_against_zero)][1] == ("value", "0")
    assert "value" not in absent(nothing_against_zero)


def bar(row: Step) -> tuple[float, float]:
    found = re.search(r'<rect class="[a-z]+" x="([\d.]+)" y="7" width="([\d.]+)"', row.bar)
    assert found
    return float(found[1]), float(found[1]) + float(found[2])


@pytest.mark.parametrize(
    ("batch", "stream", "shares"),
    [
        (131, 113, {Cause.LATE: 20, Cause.NOT_IN_BATCH: -2}),
        (-40, 25, {Cause.VALUE: -65}),
        (-40, -90, {Cause.VALUE: 30, Cause.LATE: 20}),
        (10**15, 10**15 - 7, {Cause.LATE: 9, Cause.NOT_IN_BATCH: -2}),
        (0, 0, {Cause.LATE: 3, Cause.NOT_IN_BATCH: -3}),
    ],
)
def test_each_bar_begins_where_the_one_before_ends(batch: int, stream: int, shares: dict[Cause, int]) -> None:
    rows = steps(fall(batch, stream, shares))

    causes = rows[1:-1]
    assert all(0 <= edge <= 1003 for row in causes for edge in bar(row))
    for row, following in pairwise(causes):
        end = bar(row)[0] if row.kind == "fall" else bar(row)[1]
        assert min(abs(end - edge) for edge in bar(following)) < 0.2


def test_small_changes_of_large_values_can_be_seen() -> None:
    one = fall(100_000, 99_982, {Cause.LATE: 18})

    assert "Bars begin at 99\u202f9" in axis_note(one)
    begin, end = bar(steps(one)[1])
    assert end - begin > 200


def test_the_histogram_marks_what_lies_beyond_the_accepted_lateness() -> None:
    drawn = str(histogram([Bar("same day", 9_000, False), Bar("> 24 h", 3, True)], "accepted: 24 h"))

    assert drawn.count('class="hl"') == 1
    assert "accepted: 24 h" in drawn


def test_squares_tell_equal_tolerated_differing_and_open_apart() -> None:
    def square(**changes: object) -> tuple[str, str]:
        seen = {"tolerated": 0, "beyond": 0, "engine": 0, "batch": 200, "stream": 200} | changes
        return square_of({"open": False, "measures": {"m": seen}}, {"name": "m"})

    assert square() == ("pass", "")
    assert square(tolerated=1, stream=201) == ("warn", "0.5 %")
    assert square(beyond=1, stream=182) == ("fail", "\u221218")
    assert square(beyond=2) == ("fail", "±2")
    assert square(beyond=2, waived=2, stream=182) == ("waived", "\u221218")
    assert square(beyond=2, waived=1, stream=182) == ("fail", "\u221218")
    assert square(tolerated=3, close=1, stream=198) == ("near", "1 %")
    assert square_of({"open": True, "measures": {"m": {}}}, {"name": "m"}) == ("open", "")
    assert square_of({"open": False, "measures": {}}, {"name": "m"}) == ("none", "")


PERSONAL = SCHEMA.replace('"string", "doc": "Identity"', '"string", "doc": "Identity", "pii": true').replace(
    '["null", "string"], "doc": "Where', '["null", "string"], "pii": true, "doc": "Where'
)


def hourly(folder: Path, schema: str = SCHEMA) -> NightWorld:
    """Three days of trips by the hour; the stream lacks one, and has another at a later minute."""
    sides = TwoSides(folder, migration(schema=schema, kpis={"trips_hourly": "hour(started)"}))
    for n in range(6):
        sides.batch.append(trip(n, n % 3, zone="Elm Street", trip_id=f"person-{n}"))
        sides.accept(sides.batch[-1])
    sides.batch.append(trip(9, day=1, zone="Elm Street", trip_id="person-9"))
    moved = sides.batch[0]
    sides.silver[0] = (moved.but(started=moved.started + timedelta(seconds=75)), sides.silver[0][1])
    return NightWorld(sides, as_of=sides.migration.closes_at(FIRST + timedelta(days=2)))


def test_an_hour_is_shown_in_local_time_and_an_instant_as_a_person_reads_it(tmp_path: Path) -> None:
    page = written(hourly(tmp_path))

    assert "12:00 (UTC-05:00) · Elm Street" in page
    assert "2026-03-01 12:00:00" in page
    assert "+0:01:15" in page
    assert "points in time have no sum" in page
    assert "1772" not in re.sub(r"[0-9a-f]{12,}", "", page)  # no microseconds since 1970


def test_the_three_kinds_of_time_are_named_with_what_each_decides(tmp_path: Path) -> None:
    page = written(hourly(tmp_path))

    for told in (
        "event time",
        "the field started of the event",
        "arrival time",
        "set by the broker as it is written",
        "accepted until 24 h after the end of the business day",
        "processing time",
    ):
        assert told in page


def test_no_personal_value_is_in_evidence_report_or_summary(tmp_path: Path) -> None:
    night = hourly(tmp_path, PERSONAL)
    world = night.world()

    found = reconcile(night.sides.migration, night.as_of, world, ANA, wait=night.wait)

    document = world.evidence.get(found.digest)
    everything = [Path(found.report).read_text("utf-8"), canonical(document).decode(), summary(document)]
    assert document["kpis"]["trips_hourly"]["examples"]
    for text in everything:
        assert "person-" not in text
        assert "Elm Street" not in text
    assert "masked" in everything[0]
