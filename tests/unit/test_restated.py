"""Closed periods: what is not any more what was signed, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.adapters.comparison import DuckDBClosedRows
from slipway.adapters.comparison.templates import grain_of, measures_of
from slipway.adapters.evidence_files import EvidenceFiles
from slipway.domain.evidence import Cause, Digest, canonical
from slipway.domain.periods import period
from slipway.domain.restatements import (
    AmendmentSeen,
    Circumstances,
    ClosedPeriod,
    KeptRows,
    Moved,
    PeriodClose,
    Reason,
    Restatement,
    Walk,
    cause_of,
    told,
)
from slipway.domain.restatements import text as as_text
from tests.fakes.two_sides import FIRST, TEMPLATES, migration

TRIPS = migration()
KPI = TRIPS.kpis["trips_daily"]
DAYS = [FIRST + timedelta(days=n) for n in range(4)]
SPAN = period(f"{DAYS[0]}..{DAYS[2]}")
CELL = {"day": "2026-03-02", "zone": "N"}


def close(**changes: Any) -> PeriodClose:
    base = PeriodClose(7, "trips", SPAN, Digest("a" * 64), 1, {}, "ana", datetime(2026, 4, 1, tzinfo=UTC))
    return replace(base, **changes)


def closed(rows: Digest = Digest("b" * 64), **changes: Any) -> ClosedPeriod:  # noqa: B008
    measures = {measure.name: (measure.function, measure.type) for measure in KPI.measures}
    kept = KeptRows(rows, tuple(part.name for part in KPI.grain), measures)
    base = ClosedPeriod(close(), FIRST, frozenset({1}), {"trips_daily": kept})
    return replace(base, **changes)


def moved(**changes: Any) -> Moved:
    return replace(Moved(7, "trips_daily", CELL, DAYS[1], "trips", "stream", 4, 5), **changes)


def seen(**changes: Any) -> Circumstances:
    return replace(Circumstances(revision=1, dbt_run="dbt-9", rebuilt=True), **changes)


AMENDED = AmendmentSeen(2, (DAYS[1],), "ana", "the sensor was late")


def walk(*causes: Cause, whole: bool = True) -> Mapping[str, Walk]:
    names = tuple(map(str, causes))
    if not whole:
        return {"trips_daily": Walk({}, {(DAYS[1], "trips"): names}, whole=False)}
    other = (canonical({"day": "2026-03-02", "zone": None}), "trips")
    return {"trips_daily": Walk({(canonical(CELL), "trips"): names, other: ("engine",)}, {}, whole=True)}


@pytest.mark.parametrize(
    ("changes", "known", "reason", "said"),
    [
        ({}, {"amendments": [AMENDED]}, Reason.AMENDMENT, "amendment 2 by ana: the sensor was late"),
        # It had been applied before the period was closed, so it is in what was signed.
        ({}, {"amendments": [replace(AMENDED, id=1)]}, Reason.UNEXPLAINED, "no amendment or revision"),
        ({}, {"amendments": [replace(AMENDED, days=(DAYS[0],))]}, Reason.UNEXPLAINED, "no amendment"),
        ({}, {"revision": 2}, Reason.REVISION, "revision 2 serves now"),
        # Another revision has amendments of its own, whatever numbers the ledger gave them.
        ({}, {"revision": 2, "amendments": [replace(AMENDED, id=1)]}, Reason.AMENDMENT, "amendment 1 by"),
        # An amendment explains what events add up to, not what somebody wrote over it.
        (
            {},
            {"amendments": [AMENDED], "walks": walk(Cause.ENGINE)},
            Reason.UNEXPLAINED,
            "not what its events add up to",
        ),
        ({}, {"revision": 2, "walks": walk(Cause.ENGINE, whole=False)}, Reason.UNEXPLAINED, "add up"),
        ({}, {"amendments": [AMENDED], "walks": walk(Cause.LATE)}, Reason.AMENDMENT, "amendment 2"),
        ({"side": "batch"}, {}, Reason.BASELINE, "rebuilt with other numbers in dbt run dbt-9"),
        (
            {"side": "batch"},
            {"walks": walk(Cause.NOT_IN_BATCH, Cause.TIME_BUCKET)},
            Reason.BASELINE,
            "differs from the stream by not in batch, time bucket",
        ),
        # What the batch side says is not the amendment's doing.
        ({"side": "batch"}, {"amendments": [AMENDED]}, Reason.BASELINE, "rebuilt"),
        ({"side": "batch"}, {"rebuilt": False}, Reason.UNEXPLAINED, "no baseline was built since"),
    ],
)
def test_every_moved_value_has_a_cause(
    changes: Mapping[str, Any], known: Mapping[str, Any], reason: Reason, said: str
) -> None:
    found, words = cause_of(moved(**changes), closed(), seen(**known))
    assert found is reason
    assert said in words


def test_a_restatement_is_recorded_once_until_the_value_moves_again() -> None:
    periods = {7: closed()}
    standing, new = told([moved()], periods, [], seen(amendments=[AMENDED]))
    assert standing == new
    assert [(one.was, one.now, one.cause, one.closed_digest) for one in new] == [
        ("4", "5", Reason.AMENDMENT, "a" * 64)
    ]

    # A night later nobody knows of the amendment any more: what is on record stands.
    again, nothing = told([moved()], periods, new, seen())
    assert (again, nothing) == (new, [])

    further, second = told([moved(now=6)], periods, new, seen())
    assert further == second
    assert [(one.was, one.now, one.cause) for one in second] == [("4", "6", Reason.UNEXPLAINED)]

    gone, third = told([], periods, [*new, *second], seen())
    assert gone == []
    assert [(one.was, one.now, one.cause, one.stands) for one in third] == [
        ("4", "4", Reason.RETURNED, False)
    ]
    assert told([], periods, [*new, *second, *third], seen()) == ([], [])
    assert told([moved()], periods, [*new, *second, *third], seen())[1] == [
        replace(
            new[0],
            cause=Reason.UNEXPLAINED,
            reason="no amendment or revision since the close accounts for it",
        )
    ]


def test_restatements_of_a_close_that_was_superseded_say_nothing_of_the_newer_one() -> None:
    older = told([moved()], {7: closed()}, [], seen())[1]
    newer = {8: closed(close=close(id=8))}
    assert told([], newer, older, seen()) == ([], [])
    assert len(told([moved(close=8)], newer, older, seen())[1]) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (0, "0"),
        (10, "10"),
        (Decimal("1.500"), "1.5"),
        (Decimal("0.0"), "0"),
        (Decimal("1E+3"), "1000"),
    ],
)
def test_values_are_written_without_exponents(value: Any, text: str | None) -> None:
    assert as_text(value) == text


# --- the rows themselves


Row = tuple[int, int | None, float | None]
"""trips, dearest, mean_miles of a row; its other measures are those of no events."""

KEYS = st.tuples(st.sampled_from(DAYS), st.sampled_from(["N", "S", None]))
ROWS = st.dictionaries(
    KEYS,
    st.tuples(
        st.integers(0, 3),
        st.none() | st.integers(-1, 1),
        st.none() | st.sampled_from([0.0, 0.25, 1e6, 1e6 + 0.5]),
    ),
    max_size=6,
)


def table(rows: Mapping[tuple[date, str | None], Row]) -> str:
    """Return SQL of KPI rows."""
    listed = [
        f"(DATE '{day}', {'NULL' if zone is None else repr(zone)}, {trips},"
        f" {'NULL' if dearest is None else dearest}, {'NULL' if miles is None else repr(miles)})"
        for (day, zone), (trips, dearest, miles) in rows.items()
    ]
    empty = "SELECT DATE '2026-01-01', 'x', 0, 0, 0.0 WHERE FALSE"
    source = f"VALUES {', '.join(listed)}" if listed else empty
    return (
        'SELECT day, zone, CAST(trips AS BIGINT) AS trips, 0::BIGINT AS "short", 0::BIGINT AS fares,'
        " 0::BIGINT AS weights, 0::BIGINT AS riders, NULL::TIMESTAMPTZ AS first, CAST(dearest AS INTEGER) AS"
        f" dearest, CAST(mean_miles AS DOUBLE) AS mean_miles FROM ({source})"
        " AS t(day, zone, trips, dearest, mean_miles)"
    )


@dataclass
class Tables:
    """A warehouse with the rows of today."""

    batch: str
    stream: str

    @contextmanager
    def attached(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        connection.execute("ATTACH ':memory:' AS warehouse")
        for schema, name, rows in (
            ("batch", "trips_daily", self.batch),
            ("stream", "trips_daily__r1", self.stream),
        ):
            connection.execute(f"CREATE SCHEMA warehouse.{schema}")
            connection.execute(f"CREATE TABLE warehouse.{schema}.{name} AS {rows}")
        yield


def keep(folder: Path, batch: str, stream: str) -> tuple[EvidenceFiles, Digest]:
    """Keep rows as a comparison does."""
    path = folder / "rows.parquet"
    keys = ", ".join(f"{part.column} AS {part.name}" for part in grain_of(KPI))
    values = ", ".join(f"CAST({part.scaled} AS DECIMAL(38, 0)) AS {part.name}" for part in measures_of(KPI))
    sides = " UNION ALL ".join(
        f"SELECT '{side}' AS side, {keys}, {values} FROM ({rows})"
        for side, rows in (("b", batch), ("e", batch), ("r", stream), ("s", stream))
    )
    duckdb.sql(f"COPY ({sides}) TO '{path}' (FORMAT parquet)")
    store = EvidenceFiles(folder / "store")
    return store, store.keep_file(path)


def look(folder: Path, before: tuple[str, str], today: tuple[str, str]) -> list[Moved]:
    store, digest = keep(folder, *before)
    rows = DuckDBClosedRows(Tables(*today), TEMPLATES, folder / "work")
    return list(rows.moved(TRIPS, 1, [closed(digest)], store))


def differences(
    was: Mapping[tuple[date, str | None], Row], now: Mapping[tuple[date, str | None], Row], side: str
) -> set[tuple[Any, ...]]:
    """Return what differs by comparing row by row; days after the period are nothing to it."""
    found = set()
    for key in was.keys() | now.keys():
        if key[0] not in SPAN:
            continue
        before, after = was.get(key), now.get(key)
        for place, (name, zero) in enumerate((("trips", 0), ("dearest", None), ("mean_miles", None))):
            old, new = (None if row is None else row[place] for row in (before, after))
            if (zero if old is None else old) != (zero if new is None else new):
                found.add((side, key[0], key[1], name, _plain(old), _plain(new)))
    return found


def _plain(value: object) -> str | None:
    return None if value is None else as_text(Decimal(repr(value)))


@given(*(ROWS for _ in range(4)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_restated_is_exactly_what_differs(
    tmp_path_factory: pytest.TempPathFactory, batch: Any, stream: Any, batch_now: Any, stream_now: Any
) -> None:
    folder = tmp_path_factory.mktemp("restated")
    found = look(folder, (table(batch), table(stream)), (table(batch_now), table(stream_now)))

    told_as = [
        (one.side, one.day, one.cell["zone"], one.measure, as_text(one.was), as_text(one.now))
        for one in found
    ]
    expected = differences(batch, batch_now, "batch") | differences(stream, stream_now, "stream")
    assert sorted(told_as, key=repr) == sorted(expected, key=repr)
    assert all(one.cell["day"] == one.day.isoformat() for one in found)


def test_a_key_that_comes_twice_counts_as_a_reader_counts_it(tmp_path: Path) -> None:
    once = table({(DAYS[0], "N"): (3, None, None)})
    [found] = look(tmp_path, (once, once), (f"{once} UNION ALL {once}", once))
    assert (found.side, found.measure, found.was, found.now) == ("batch", "trips", 3, 6)


def test_the_last_digits_of_doubles_are_no_restatement(tmp_path: Path) -> None:
    def miles(value: float) -> str:
        return table({(DAYS[0], "N"): (1, None, value)})

    same = look(tmp_path, (miles(1e9), miles(0.1)), (miles(1e9 + 1e-4), miles(0.1 + 1e-12)))
    assert same == []
    assert len(look(tmp_path, (miles(1e9), miles(0.1)), (miles(1e9 + 0.01), miles(0.1001)))) == 2


def test_what_means_something_else_since_the_close_is_not_compared(tmp_path: Path) -> None:
    rows = table({(DAYS[0], "N"): (3, 1, None)})
    store, digest = keep(tmp_path, rows, rows)
    none = table({})
    adapter = DuckDBClosedRows(Tables(none, none), TEMPLATES, tmp_path / "work")
    kept = closed(digest).kpis["trips_daily"]
    other = {**kept.measures, "trips": ("sum", "long")}

    def named(**changes: Any) -> list[tuple[str, str]]:
        one = closed(kpis={"trips_daily": replace(kept, **changes)})
        return [(each.side, each.measure) for each in adapter.moved(TRIPS, 1, [one], store)]

    assert named() == [(s, m) for m in ("trips", "dearest") for s in ("batch", "stream")]
    assert named(measures=other) == [(s, "dearest") for s in ("batch", "stream")]
    assert named(grain=("day",)) == []
    assert list(adapter.moved(TRIPS, 1, [closed(kpis={"gone": kept})], store)) == []
    assert list(adapter.moved(TRIPS, 1, [], store)) == []
    assert isinstance(told([], {}, [], seen()), tuple)


def test_rows_that_open_before_the_first_compared_day_are_none_of_a_period(tmp_path: Path) -> None:
    store, digest = keep(tmp_path, table({}), table({}))
    now = table({(DAYS[0], "N"): (3, None, None), (DAYS[1], "N"): (3, None, None)})
    adapter = DuckDBClosedRows(Tables(now, table({})), TEMPLATES, tmp_path / "work")
    later = replace(closed(digest), begins=DAYS[1])
    assert [one.day for one in adapter.moved(TRIPS, 1, [later], store)] == [DAYS[1]]


def test_masked_cells_that_look_the_same_are_told_apart_by_what_was_signed() -> None:
    masked = {"day": "2026-03-02", "zone": "(masked)"}
    both = [moved(cell=masked, was=4), moved(cell=masked, was=9, now=1)]
    _, new = told(both, {7: closed()}, [], seen())
    assert len(new) == 2
    assert told(both, {7: closed()}, new, seen())[1] == []
    assert isinstance(new[0], Restatement)
