"""The baseline never counts what has not arrived, and always says which build the tables hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from slipway.adapters.contracts import load_migration
from slipway.app.baseline import baseline, table
from slipway.domain.contract import Migration
from slipway.errors import Permanent, Retryable
from slipway.ports import Actor, BaselineRun, World
from tests.fakes.baseline import FakeBaseline

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
THROUGH = datetime(2013, 3, 1, 11, tzinfo=UTC)
ANA = Actor("ana", authenticated=True)


@dataclass
class Replayed:
    through: datetime | None

    def replayed_through(self, migration: str) -> datetime | None:
        return self.through


def world_of(fake: FakeBaseline, through: datetime | None = THROUGH) -> World:
    clock = SimpleNamespace(now=lambda: NOW)
    return cast(World, SimpleNamespace(clock=clock, facts=Replayed(through), baseline=fake))


@pytest.fixture(scope="module")
def flights() -> Migration:
    return load_migration(Path(__file__).parents[2] / "include" / "migrations" / "flights.yaml")


def test_a_build_is_recorded_with_its_instant_and_outcome(flights: Migration) -> None:
    fake = FakeBaseline()

    run = baseline(flights, THROUGH, world_of(fake), ANA)

    assert run.ok
    row = fake.journal[run.run_id]
    assert (row.migration, row.as_of, row.loaded_through) == ("flights", THROUGH, THROUGH)
    assert (row.started_by, row.finished_at, row.ok) == ("ana", NOW, True)


def test_an_instant_beyond_what_was_replayed_is_refused_before_anything_is_touched(
    flights: Migration,
) -> None:
    fake = FakeBaseline()

    with pytest.raises(Permanent, match="replayed through 2013-03-01T11:00:00"):
        baseline(flights, THROUGH + timedelta(seconds=1), world_of(fake), ANA)
    with pytest.raises(Permanent, match="nothing has been replayed"):
        baseline(flights, THROUGH, world_of(fake, through=None), ANA)
    with pytest.raises(Permanent, match="no time zone"):
        baseline(flights, THROUGH.replace(tzinfo=None), world_of(fake), ANA)

    assert fake.journal == {}


def test_a_live_feed_can_be_built_up_to_the_present_and_no_further(flights: Migration) -> None:
    events = flights.contract.events.model_copy(update={"arrival": "broker"})
    live = replace(flights, contract=flights.contract.model_copy(update={"events": events}))
    fake = FakeBaseline()

    with pytest.raises(Permanent, match="lies in the future"):
        baseline(live, NOW + timedelta(seconds=1), world_of(fake, through=None), ANA)
    assert baseline(live, NOW, world_of(fake, through=None), ANA).ok


def test_a_failing_test_is_recorded_as_not_ok(flights: Migration) -> None:
    fake = FakeBaseline(failing="Got 2 results, configured to fail if != 0")

    run = baseline(flights, THROUGH, world_of(fake), ANA)

    assert not run.ok
    assert fake.journal[run.run_id].ok is False


def test_a_build_that_dies_leaves_a_row_that_nothing_may_be_pinned_to(flights: Migration) -> None:
    fake = FakeBaseline(crash=Retryable("the warehouse went away"))

    with pytest.raises(Retryable):
        baseline(flights, THROUGH, world_of(fake), ANA)

    assert [(row.ok, row.finished_at) for row in fake.journal.values()] == [(None, None)]


def test_the_table_shows_failures_first_and_says_why() -> None:
    nodes = (("model.a", "success", 0.5, "INSERT 0 3"), ("test.b", "fail", 0.1, "Got 2 results"))

    lines = table(BaselineRun("run-1", THROUGH, False, nodes)).splitlines()

    assert "FAILED" in lines[0]
    assert "test.b" in lines[1]
    assert "Got 2 results" in lines[1]
    assert "model.a" in lines[2]
