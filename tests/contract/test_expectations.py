"""The suites of a contract, run by the real library."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from slipway.adapters.comparison.templates import grain_of, measures_of
from slipway.adapters.evidence_files import EvidenceFiles
from slipway.adapters.expectations import GreatExpectations
from slipway.domain.accounting import Compared, ComparedKpi
from slipway.domain.contract import Migration
from slipway.domain.contract_judging import Expectation
from slipway.domain.evidence import Balance, Digest
from slipway.ports import Check, Checked
from tests.fakes.two_sides import FIRST, SCHEMA, Trip, TwoSides, migration

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)
DAYS = (FIRST, FIRST + timedelta(days=2))
CLOSES = Balance(3, 3, 3, 0, 0, 0)


def trip(n: int) -> Trip:
    return Trip(f"t{n}", f"r{n}", "A", NOON + timedelta(minutes=n), "N", 100, 1.5, 2**n)


@pytest.fixture
def sides(tmp_path: Path) -> TwoSides:
    found = TwoSides(tmp_path)
    for n in range(3):
        found.batch.append(trip(n))
        found.accept(trip(n))
    return found


def compared(sides: TwoSides) -> tuple[Compared, dict[str, Path]]:
    """Return a comparison that found nothing, and the files of compared rows as one keeps them."""
    kept = {}
    with duckdb.connect() as connection, sides.attached(connection):
        connection.execute("SET TimeZone = 'UTC'")
        for name, kpi in sides.migration.kpis.items():
            kept[name] = sides.folder / f"{name}.rows.parquet"
            keys = ", ".join(f"CAST({g.column} AS {g.type}) AS {g.name}" for g in grain_of(kpi))
            values = ", ".join(f"CAST({m.scaled} AS DECIMAL(38, 0)) AS {m.name}" for m in measures_of(kpi))
            sources = {"b": f"warehouse.batch.{name}", "s": f"warehouse.stream.{name}__r1"}
            rows = " UNION ALL ".join(
                f"SELECT '{side}' AS side, {keys}, {values} FROM {table}" for side, table in sources.items()
            )
            connection.execute(f"COPY ({rows}) TO '{kept[name]}' (FORMAT parquet)")
    nothing = ComparedKpi((), (), (), (), (), (), 0, 0, 0, 0, 0, Digest(""), Digest(""))
    return Compared({name: nothing for name in kept}, (), ()), kept


def checked(sides: TwoSides, balance: Balance = CLOSES, broken: int = 0, label: str = "night") -> Checked:
    found, kept = compared(sides)
    kpis = {name: dataclasses.replace(kpi, broken=broken) for name, kpi in found.kpis.items()}
    return GreatExpectations(sides.folder / "docs").check(
        sides.migration,
        sides.files().silver_of_days,
        DAYS,
        balance,
        dataclasses.replace(found, kpis=kpis),
        kept,
        label,
    )


def own(*wanted: Mapping[str, Any], base: Migration | None = None) -> Migration:
    """Return the migration with expectations of its own."""
    found = base or migration()
    expectations = tuple(Expectation.model_validate(one) for one in wanted)
    return dataclasses.replace(
        found, contract=found.contract.model_copy(update={"expectations": expectations})
    )


def failed(found: Checked) -> set[tuple[str, str]]:
    return {(check.suite, check.column) for check in found.checks if not check.success}


def of_contract(found: Checked) -> list[Check]:
    return [check for check in found.checks if check.source == "contract"]


def test_good_data_passes_and_keeps_its_docs(sides: TwoSides) -> None:
    found = checked(sides)

    assert found.success, failed(found)
    assert {check.suite for check in found.checks} == {"silver", "records", "comparison", "serving"}
    assert Path(found.docs).is_file()
    assert checked(sides, label="again").checks == found.checks


def test_the_rows_that_a_comparison_keeps_are_looked_at(sides: TwoSides) -> None:
    store = EvidenceFiles(sides.folder / "store")
    sides.stream_rows = "SELECT * REPLACE (-trips AS trips) FROM folded"
    found = sides.comparison().compare(sides.migration, sides.question(), store)
    kept = {name: store.path_of(kpi.rows) for name, kpi in found.kpis.items()}

    checks = GreatExpectations(sides.folder / "docs").check(
        sides.migration, sides.files().silver_of_days, DAYS, CLOSES, found, kept, "night"
    )

    assert failed(checks) >= {("serving", "trips"), ("serving", "trips, riders")}
    assert ("silver", "trip_id") not in failed(checks)


def test_each_fault_of_the_events_fails_its_own_expectation(sides: TwoSides) -> None:
    sides.accept(trip(0))  # an id twice
    sides.accept(trip(7).but(kind="Z"))
    sides.accept(trip(8), at=sides.migration.closes_at(date(2026, 3, 1)))  # late, yet in silver

    found = checked(sides, Balance(9, 8, 6, 0, 0, 0), broken=1)

    assert not found.success
    assert failed(found) == {
        ("silver", "trip_id"),
        ("silver", "kind"),
        ("silver", "seconds_before_closing"),
        ("records", "not_in_bronze"),
        ("records", "not_accounted"),
        ("comparison", "broken_walks"),
    }
    [ids] = [check.seen for check in found.checks if (check.column, check.success) == ("trip_id", False)]
    assert ids == "6 rows, 2 unexpected"


def test_each_fault_of_the_served_rows_fails_its_own_expectation(tmp_path: Path) -> None:
    faults = {
        "negative": "SELECT * REPLACE (-trips AS trips) FROM folded",
        "part_above_whole": "SELECT * REPLACE (trips + 1 AS short) FROM folded",
        "distinct_above_all": "SELECT * REPLACE (trips + 1 AS riders) FROM folded",
        "doubled": "SELECT * FROM folded UNION ALL SELECT * FROM folded",
        "nothing": "SELECT * REPLACE (CAST(NULL AS BIGINT) AS fares) FROM folded",
        "tuesday": "SELECT * REPLACE (CAST(day + INTERVAL 1 DAY AS DATE) AS day) FROM folded",
        "past_the_hour": "SELECT * REPLACE (day + INTERVAL 17 MINUTE AS day) FROM folded",
        "past_the_minute": "SELECT * REPLACE (day + INTERVAL 17 SECOND AS day) FROM folded",
    }
    times = {"tuesday": "week", "past_the_hour": "hour", "past_the_minute": "minute"}
    kpis = {name: f"{times.get(name, 'day')}(started)" for name in faults}
    sides = TwoSides(tmp_path, migration(kpis=kpis, begins=date(2026, 2, 23)))
    sides.accept(trip(0))
    sides.batch.append(trip(0))
    assert checked(sides).success

    sides.rows_of = {("stream", name): rows for name, rows in faults.items()}
    found = checked(sides, label="again")

    seen = {(check.kpi, check.column) for check in found.checks if not check.success}
    assert seen == {
        ("negative", "trips"),
        ("negative", "trips, riders"),
        ("negative", "trips, short"),
        ("part_above_whole", "trips, short"),
        ("distinct_above_all", "trips, riders"),
        ("doubled", "day, zone"),
        ("nothing", "fares"),
        ("tuesday", "off_period"),
        ("past_the_hour", "off_period"),
        ("past_the_minute", "off_period"),
    }


def test_the_contracts_own_expectations_hold_or_fail_or_warn_each_for_itself(sides: TwoSides) -> None:
    between = "expect_column_values_to_be_between"
    sides.migration = own(
        {"of": "silver", "expect": between, "with": {"column": "fare", "min_value": 0, "max_value": 100}},
        {"of": "silver", "expect": between, "with": {"column": "fare", "max_value": 99}, "otherwise": "warn"},
        {
            "of": "silver",
            "expect": "expect_column_values_to_match_regex",
            "with": {"column": "zone", "regex": "[A-Z]$"},
        },
        {
            "of": "silver",
            "expect": "expect_column_values_to_not_match_regex",
            "with": {"column": "zone", "regex": "^[a-z]"},
        },
        {
            "of": "silver",
            "expect": "expect_column_mean_to_be_between",
            "with": {"column": "miles", "min_value": 1, "max_value": 2},
        },
        {"of": "silver", "expect": "expect_table_row_count_to_be_between", "with": {"min_value": 3}},
        {"of": "serving", "expect": between, "with": {"column": "mean_miles", "min_value": 1.5}},
        {"of": "comparison", "expect": between, "with": {"column": "difference_trips", "max_value": 0}},
        {
            "of": "comparison",
            "expect": "expect_column_pair_values_to_be_equal",
            "with": {"column_A": "batch_fares", "column_B": "stream_fares"},
        },
    )

    found = checked(sides)

    assert [(check.column, check.success, check.otherwise) for check in of_contract(found)] == [
        ("batch_fares, stream_fares", True, "fail"),
        ("difference_trips", True, "fail"),
        ("mean_miles", True, "fail"),
        ("miles", True, "fail"),
        ("fare", True, "fail"),
        ("fare", False, "warn"),
        ("zone", True, "fail"),
        ("zone", True, "fail"),
        ("", True, "fail"),
    ]
    assert found.success, "what only warns fails no night"
    assert {check.kpi for check in of_contract(found)} == {"", "trips_daily"}


def test_an_own_expectation_that_does_not_hold_fails(sides: TwoSides) -> None:
    wanted = {"column": "fare", "min_value": 101}
    sides.migration = own({"of": "silver", "expect": "expect_column_values_to_be_between", "with": wanted})

    found = checked(sides)

    assert not found.success
    assert [(check.success, check.seen) for check in of_contract(found)] == [(False, "3 rows, 3 unexpected")]


def test_own_expectations_that_can_not_run_are_failed_checks_beside_the_others(sides: TwoSides) -> None:
    cases = [
        ("expect_column_values_to_be_betwen", {"column": "fare"}, "did you mean expect_column_values_to_be"),
        ("expect_column_values_to_be_between", {"column": "fare", "minimum": 0}, "takes no argument minimum"),
        ("expect_column_values_to_be_between", {"min_value": 0}, "wrong arguments"),
        ("expect_column_values_to_match_regex", {"column": "zone", "regex": "("}, "could not run"),
    ]
    sides.migration = own(*({"of": "silver", "expect": e, "with": arguments} for e, arguments, _ in cases))

    found = checked(sides)

    assert not any(check.success for check in of_contract(found))
    for expect, _, words in cases:
        assert any(check.name == expect and words in check.seen for check in of_contract(found))
    assert all(other.success for other in found.checks if other.source == "derived")


class _Loads(HTMLParser):
    """Collects what a page would load, and where it leads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "href", "srcset", "data", "action", "style") or name.startswith("on"):
                self.loaded.append(f"{tag} {name}={value}")
        if tag in ("script", "iframe", "object", "embed", "link"):
            self.loaded.append(tag)


def test_data_docs_load_nothing_from_anywhere_and_no_link_is_dead(sides: TwoSides) -> None:
    sides.accept(trip(7).but(kind="Z"))
    broken = {"of": "silver", "expect": "expect_column_values_to_match_regex"}
    sides.migration = own({**broken, "with": {"column": "zone", "regex": "("}})

    folder = Path(checked(sides).docs).parent

    pages = sorted(folder.rglob("*.html"))
    assert {path.parts[len(folder.parts)] for path in pages} == {"index.html", "expectations", "validations"}
    for path in pages:
        page = path.read_text("utf-8")
        found = _Loads(page)
        assert found.loaded == []
        assert "url(" not in page and "@import" not in page
        for link in found.links:
            assert link.startswith("#") or (path.parent / link).is_file(), (path, link)
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".html"}


def test_data_docs_show_what_fails_first_with_its_samples(sides: TwoSides) -> None:
    sides.accept(trip(7).but(kind="Z"))

    index = Path(checked(sides).docs)

    assert "1 of " in index.read_text("utf-8") and "expectations fail" in index.read_text("utf-8")
    [silver] = index.parent.rglob("events-silver.html")
    text = silver.read_text("utf-8")
    assert "\u2717 fails" in text and "values must belong to this set" in text and ">Z<" in text
    assert "<details" in text


def test_a_night_that_runs_again_for_its_instant_has_the_pages_of_the_second_run(sides: TwoSides) -> None:
    sides.accept(trip(7).but(kind="Z"))
    checked(sides)
    sides.silver.pop()

    index = Path(checked(sides).docs)

    assert "all " in index.read_text("utf-8")
    assert len(list(index.parent.rglob("events-silver.html"))) == 1


def test_personal_values_reach_no_data_docs(sides: TwoSides) -> None:
    personal = SCHEMA.replace('"string", "doc": "Identity"', '"string", "doc": "Identity", "pii": true')
    sides.migration = migration(schema=personal)
    sides.accept(trip(0))  # an id twice, of which the Data Docs show samples

    found = checked(sides)

    assert ("silver", "trip_id") in failed(found)
    pages = [path.read_text("utf-8") for path in Path(found.docs).parent.rglob("*.html")]
    assert pages
    assert not any('"t0"' in page or ">t0<" in page for page in pages)
