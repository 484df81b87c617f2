"""Which rows an amendment changes: those that a version leaves and enters, and whole rows once they close."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from slipway.app.amend import amend
from tests.fakes.amending import ANA, MONDAY, TUESDAY, WEDNESDAY, Amending, event, migration
from tests.fakes.lake import FakeLake

SUNDAY = MONDAY + timedelta(days=6)
MONTH_END = date(2024, 1, 31)


def run(amending: Amending, *days: date) -> str:
    return str(amend(amending.migration, list(days), "why", amending.world, ANA))


@pytest.fixture
def versions(tmp_path: Path) -> Amending:
    """Monday and Tuesday are closed; parcel a was accepted on Monday in its version 2."""
    made = Amending(FakeLake(tmp_path), migration(keep="latest"))
    made.accept(
        event("a", MONDAY, 1),
        event("a", MONDAY, 2, version=2, grams=200),
        event("b", TUESDAY, 3),
        event("c", WEDNESDAY, 4),
    )
    return made


def test_a_late_newer_version_leaves_the_day_of_the_older_one(versions: Amending) -> None:
    versions.lake.append(versions.late, [event("a", TUESDAY, 5, version=3, grams=300)])

    printed = run(versions, TUESDAY)

    assert "1 late rows of 2024-01-01, 2024-01-02 count now" in printed
    assert (MONDAY, "north") not in versions.kpi_rows()
    assert versions.kpi_rows()[TUESDAY, "north"] == (2, 400, 0, 200.0, 300)
    assert versions.kpi_rows()[WEDNESDAY, "north"] == (1, 100, 0, 100.0, 100)


def test_of_several_late_versions_the_newest_counts_and_a_still_newer_one_replaces_it(
    versions: Amending,
) -> None:
    versions.lake.append(
        versions.late,
        [event("a", MONDAY, 5, version=4, grams=400), event("a", MONDAY, 6, version=3, grams=300)],
    )
    run(versions)
    assert versions.kpi_rows()[MONDAY, "north"] == (1, 400, 0, 400.0, 400)

    versions.lake.append(versions.late, [event("a", TUESDAY, 7, version=5, grams=500)])
    run(versions, MONDAY)

    assert (MONDAY, "north") not in versions.kpi_rows()
    assert versions.kpi_rows()[TUESDAY, "north"] == (2, 600, 0, 300.0, 500)
    assert "nothing to amend" in run(versions)


def test_a_late_version_that_is_not_newer_changes_nothing(versions: Amending) -> None:
    versions.lake.append(
        versions.late, [event("a", MONDAY, 5, version=1), event("a", MONDAY, 6, version=2, grams=9)]
    )

    assert "nothing to amend" in run(versions)


def test_a_version_that_moves_to_an_open_day_waits_for_its_close(versions: Amending) -> None:
    versions.lake.append(versions.late, [event("a", WEDNESDAY, 5, version=3)])

    assert "nothing to amend" in run(versions)

    versions.ledger.closed_through = WEDNESDAY
    run(versions, MONDAY)
    assert (MONDAY, "north") not in versions.kpi_rows()
    assert versions.kpi_rows()[WEDNESDAY, "north"] == (2, 200, 0, 100.0, 100)


def test_a_week_that_is_still_open_is_amended_at_its_close(tmp_path: Path) -> None:
    weekly = Amending(FakeLake(tmp_path), migration(time="week"))
    weekly.accept(event("a", MONDAY, 1), event("b", TUESDAY, 2))
    weekly.lake.append(weekly.late, [event("x", MONDAY, 3, grams=500)])
    before = weekly.kpi_rows()

    run(weekly, MONDAY)

    assert weekly.kpi_rows() == before
    assert [one.event_id for one in weekly.warehouse.amended("parcels", 1)] == ["x"]
    assert "nothing to amend" in run(weekly)

    weekly.ledger.closed_through = SUNDAY
    printed = run(weekly)

    assert (
        "rows that closed on 2024-01-07 count the late rows that were amended while they were open" in printed
    )
    assert weekly.kpi_rows()[MONDAY, "north"] == (3, 700, 0, pytest.approx(700 / 3), 500)
    assert "nothing to amend" in run(weekly)


def test_a_closed_month_is_amended_with_its_days(tmp_path: Path) -> None:
    monthly = Amending(FakeLake(tmp_path), migration(time="month"))
    monthly.accept(event("a", MONDAY, 1), event("b", MONTH_END, 2))
    monthly.lake.append(monthly.late, [event("x", TUESDAY, 3, grams=500), event("y", WEDNESDAY, 4)])
    monthly.ledger.closed_through = MONTH_END

    run(monthly, TUESDAY)

    # Only what was asked for: the parcel of Wednesday still waits for a decision.
    assert monthly.kpi_rows()[MONDAY, "north"] == (3, 700, 0, pytest.approx(700 / 3), 500)
    [decision] = monthly.ledger.decisions.values()
    assert (decision.days, decision.rows) == ((TUESDAY, MONTH_END), 1)


def test_a_version_leaves_a_week_only_when_the_one_it_enters_is_closed_too(tmp_path: Path) -> None:
    weekly = Amending(FakeLake(tmp_path), migration(keep="latest", time="week"))
    next_monday = SUNDAY + timedelta(days=1)
    weekly.accept(event("a", SUNDAY, 1))
    weekly.lake.append(weekly.late, [event("a", next_monday, 2, version=2)])
    weekly.ledger.closed_through = next_monday

    assert "nothing to amend" in run(weekly)

    weekly.ledger.closed_through = next_monday + timedelta(days=6)
    run(weekly)
    assert set(weekly.kpi_rows()) == {(next_monday, "north")}
