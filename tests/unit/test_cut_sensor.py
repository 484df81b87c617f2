"""The deferred wait for the cut: it holds no worker, outlives its triggerer, and ends in every case."""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from slipway import bootstrap
from slipway.domain.evidence import Verdict
from slipway.errors import Permanent, Retryable
from slipway.orchestration import cut_sensor
from slipway.orchestration.cut_sensor import CutSensor, CutTrigger
from tests.fakes.night import ANA, NightWorld
from tests.fakes.two_sides import FIRST, Trip, TwoSides

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)
MISSING = "records: 2 of partition 0 are not in bronze"


def trip(n: int, day: int = 0) -> Trip:
    return Trip(f"t{n}", f"r{n}", "A", NOON + timedelta(days=day, minutes=n), "N", 100, 1.5, 2**n)


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NightWorld:
    """A topic with six records in the lake and two that are not."""
    sides = TwoSides(tmp_path)
    for n in range(6):
        sides.batch.append(trip(n, n % 3))
        sides.accept(trip(n, n % 3))
    found = NightWorld(sides, as_of=sides.migration.closes_at(FIRST + timedelta(days=2)), end_offset=8)
    world = found.world()
    monkeypatch.setattr(bootstrap, "world", lambda: world)
    monkeypatch.setattr(bootstrap, "migration", lambda _name: sides.migration)
    monkeypatch.setattr(cut_sensor, "POLL_SECONDS", 0.01)
    return found


def sensor(night: NightWorld, patience: timedelta = timedelta(minutes=10)) -> CutSensor:
    return CutSensor(task_id="freeze", migration="trips", as_of=night.as_of.isoformat(), patience=patience)


def deferred(night: NightWorld, patience: timedelta = timedelta(minutes=10)) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as found:
        sensor(night, patience).execute(SimpleNamespace())
    return found.value


def taken_over(trigger: Any) -> CutTrigger:
    """Return the trigger as another triggerer builds it from what the database holds."""
    path, kwargs = json.loads(json.dumps(trigger.serialize()))
    module, _, name = path.rpartition(".")
    built: CutTrigger = getattr(importlib.import_module(module), name)(**kwargs)
    return built


def fired(trigger: CutTrigger, while_waiting: Callable[[], None] = lambda: None) -> dict[str, Any]:
    async def first() -> Any:
        async for event in trigger.run():
            return event.payload

    async def both() -> Any:
        running = asyncio.create_task(first())
        await asyncio.sleep(0.3)
        while_waiting()
        return await asyncio.wait_for(running, 20)

    payload: dict[str, Any] = asyncio.run(both())
    return payload


def test_a_lake_that_holds_everything_is_not_waited_for(night: NightWorld) -> None:
    night.end_offset = 6

    target = sensor(night).execute(SimpleNamespace())

    assert target["offsets"] == {"0": 6}


def test_it_defers_and_goes_on_once_the_records_are_there(night: NightWorld) -> None:
    found = deferred(night)

    def commit() -> None:
        night.sides.accept(trip(6))
        night.sides.accept(trip(7))

    payload = fired(taken_over(found.trigger), commit)

    assert payload == {"missing": "", "refused": ""}
    assert sensor(night).resume(SimpleNamespace(), payload, **dict(found.kwargs or {}))["offsets"] == {"0": 8}


def test_another_triggerer_keeps_the_end_of_the_patience(night: NightWorld) -> None:
    begun = time.time()
    found = deferred(night, timedelta(seconds=3))

    async def killed() -> None:
        running = asyncio.ensure_future(anext(aiter(taken_over(found.trigger).run())))
        await asyncio.sleep(0.5)
        running.cancel()

    asyncio.run(killed())
    payload = fired(taken_over(found.trigger))

    assert payload == {"missing": MISSING, "refused": ""}
    assert 2.5 < time.time() - begun < 10


def test_a_triggerer_that_was_away_for_too_long_looks_once_more(night: NightWorld) -> None:
    trigger = taken_over(deferred(night).trigger)
    trigger.until = time.time() - 3600

    assert fired(trigger)["missing"] == MISSING


def test_the_end_of_the_patience_is_an_inconclusive_night(night: NightWorld) -> None:
    from slipway.app.freeze import Target
    from slipway.app.reconcile import reconcile

    found = deferred(night, timedelta(0))
    payload = fired(taken_over(found.trigger))
    target = sensor(night).resume(SimpleNamespace(), payload, **dict(found.kwargs or {}))

    recorded = reconcile(
        night.sides.migration,
        night.as_of,
        night.world(),
        ANA,
        target=Target.from_json(target),
        patience=timedelta(0),
        wait=night.wait,
    )

    assert recorded.verdict is Verdict.INCONCLUSIVE
    assert night.world().evidence.get(recorded.digest)["cut"]["missing"] == MISSING


def test_a_system_that_is_away_is_told_and_asked_again(
    night: NightWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = deferred(night)
    real, calls = night.bounds, []

    def away(name: str) -> Any:
        calls.append(name)
        if len(calls) < 3:
            raise Retryable("Kafka did not answer")
        return real(name)

    monkeypatch.setattr(night, "bounds", away)
    night.sides.accept(trip(6))
    night.sides.accept(trip(7))

    assert fired(taken_over(found.trigger)) == {"missing": "", "refused": ""}
    assert len(calls) == 3


def test_a_topic_that_is_made_again_meanwhile_fails_the_task_with_the_reason(night: NightWorld) -> None:
    found = deferred(night)
    night.topic_id = "topic-2"

    payload = fired(taken_over(found.trigger))

    assert "made again" in payload["refused"]
    with pytest.raises(Permanent, match="made again"):
        sensor(night).resume(SimpleNamespace(), payload, **dict(found.kwargs or {}))


def test_progress_stands_in_the_triggerers_log_when_it_changes(
    night: NightWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = taken_over(deferred(night).trigger)
    told: list[str] = []
    monkeypatch.setattr(
        CutTrigger, "log", SimpleNamespace(info=lambda text, *values: told.append(text % values))
    )

    def commit_one() -> None:
        night.sides.accept(trip(6))

    trigger.until = time.time() + 3

    assert fired(trigger, commit_one)["missing"]
    assert [line.partition(": ")[2] for line in told] == [MISSING, MISSING.replace("2", "1", 1)]
