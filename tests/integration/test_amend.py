"""Amendments on real parts: a bounded run of Flink over Iceberg, and the swap in Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from slipway.app.amend import amend
from slipway.faults import InjectedFault
from tests.fakes.amending import ANA, MONDAY, TUESDAY, WEDNESDAY, event, migration
from tests.integration.lake_world import RealParts
from tests.stack import Stack

pytestmark = pytest.mark.integration

WRITER = "flink_amendtest_r1_a1"
# Each of these costs a run of Flink; every step is crashed in the unit tests.
STEPS = ["amend.after_submit", "amend.in_swap"]
LAST_STEPS = ["amend.before_swap_commit", "amend.after_swap"]


@pytest.fixture
def parts(stack: Stack) -> Iterator[RealParts]:
    """Silver and late in several snapshots, and the totals as the running job has left them."""
    made = RealParts(stack, migration("amendtest"))
    made.append(made.silver, [event("a", MONDAY, 1, van="v1"), event("b", TUESDAY, 2)])
    made.append(made.silver, [event("c", WEDNESDAY, 3), event("d", MONDAY, 4, depot="east", grams=None)])
    made.append(made.late, [event("x", MONDAY, 5, grams=500, van="v1"), event("y", MONDAY, 6, depot="south")])
    made.append(made.late, [event("x", MONDAY, 7, grams=999), event("a", MONDAY, 8, grams=888)])
    for day, depot, row in (
        (MONDAY, "north", (1, 100, 1, 100.0, 100)),
        (MONDAY, "east", (1, 0, 0, None, None)),
        (TUESDAY, "north", (1, 100, 0, 100.0, 100)),
        (WEDNESDAY, "north", (1, 100, 0, 100.0, 100)),
    ):
        made.query("INSERT INTO {kpi} VALUES (%s, %s, %s, %s, %s, %s, %s)", day, depot, *row)
    yield made
    made.writers.close(WRITER)


AMENDED = [
    (MONDAY, "east", 1, 0, 0, None, None),
    (MONDAY, "north", 2, 600, 1, 300.0, 500),
    (MONDAY, "south", 1, 100, 0, 100.0, 100),
    (TUESDAY, "north", 1, 100, 0, 100.0, 100),
    (WEDNESDAY, "north", 1, 100, 0, 100.0, 100),
]


def kpi_rows(parts: RealParts) -> list[tuple[object, ...]]:
    wanted = "day, depot, parcels, grams, vans, mean_grams, heaviest"
    return parts.query(f"SELECT {wanted} FROM {{kpi}} ORDER BY day, depot")


def left_behind(parts: RealParts) -> list[tuple[object, ...]]:
    return parts.query(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'side' AND starts_with(tablename, 'amendtest')"
        " UNION ALL SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'side_amendtest')"
    )


def test_a_bounded_run_lets_late_rows_count_and_other_days_keep_their_rows(parts: RealParts) -> None:
    amend(parts.migration, [], "the depot was offline", parts.world, ANA)

    assert kpi_rows(parts) == AMENDED
    assert [event.event_id for event in parts.amendments.amended("amendtest", 1)] == ["x", "y"]
    [(days, actor, reason, rows, run)] = parts.query(
        "SELECT days, actor, reason, rows, dag_run FROM stream.amendment WHERE migration = 'amendtest'"
    )
    assert (days, actor, reason, rows, run) == ([MONDAY], "ana", "the depot was offline", 2, "run-1")
    assert parts.query("SELECT max(updated_through) FROM {kpi}") == [(datetime(2024, 1, 4, 17, tzinfo=UTC),)]
    assert left_behind(parts) == []


def test_a_job_that_writes_an_amended_day_again_is_passed_over(parts: RealParts) -> None:
    amend(parts.migration, [], "the depot was offline", parts.world, ANA)
    parts.writers.open(WRITER, ["stream.amendtest_daily__r1"])
    upsert = (
        "INSERT INTO {kpi} VALUES (%s, 'north', 9, 9, 9, 9, 9)"
        " ON CONFLICT (day, depot) DO UPDATE SET parcels = excluded.parcels"
    )

    for day in (MONDAY, WEDNESDAY, date(2024, 1, 4)):
        parts.query(upsert, day, user=WRITER)
    parts.query("DELETE FROM {kpi} WHERE depot = 'south'", user=WRITER)

    now = {row[:2]: row[2] for row in kpi_rows(parts)}
    assert now[MONDAY, "north"] == 2
    assert now[MONDAY, "south"] == 1
    assert (now[WEDNESDAY, "north"], now[date(2024, 1, 4), "north"]) == (9, 9)


def test_after_crashes_at_one_step_after_the_other_the_days_are_amended_once(
    parts: RealParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kpi_rows(parts)
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    for step in [*STEPS, *LAST_STEPS]:
        monkeypatch.setenv("SLIPWAY_FAIL_AT", step)
        with pytest.raises(InjectedFault):
            amend(parts.migration, [], "the depot was offline", parts.world, ANA)
        assert kpi_rows(parts) == (AMENDED if step in LAST_STEPS[1:] else before)

    monkeypatch.delenv("SLIPWAY_FAIL_AT")
    amend(parts.migration, [], "the depot was offline", parts.world, ANA)

    assert kpi_rows(parts) == AMENDED
    assert parts.query("SELECT count(*) FROM stream.amendment WHERE migration = 'amendtest'") == [(1,)]
    assert [one.state for one in parts.ledger.decisions.values()] == ["applied"]
    assert left_behind(parts) == []


def test_a_late_newer_version_leaves_the_day_of_the_older_one(stack: Stack) -> None:
    made = RealParts(stack, migration("amendtest", keep="latest"))
    made.append(
        made.silver, [event("a", MONDAY, 1), event("a", MONDAY, 2, version=2), event("b", TUESDAY, 3)]
    )
    made.append(made.late, [event("a", TUESDAY, 4, version=3, grams=300), event("b", TUESDAY, 5, grams=9)])
    for day in (MONDAY, TUESDAY):
        made.query("INSERT INTO {kpi} VALUES (%s, 'north', 1, 100, 0, 100, 100)", day)

    amend(made.migration, [TUESDAY], "a correction", made.world, ANA)

    assert kpi_rows(made) == [(TUESDAY, "north", 2, 400, 0, 200.0, 300)]
    assert left_behind(made) == []


def test_a_version_that_is_accepted_after_an_amendment_counts_besides_it(stack: Stack) -> None:
    made = RealParts(stack, migration("amendtest", keep="latest"))
    made.append(made.silver, [event("a", MONDAY, 1), event("a", MONDAY, 2, version=2, grams=200)])
    made.append(made.late, [event("a", MONDAY, 3, version=3, grams=300), event("x", MONDAY, 4, grams=500)])
    made.query("INSERT INTO {kpi} VALUES (%s, 'north', 1, 200, 0, 200, 200)", MONDAY)
    amend(made.migration, [], "the depot was offline", made.world, ANA)
    made.append(made.silver, [event("x", WEDNESDAY, 5, version=2, grams=700)])
    made.query("INSERT INTO {kpi} VALUES (%s, 'north', 1, 700, 0, 700, 700)", WEDNESDAY)
    made.append(made.late, [event("z", MONDAY, 6, grams=1)])

    amend(made.migration, [], "the rest of it", made.world, ANA)

    rows = {row[0]: (row[2], row[3]) for row in kpi_rows(made)}
    assert rows == {MONDAY: (3, 801), WEDNESDAY: (1, 700)}
    replaced = {one.event_id: one.replaces for one in made.amendments.amended("amendtest", 1)}
    assert replaced == {"a": True, "x": False, "z": False}


def test_a_month_that_is_still_open_is_amended_at_its_close(stack: Stack) -> None:
    made = RealParts(stack, migration("amendtest", time="month"))
    made.append(made.silver, [event("a", MONDAY, 1), event("b", date(2024, 1, 31), 2)])
    made.append(made.late, [event("x", TUESDAY, 3, grams=500)])
    made.query("INSERT INTO {kpi} VALUES (%s, 'north', 2, 200, 0, 100, 100)", MONDAY)
    before = kpi_rows(made)

    amend(made.migration, [], "the depot was offline", made.world, ANA)
    assert kpi_rows(made) == before

    made.ledger.closed_through = date(2024, 1, 31)
    amend(made.migration, [], "the month has closed", made.world, ANA)
    [(_, _, parcels, grams, *_)] = kpi_rows(made)
    assert (parcels, grams) == (3, 700)

    made.writers.open(WRITER, ["stream.amendtest_daily__r1"])
    made.query("UPDATE {kpi} SET parcels = 1", user=WRITER)
    assert kpi_rows(made)[0][2] == 3
    made.writers.close(WRITER)
