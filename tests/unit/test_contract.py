# ruff: noqa: E501  (messages are compared whole)
"""A contract is read strictly, and every complaint names file, line and key."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from slipway.adapters.contracts import ContractFileError, load_all, load_migration

MIGRATIONS = Path(__file__).parents[2] / "include" / "migrations"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(MIGRATIONS, tmp_path, dirs_exist_ok=True)
    return tmp_path


def complaint(folder: Path, old: str, new: str) -> str:
    path = folder / "flights.yaml"
    text = path.read_text()
    assert old in text, f"the contract no longer contains {old!r}"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ContractFileError) as caught:
        load_migration(path)
    return str(caught.value).replace(f"{folder}/", "")


def test_the_flights_contract_compiles() -> None:
    flights = load_migration(MIGRATIONS / "flights.yaml")
    kpi = flights.kpis["flights_daily"]
    assert [measure.name for measure in kpi.measures] == [
        "scheduled",
        "cancelled",
        "departed",
        "departed_on_time",
        "arrived",
        "arrived_on_time",
        "delay_minutes",
        "aircraft",
        "seats",
        "seats_unknown",
    ]
    assert kpi.time.name == "flight_date"
    assert "planes__seats" in kpi.uses
    assert load_all(MIGRATIONS).keys() == {"flights"}


BOUND = "{relative: 0.001}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("ahead_at_most", "ahead_at_mots", "flights.yaml:17:3: events.ahead_at_mots: unknown key; did you mean ahead_at_most?"),
        ("closed_days: 5", "closed_days: five", "flights.yaml:48:13: gates.observe.closed_days: a whole number is needed, such as 5, but here is 'five'"),
        ("dep_delay < 15", "dep_dely < 15", "there is no field dep_dely; did you mean dep_delay?"),
        ("dep_delay < 15", "dep_delay < 'x'", "\"dep_delay < 'x'\" compares int with string"),
        ("sum: planes.seats", "sum: tailnum", "kpis.flights_daily.measures.seats.sum: 'tailnum' is string, but sum needs a number"),
        ("accept_late: 24h", "accept_late: 1 day", "flights.yaml:23:3: parity.accept_late: '1 day' is not a duration; write a number and s, m, h or d, such as 24h"),
        ("America/New_York", "America/NewYork", "is not a time zone of the IANA database"),
        ("[ana]", "[ana", "flights.yaml:6:11: not YAML"),
        ("day(event_time)", "decade(event_time)", "there is no grain function decade; known are minute"),
        ("count_distinct: tailnum,", "count_distinct: tailnum, sum: distance,", "a measure has exactly one of count, count_distinct"),
        ("from: 2013-02-25", "from: 2013-02-31", "parity.from: 2013-02-31 can't be read: day is out of range for month"),
        ("consumer: [carla]", "consumer: []", "owners.consumer"),
        ("flight_status.avsc", "../flight_status.avsc", "there is no file ../flight_status.avsc next to the contract"),
        ("migration: flights", "migration: trains", "but the file flights.yaml; rename one of them"),
        ("canary: [{origin: [LGA]}]", "canary: [{dest: [LGA]}]", "dest is not a segment of flights_daily"),
        ("id: event_id", "id: tailnum", "the field tailnum may be null in the schema, and must not"),
        (BOUND, "{segments: [{where: {orign: [LGA]}}]}", "tolerance.segments.0.where.orign: orign is no column of the grain beside the time; did you mean origin?"),
        (BOUND, "{segments: [{where: {flight_date: [2013-02-25]}}]}", "flight_date is no column of the grain beside the time; cells are told by origin, carrier"),
        (BOUND, "{segments: [{where: {origin: [1.5]}}]}", "1.5 tells no cells; write a text, a whole number"),
        (BOUND, "{segments: [{where: {origin: []}}]}", "nothing is given, but at least 1 is needed"),
        (BOUND, "{segments: [{where: {origin: [null]}}]}", "origin is never null, so no cell is meant by null"),
        (BOUND, "{segments: [{relative: 0.1}]}", "the key where is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_its_place(folder: Path, old: str, new: str, expected: str) -> None:
    assert expected in complaint(folder, old, new)


@pytest.mark.parametrize("column", ["grain_key", "updated_through", "served_from"])
@pytest.mark.parametrize(
    ("part", "old", "new"),
    [("grain", "carrier: carrier}", "{}: carrier}}"), ("measures", "seats: {sum", "{}: {{sum")],
)
def test_a_column_that_slipway_adds_to_rows_is_no_name(
    folder: Path, part: str, old: str, new: str, column: str
) -> None:
    told = complaint(folder, old, new.format(column))
    assert (
        f"kpis.flights_daily.{part}.{column}: a KPI's rows have a column {column} of Slipway's own; give this one another name"
        in told
    )


def test_a_key_that_stands_twice_is_refused(folder: Path) -> None:
    old = "    segments: [origin, carrier]"
    assert "flights.yaml:34:5: kpis.flights_daily.segments stands here twice" in complaint(
        folder, old, f"{old}\n{old}"
    )


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    text = complaint(folder, "kpis:\n", "kpi:\n")
    assert "the key kpis is missing" in text
    assert "flights.yaml:30:1: kpi: unknown key; did you mean kpis?" in text


def test_a_day_ends_at_local_midnight_and_closes_after_the_accepted_lateness() -> None:
    flights = load_migration(MIGRATIONS / "flights.yaml")
    assert flights.period_end(date(2013, 2, 27)) == datetime(2013, 2, 28, 5, tzinfo=UTC)
    assert flights.closes_at(date(2013, 2, 27)) == datetime(2013, 3, 1, 5, tzinfo=UTC)
    # 10 March 2013 has 23 hours in New York.
    assert flights.period_end(date(2013, 3, 10)) - flights.period_end(date(2013, 3, 9)) == timedelta(hours=23)


def test_a_day_is_closed_from_the_very_instant_at_which_records_turn_late() -> None:
    flights = load_migration(MIGRATIONS / "flights.yaml")
    closes = flights.closes_at(date(2013, 2, 27))
    assert flights.closed_through(closes) == date(2013, 2, 27)
    assert flights.closed_through(closes - timedelta(milliseconds=1)) == date(2013, 2, 26)
    assert flights.closed_through(datetime(2013, 2, 26, tzinfo=UTC)) is None


def test_parity_is_bound_to_what_gives_numbers_their_meaning(folder: Path) -> None:
    path = folder / "flights.yaml"
    before = load_migration(path)
    path.write_text(path.read_text().replace("soak: 10s", "soak: 20s"))
    other_soak = load_migration(path)
    assert other_soak.parity_digest == before.parity_digest
    assert other_soak.contract_digest != before.contract_digest
    schema = folder / "flight_status.avsc"
    schema.write_text(schema.read_text().replace("Flight number", "Number of the flight"))
    path.write_text(path.read_text().replace("peak_per_second: 2000", "peak_per_second: 3000"))
    assert load_migration(path).parity_digest == before.parity_digest
    path.write_text(path.read_text().replace("dep_delay < 15", "dep_delay < 16"))
    assert load_migration(path).parity_digest != before.parity_digest
