"""The suites that a contract implies, run by the real library."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from slipway.adapters.evidence_files import EvidenceFiles
from slipway.adapters.expectations import GreatExpectations, suites_of
from slipway.domain.evidence import Balance
from slipway.ports import Checked
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
    compared = sides.comparison().compare(
        sides.migration, sides.question(), EvidenceFiles(sides.folder / "store")
    )
    kpi = dataclasses.replace(compared.kpis["trips_daily"], broken=broken)
    compared = dataclasses.replace(compared, kpis={"trips_daily": kpi})
    checks = GreatExpectations(sides.folder / "docs")
    return checks.check(sides.migration, sides.files().silver_of_days, DAYS, balance, compared, label)


def failed(found: Checked) -> set[tuple[str, str]]:
    return {(check.suite, check.column) for check in found.checks if not check.success}


def test_suites_follow_from_contract_and_schema(sides: TwoSides) -> None:
    silver = suites_of(sides.migration)["silver"]

    required = {a["column"] for kind, a in silver if kind == "ExpectColumnValuesToNotBeNull"}
    assert required == {"arrived_at", "trip_id", "rider", "kind", "started", "version"}
    assert ("ExpectColumnValuesToBeInSet", {"column": "kind", "value_set": ["A", "B"]}) in silver


def test_good_data_passes_and_keeps_its_docs(sides: TwoSides) -> None:
    found = checked(sides)

    assert found.success, failed(found)
    assert Path(found.docs).is_file()
    assert checked(sides, label="again").checks == found.checks


def test_each_fault_fails_its_own_expectation(sides: TwoSides) -> None:
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


def test_with_versions_an_id_and_its_version_are_unique_together() -> None:
    silver = suites_of(migration(keep="latest"))["silver"]

    assert ("ExpectCompoundColumnsToBeUnique", {"column_list": ["trip_id", "version"]}) in silver
    assert "ExpectColumnValuesToBeUnique" not in {kind for kind, _ in silver}


def test_personal_values_reach_no_data_docs(sides: TwoSides) -> None:
    personal = SCHEMA.replace('"string", "doc": "Identity"', '"string", "doc": "Identity", "pii": true')
    sides.migration = migration(schema=personal)
    sides.accept(trip(0))  # an id twice, of which the Data Docs show samples

    found = checked(sides)

    assert ("silver", "trip_id") in failed(found)
    pages = [path.read_text("utf-8") for path in Path(found.docs).parent.rglob("*.html")]
    assert pages
    assert not any("t0" in page for page in pages)
