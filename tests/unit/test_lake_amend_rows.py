"""Which rows an amendment changes: those that a version leaves and enters, and whole rows once they close."""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize("version", [1, 5])
def test_an_amended_version_stays_when_another_is_accepted_afterwards(
    versions: Amending, version: int
) -> None:
    versions.lake.append(versions.late, [event("x", MONDAY, 5, version=version, grams=500)])
    run(versions)
    versions.accept(event("x", WEDNESDAY, 6, version=2, grams=700))
    versions.lake.append(versions.late, [event("z", MONDAY, 7, grams=7)])

    run(versions, MONDAY)

    assert versions.kpi_rows()[MONDAY, "north"] == (3, 707, 0, pytest.approx(707 / 3), 500)
    assert versions.kpi_rows()[WEDNESDAY, "north"] == (2, 800, 0, 400.0, 700)
    assert versions.recomputed() == versions.kpi_rows()


def test_a_later_amendment_replaces_the_amended_and_the_accepted_version(versions: Amending) -> None:
    versions.lake.append(versions.late, [event("x", MONDAY, 5, grams=500)])
    run(versions)
    versions.accept(event("x", WEDNESDAY, 6, version=2, grams=700))
    versions.lake.append(versions.late, [event("x", TUESDAY, 7, version=3, grams=9)])
    assert "nothing to amend" in run(versions)

    versions.ledger.closed_through = WEDNESDAY
    run(versions, TUESDAY)

    grams = {day: row[1] for (day, _), row in versions.kpi_rows().items()}
    assert grams == {MONDAY: 200, TUESDAY: 109, WEDNESDAY: 100}
    assert versions.recomputed() == versions.kpi_rows()


came = st.tuples(st.sampled_from("xxy"), st.integers(1, 5), st.integers(0, 2))
moments = st.lists(st.one_of(came, st.sampled_from(["closed", "amended"])), min_size=8, max_size=14)


@given(moments)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_rows_are_what_was_accepted_and_amended_step_by_step_whatever_came_when(
    drawn: list[str | tuple[str, int, int]],
) -> None:
    accepted: dict[str, tuple[int, date]] = {}
    amended: dict[str, tuple[int, date]] = {}
    late: dict[str, tuple[int, date]] = {}
    earliest: dict[str, date] = {}
    seen: set[tuple[str, int]] = set()
    closed = MONDAY
    with tempfile.TemporaryDirectory() as folder:
        world = Amending(FakeLake(Path(folder)), migration(keep="latest"))
        for offset, moment in enumerate([*drawn, "amended"]):
            if moment == "closed":
                closed += timedelta(days=1)
            elif moment == "amended":
                world.ledger.closed_through = closed
                run(world)
                for identity, newest in late.items():
                    older = [side[identity] for side in (accepted, amended) if identity in side]
                    days = {day for _, day in [newest, *older]}
                    if all(newest > one for one in older) and max(days) <= closed:
                        amended[identity] = newest
                        accepted.pop(identity, None)
            elif isinstance(moment, tuple) and moment[:2] not in seen:
                identity, version, n = moment
                seen.add((identity, version))
                day = MONDAY + timedelta(days=n)
                one = event(identity, day, offset, version=version, grams=10**version)
                # As the job judges it: by the earliest day among its own and those accepted before.
                judged = min(day, earliest.get(identity, day))
                if judged > closed:
                    earliest[identity] = judged
                    accepted[identity] = max(accepted.get(identity, (0, day)), (version, day))
                    world.accept(one)
                else:
                    late[identity] = max(late.get(identity, (0, day)), (version, day))
                    world.lake.append(world.late, [one])

        grams = dict.fromkeys((day for _, day in [*accepted.values(), *amended.values()]), 0)
        for version, day in [*accepted.values(), *amended.values()]:
            grams[day] += 10**version
        assert {key[0]: row[1] for key, row in world.kpi_rows().items()} == grams
        assert {key[0]: row[1] for key, row in world.recomputed().items()} == grams


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
