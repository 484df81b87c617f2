"""The suites of a contract, run by the real library."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from slipway.adapters.evidence_files import EvidenceFiles
from slipway.adapters.expectations import GreatExpectations
from slipway.domain.contract import Migration
from slipway.domain.contract_judging import Expectation
from slipway.domain.evidence import Balance
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


def checked(sides: TwoSides, balance: Balance = CLOSES, broken: int = 0, label: str = "night") -> Checked:
    store = EvidenceFiles(sides.folder / "store")
    compared = sides.comparison().compare(sides.migration, sides.question(), store)
    kpis = {name: dataclasses.replace(kpi, broken=broken) for name, kpi in compared.kpis.items()}
    return GreatExpectations(sides.folder / "docs").check(
        sides.migration,
        sides.files().silver_of_days,
        DAYS,
        balance,
        dataclasses.replace(compared, kpis=kpis),
        {name: store.path_of(kpi.rows) for name, kpi in kpis.items()},
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
    seen = {check.column: check.seen for check in found.checks if check.suite == "silver"}
    assert seen["trip_id"] == "6 rows, 2 unexpected"


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ("SELECT * REPLACE (-trips AS trips) FROM folded", "trips"),
        ("SELECT * REPLACE (trips + 1 AS short) FROM folded", "trips, short"),
        ("SELECT * REPLACE (trips + 1 AS riders) FROM folded", "trips, riders"),
        ("SELECT * FROM folded UNION ALL SELECT * FROM folded", "day, zone"),
        ("SELECT * REPLACE (CAST(NULL AS BIGINT) AS fares) FROM folded", "fares"),
    ],
)
def test_each_fault_of_the_served_rows_fails_its_own_expectation(
    sides: TwoSides, rows: str, column: str
) -> None:
    sides.stream_rows = rows

    assert ("serving", column) in failed(checked(sides))


@pytest.mark.parametrize(
    ("function", "rows"),
    [
        ("week(started)", "SELECT * REPLACE (CAST(day + INTERVAL 1 DAY AS DATE) AS day) FROM folded"),
        ("hour(started)", "SELECT * REPLACE (day + INTERVAL 17 MINUTE AS day) FROM folded"),
        ("minutes(15, started)", "SELECT * REPLACE (day + INTERVAL 17 SECOND AS day) FROM folded"),
    ],
)
def test_a_row_whose_time_begins_no_period_is_found(tmp_path: Path, function: str, rows: str) -> None:
    sides = TwoSides(tmp_path, migration(kpis={"trips": function}, begins=date(2026, 2, 23)))
    sides.accept(trip(0))
    sides.batch.append(trip(0))
    assert ("serving", "off_period") not in failed(checked(sides))

    sides.stream_rows = rows

    assert ("serving", "off_period") in failed(checked(sides, label="again"))


def test_the_contracts_own_expectations_hold_or_fail_or_warn_each_for_itself(sides: TwoSides) -> None:
    between = "expect_column_values_to_be_between"
    sides.migration = own(
        {"on": "silver", "expect": between, "with": {"column": "fare", "min_value": 0, "max_value": 100}},
        {"on": "silver", "expect": between, "with": {"column": "fare", "max_value": 99}, "otherwise": "warn"},
        {
            "on": "silver",
            "expect": "expect_column_values_to_match_regex",
            "with": {"column": "zone", "regex": "[A-Z]$"},
        },
        {
            "on": "silver",
            "expect": "expect_column_values_to_not_match_regex",
            "with": {"column": "zone", "regex": "^[a-z]"},
        },
        {
            "on": "silver",
            "expect": "expect_column_mean_to_be_between",
            "with": {"column": "miles", "min_value": 1, "max_value": 2},
        },
        {"on": "silver", "expect": "expect_table_row_count_to_be_between", "with": {"min_value": 3}},
        {"on": "serving", "expect": between, "with": {"column": "mean_miles", "min_value": 1.5}},
        {"on": "comparison", "expect": between, "with": {"column": "difference_trips", "max_value": 0}},
        {
            "on": "comparison",
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
    sides.migration = own({"on": "silver", "expect": "expect_column_values_to_be_between", "with": wanted})

    found = checked(sides)

    assert not found.success
    assert [(check.success, check.seen) for check in of_contract(found)] == [(False, "3 rows, 3 unexpected")]


@pytest.mark.parametrize(
    ("expect", "arguments", "words"),
    [
        ("expect_column_values_to_be_betwen", {"column": "fare"}, "did you mean expect_column_values_to_be"),
        ("expect_column_values_to_be_between", {"column": "fare", "minimum": 0}, "takes no argument minimum"),
        ("expect_column_values_to_be_between", {"min_value": 0}, "wrong arguments"),
        ("expect_column_values_to_match_regex", {"column": "zone", "regex": "("}, "could not run"),
    ],
)
def test_an_own_expectation_that_can_not_run_is_a_failed_check_beside_the_others(
    sides: TwoSides, expect: str, arguments: Mapping[str, Any], words: str
) -> None:
    sides.migration = own({"on": "silver", "expect": expect, "with": arguments})

    found = checked(sides)

    [check] = of_contract(found)
    assert (check.name, check.success) == (expect, False)
    assert words in check.seen
    assert all(other.success for other in found.checks if other is not check)


def test_personal_values_reach_no_data_docs(sides: TwoSides) -> None:
    personal = SCHEMA.replace('"string", "doc": "Identity"', '"string", "doc": "Identity", "pii": true')
    sides.migration = migration(schema=personal)
    sides.accept(trip(0))  # an id twice, of which the Data Docs show samples

    found = checked(sides)

    assert ("silver", "trip_id") in failed(found)
    pages = [path.read_text("utf-8") for path in Path(found.docs).parent.rglob("*.html")]
    assert pages
    assert not any('"t0"' in page or ">t0<" in page for page in pages)
