"""Which rows a view takes from the stream when they are hours, weeks or months."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Protocol

import pytest

from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.ports import Actor, RouteChange, Serving, Source
from tests.fakes.two_sides import migration as made

ME = Actor("rita", authenticated=True, dag_run="manual__1")
FROM = date(2026, 3, 4)
"""A Wednesday: the first whole week begins on the 9th, the first whole month in April."""
UNITS = {"trips_hourly": "hour", "trips_weekly": "week", "trips_monthly": "month"}


def hour(day: int, at: int) -> datetime:
    return datetime(2026, 3, day, at, tzinfo=UTC)


ROWS: Mapping[str, Sequence[tuple[Any, str]]] = {
    # 05:00 UTC is midnight in New York.
    "trips_hourly": [(hour(4, 4), "batch"), (hour(4, 5), "stream"), (hour(4, 6), "stream")],
    "trips_weekly": [
        (date(2026, 3, 2), "batch"),
        (date(2026, 3, 9), "stream"),
        (date(2026, 3, 16), "stream"),
    ],
    "trips_monthly": [(date(2026, 3, 1), "batch"), (date(2026, 4, 1), "stream")],
}
"""The key's time of every row, and who serves it once readers were moved."""


class GrainTables(Protocol):
    """What a test needs beside the port."""

    def fill(self, kpi: str, side: str, rows: Sequence[Mapping[str, Any]]) -> None: ...

    def read(self, kpi: str) -> list[tuple[Any, str | None, int, str]]:
        """Return (day, zone, trips, served_from) of serving.<kpi>."""
        ...


class ServingGrainsBehaviour:
    """Mixed into a class with the fixtures `serving` (installed, empty) and `tables`."""

    @pytest.fixture
    def migration(self) -> Migration:
        return made(kpis={name: f"{unit}(started)" for name, unit in UNITS.items()}, begins=FROM)

    @pytest.fixture
    def moved(self, serving: Serving, tables: GrainTables, migration: Migration) -> Serving:
        serving.publish(migration, [1])
        for kpi, rows in ROWS.items():
            for side, trips in (("batch", 1), ("stream", 2)):
                tables.fill(
                    kpi, side, [{"day": at, "zone": z, "trips": trips} for at, _ in rows for z in ("N", None)]
                )
        changes = [RouteChange(seen, Source.STREAM, 1, {}) for seen in serving.routes(list(UNITS))]
        serving.change("trips", changes, "switch", Digest("e" * 64), ME, "why")
        return serving

    @pytest.mark.parametrize("kpi", UNITS)
    def test_a_row_that_opens_before_the_streams_first_day_stays_on_batch(
        self, moved: Serving, tables: GrainTables, kpi: str
    ) -> None:
        seen = {(at, zone): (trips, source) for at, zone, trips, source in tables.read(kpi)}

        wanted = {(at, zone): (1 if s == "batch" else 2, s) for at, s in ROWS[kpi] for zone in ("N", None)}
        assert seen == wanted
        assert len(tables.read(kpi)) == len(wanted)

    def test_every_row_is_held_against_the_route(self, moved: Serving, migration: Migration) -> None:
        found = {each.kpi: (each.rows, each.strays) for each in moved.served(migration)}
        assert found == {
            "trips_hourly": ({"batch": 2, "stream": 4}, 0),
            "trips_weekly": ({"batch": 2, "stream": 4}, 0),
            "trips_monthly": ({"batch": 2, "stream": 2}, 0),
        }

    def test_what_readers_would_see_change_begins_with_the_first_whole_row(
        self, moved: Serving, migration: Migration
    ) -> None:
        changes = {change.kpi: (change.rows, change.changed) for change in moved.reader_changes(migration, 1)}
        assert changes == {"trips_hourly": (4, 4), "trips_weekly": (4, 4), "trips_monthly": (2, 2)}

    def test_the_batch_sides_newest_day_is_the_one_its_newest_row_closes_on(
        self, moved: Serving, migration: Migration
    ) -> None:
        assert moved.batch_through(migration) == {
            "trips_hourly": date(2026, 3, 4),
            "trips_weekly": date(2026, 3, 22),
            "trips_monthly": date(2026, 4, 30),
        }

    def test_a_segment_that_is_null_is_never_in_a_canary(
        self, moved: Serving, tables: GrainTables, migration: Migration
    ) -> None:
        changes = [
            RouteChange(seen, Source.CANARY, 1, {"zone": ["N"]}) for seen in moved.routes(["trips_hourly"])
        ]
        moved.change("trips", changes, "canary", Digest("e" * 64), ME, "why")

        zones = {zone for _, zone, _, source in tables.read("trips_hourly") if source == "stream"}
        assert zones == {"N"}
        assert len(tables.read("trips_hourly")) == 6
