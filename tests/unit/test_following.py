"""Events of some ids are found wherever they lie; only those that stand alike on both sides are let be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from slipway.adapters.comparison.following import follow
from slipway.adapters.evidence_files import EvidenceFiles
from slipway.domain.accounting import ComparedKpi
from slipway.domain.evidence import Cause
from tests.fakes.two_sides import Trip, TwoSides

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)
Rows = Sequence[tuple[str | None, int, str]]


@pytest.fixture
def session() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def found(
    session: duckdb.DuckDBPyConnection, picked: Sequence[str | None], of_cells: Rows, days: Rows, other: Rows
) -> list[tuple[str | None, int, str]]:
    """Follow ids through three places: the differing cells, all compared days, all other days."""
    for name, rows in (("stream_events_of_cells", of_cells), ("days", days), ("other", other)):
        session.execute(f"CREATE TABLE {name} (id VARCHAR, day INTEGER, what VARCHAR)")
        if rows:
            session.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", [list(row) for row in rows])
    session.execute("CREATE TABLE picked (id VARCHAR)")
    session.executemany("INSERT INTO picked VALUES (?)", [[one] for one in picked])
    follow(session, "stream", identity="id", events="days", placed_by="day", elsewhere="other")
    return session.execute("SELECT * FROM stream_events_of_all_days ORDER BY ALL").fetchall()


CELL = ("a", 1, "in a cell")


def test_an_event_of_a_cell_is_found_once(session: duckdb.DuckDBPyConnection) -> None:
    assert found(session, ["a"], [CELL], [CELL], [("a", 9, "elsewhere")]) == [CELL]


def test_further_events_of_an_id_are_found_on_whichever_days_they_lie(
    session: duckdb.DuckDBPyConnection,
) -> None:
    days = [CELL, ("a", 3, "copy"), ("a", 5, "last"), ("b", 3, "not asked for")]

    assert found(session, ["a"], [CELL], days, []) == [CELL, days[1], days[2]]


def test_an_id_whose_cell_does_not_differ_is_found_in_the_days(session: duckdb.DuckDBPyConnection) -> None:
    days = [("a", 1, "one"), ("b", 4, "other day"), ("c", 2, "not asked for")]

    assert found(session, ["a", "b"], [], days, []) == days[:2]


def test_only_an_id_without_any_event_in_the_days_is_looked_for_elsewhere(
    session: duckdb.DuckDBPyConnection,
) -> None:
    other = [("a", 9, "elsewhere"), ("b", 8, "elsewhere"), ("b", 9, "again")]

    assert found(session, ["a", "b"], [CELL], [CELL], other) == [CELL, *other[1:]]


def test_events_without_an_id_are_those_of_the_cells(session: duckdb.DuckDBPyConnection) -> None:
    nameless = (None, 1, "in a cell")

    assert found(session, [None], [nameless], [nameless, (None, 2, "x")], [(None, 3, "y")]) == [nameless]


# --- events that stand alike on both sides


def trip(n: int) -> Trip:
    return Trip(f"t{n}", f"r{n}", "A", NOON + timedelta(minutes=n), "N", 100, 1.5, 1)


@pytest.fixture
def sides(tmp_path: Path) -> TwoSides:
    """One cell of three trips that agree, and one that the batch alone has, so that the cell is walked."""
    made = TwoSides(tmp_path, batch=[trip(n) for n in range(4)])
    for n in range(3):
        made.accept(trip(n))
    return made


def walked(sides: TwoSides) -> tuple[ComparedKpi, list[tuple[int, str]]]:
    """Return what was found, and (row, id) of the kept events; row 0 is one that nobody followed."""
    store = EvidenceFiles(sides.folder / "store")
    kpi = sides.comparison().compare(sides.migration, sides.question(), store).kpis["trips_daily"]
    rows = duckdb.read_parquet(str(store.path_of(kpi.events))).select("row", "id").fetchall()
    return kpi, rows


def trips(kpi: ComparedKpi) -> dict[Cause, int]:
    return {
        c.cause: int(c.net or 0) for c in kpi.causes if c.measure == "trips" and c.day == date(2026, 3, 1)
    }


def test_events_alike_on_both_sides_walk_along_unfollowed(sides: TwoSides) -> None:
    kpi, rows = walked(sides)

    assert rows == [(0, "t0"), (0, "t1"), (0, "t2"), (1, "t3")]
    assert (trips(kpi), kpi.walked, kpi.broken) == ({Cause.NOT_ARRIVED: 1}, 4, 0)


def test_an_event_with_another_value_is_followed(sides: TwoSides) -> None:
    sides.batch[0] = trip(0).but(fare=900)

    kpi, rows = walked(sides)

    assert [name for row, name in rows if row == 0] == ["t1", "t2"]
    assert {c.cause for c in kpi.causes if c.measure == "fares"} == {Cause.VALUE, Cause.NOT_ARRIVED}
    assert kpi.broken == 0


@pytest.mark.parametrize(
    ("in_batch", "in_stream", "cause", "share"),
    [(2, 1, Cause.DUPLICATE_IN_BATCH, 1), (1, 2, Cause.DUPLICATE_IN_STREAM, -1)],
)
def test_an_event_that_stands_more_often_on_one_side_is_followed(
    sides: TwoSides, in_batch: int, in_stream: int, cause: Cause, share: int
) -> None:
    sides.batch += [trip(0)] * (in_batch - 1)
    for _ in range(in_stream - 1):
        sides.accept(trip(0))

    kpi, rows = walked(sides)

    assert [name for row, name in rows if row == 0] == ["t1", "t2"]
    assert trips(kpi) == {cause: share, Cause.NOT_ARRIVED: 1}
    assert kpi.broken == 0


def test_two_copies_on_one_side_alone_are_not_alike_on_both(sides: TwoSides) -> None:
    sides.batch.append(trip(3))

    kpi, rows = walked(sides)

    assert [name for row, name in rows if row == 0] == ["t0", "t1", "t2"]
    assert trips(kpi) == {Cause.DUPLICATE_IN_BATCH: 1, Cause.NOT_ARRIVED: 1}
    assert kpi.broken == 0
