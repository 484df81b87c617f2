"""Verifying evidence: from what was kept alone, and line by line where something is not the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from slipway.adapters.comparison import DuckDBComparison
from slipway.app.reconcile import reconcile
from slipway.app.verify import Verified, _compare, verify
from slipway.domain.evidence import Digest, Verdict
from tests.fakes.night import ANA, NightWorld
from tests.fakes.two_sides import FIRST, TEMPLATES, Trip, TwoSides

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)


def trip(n: int, day: int = 0) -> Trip:
    started = NOON + timedelta(days=day, minutes=n)
    return Trip(f"t{n}", f"r{n}", "A", started, "N", 100, 1.5, 2**n)


@pytest.fixture
def night(tmp_path: Path) -> NightWorld:
    """Three days of which one has a late event that was amended, and one an event that did not arrive."""
    sides = TwoSides(tmp_path)
    for n in range(6):
        sides.batch.append(trip(n, n % 3))
        sides.accept(trip(n, n % 3))
    sides.batch += [trip(8), trip(9, day=1)]
    sides.amended.append(sides.come_late(trip(8)))
    return NightWorld(sides, as_of=sides.migration.closes_at(FIRST + timedelta(days=2)))


def reconciled(night: NightWorld) -> Digest:
    found = reconcile(night.sides.migration, night.as_of, night.world(), ANA, wait=night.wait)
    assert found.verdict is Verdict.FAIL
    return found.digest


def verified(night: NightWorld, digest: Digest) -> Verified:
    return verify(night.sides.migration, digest, night.world())


def kept(night: NightWorld, digest: Digest, *path: str) -> Path:
    found: Any = night.world().evidence.get(digest)
    for key in path:
        found = found[key]
    return night.world().evidence.path_of(found)


@pytest.mark.parametrize("snapshots_gone", [False, True])
def test_nothing_of_todays_warehouse_is_asked(
    night: NightWorld, snapshots_gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = reconciled(night)

    @contextmanager
    def refused(self: TwoSides, connection: object) -> Iterator[None]:
        if connection is not None:
            raise AssertionError("the warehouse was attached")
        yield

    monkeypatch.setattr(TwoSides, "attached", refused)
    night.snapshots_gone = snapshots_gone

    found = verified(night, digest)

    assert found.same, found.differences
    assert found.folded_again is not snapshots_gone
    assert str(found).splitlines()[0] == f"evidence {digest[:12]}: same"


def test_what_was_amended_is_kept_beside_the_rows(night: NightWorld) -> None:
    digest = reconciled(night)
    night.sides.amended.clear()

    assert verified(night, digest).same
    kept(night, digest, "cut", "amended").unlink()

    found = verified(night, digest)
    [line] = found.differences
    assert line.startswith("cut.amended: the kept file") and "is gone" in line
    assert not found.folded_again


@pytest.mark.parametrize("part", ["rows", "events"])
def test_a_kept_file_that_was_changed_or_is_gone_is_told(night: NightWorld, part: str) -> None:
    digest = reconciled(night)
    path = kept(night, digest, "kpis", "trips_daily", "kept", part)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x")

    changed = verified(night, digest)
    path.unlink()
    gone = verified(night, digest)

    [line] = changed.differences
    assert line.startswith(
        f"trips_daily.kept.{part}: the kept file {path.name[:12]} was changed after it was stored"
    )
    assert gone.differences == (
        f"trips_daily.kept.{part}: the kept file {path.name[:12]} is gone; restore it from a backup",
    )
    assert not (changed.same or gone.same)


def test_another_sql_of_the_product_is_told_value_by_value(night: NightWorld, tmp_path: Path) -> None:
    digest = reconciled(night)
    other = tmp_path / "templates"
    shutil.copytree(TEMPLATES, other)
    totals = other / "cause_totals.sql"
    totals.write_text(
        totals.read_text("utf-8").replace("sum(share) AS net", "2 * sum(share) AS net"), "utf-8"
    )
    night.sides.comparison = lambda: DuckDBComparison(  # type: ignore[method-assign]
        night.sides, other, tmp_path / "work"
    )

    found = verified(night, digest)

    assert found.differences
    assert all(line.startswith("trips_daily.causes[2026-03-02, ") for line in found.differences)
    assert "trips_daily.causes[2026-03-02, trips, not_arrived].net: was 1, is 2" in [
        line.replace('"', "") for line in found.differences
    ]


def test_a_silver_that_changed_under_its_snapshot_is_told_by_day(night: NightWorld) -> None:
    digest = reconciled(night)
    night.sides.silver.pop(2)

    lines = verified(night, digest).differences

    assert any(
        line.startswith("trips_daily.days[2026-03-03].measures.trips.recomputed: was") for line in lines
    )


def test_items_that_came_or_went_are_told_by_their_names() -> None:
    was = [{"day": "2026-03-01", "measure": "trips", "net": 1}, {"day": "2026-03-02", "measure": "trips"}]
    now = [{"day": "2026-03-01", "measure": "trips", "net": 2}, {"day": "2026-03-01", "measure": "fares"}]

    assert list(_compare("k", was, now)) == [
        'k[2026-03-01, fares]: was not there, is {"day": "2026-03-01", "measure": "fares"}',
        "k[2026-03-01, trips].net: was 1, is 2",
        'k[2026-03-02, trips]: was {"day": "2026-03-02", "measure": "trips"}, is not there any more',
    ]
