"""Evidence: the same cut says the same, what was kept repeats it, and nothing incomplete passes."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slipway.adapters.evidence_files import EvidenceFiles
from slipway.app import freeze
from slipway.app.reconcile import reconcile, summary
from slipway.domain.evidence import Digest, Verdict
from slipway.errors import Permanent
from slipway.ports import Actor, Reconciliation
from tests.fakes.night import ANA, NightWorld
from tests.fakes.two_sides import FIRST, Trip, TwoSides

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)


def trip(n: int, day: int = 0) -> Trip:
    started = NOON + timedelta(days=day, minutes=n)
    return Trip(f"t{n}", f"r{n}", "A", started, "N", 100, 1.5, 2**n)


@pytest.fixture
def night(tmp_path: Path) -> NightWorld:
    """Three days that agree, as of an instant at which all of them have closed."""
    sides = TwoSides(tmp_path)
    for n in range(6):
        sides.batch.append(trip(n, n % 3))
        sides.accept(trip(n, n % 3))
    return NightWorld(sides, as_of=sides.migration.closes_at(FIRST + timedelta(days=2)))


def reconciled(night: NightWorld, by: Actor = ANA) -> Reconciliation:
    return reconcile(night.sides.migration, night.as_of, night.world(), by, wait=night.wait)


def test_a_night_in_which_all_agrees_passes_and_completes_the_window(night: NightWorld) -> None:
    found = reconciled(night)

    assert found.verdict is Verdict.PASS
    assert (found.closed_through, found.window_days, found.window_complete) == (
        FIRST + timedelta(days=2),
        3,
        True,
    )
    assert Path(found.report).read_text("utf-8").startswith("<!doctype html>")
    assert {name for _, _, name in night.tags} == {f"evidence-{found.digest[:16]}"}


def test_the_same_cut_gives_the_same_digest_whoever_runs_it_and_when(night: NightWorld) -> None:
    first = reconciled(night)
    night.now_at += timedelta(days=1)

    second = reconciled(night, dataclasses.replace(ANA, name="omar", dag_run="scheduled__2"))

    assert second.digest == first.digest
    assert second.id != first.id


def test_other_events_give_another_digest(night: NightWorld) -> None:
    first = reconciled(night)
    night.sides.batch.append(trip(9))
    night.sides.accept(trip(9))

    assert reconciled(night).digest != first.digest


def test_an_event_that_has_not_arrived_fails_the_day_and_is_named(night: NightWorld) -> None:
    night.sides.batch.append(trip(9, day=1))

    found = reconciled(night)
    told = summary(night.world().evidence.get(found.digest))

    assert found.verdict is Verdict.FAIL
    assert found.window_days == 1
    assert "2 Mar: 1 event has not arrived in the stream" in told
    assert "t9" in Path(found.report).read_text("utf-8")


def test_a_cut_that_stays_incomplete_is_inconclusive_though_all_agrees(night: NightWorld) -> None:
    night.end_offset = len(night.sides.bronze) + 2

    found = reconciled(night)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert not found.window_complete
    assert len(night.waited) == 5


def test_a_record_that_arrives_before_the_one_in_front_is_an_error(night: NightWorld) -> None:
    night.sides.accept(trip(9), at=NOON - timedelta(days=1))
    night.sides.batch.append(trip(9))

    assert reconciled(night).verdict is Verdict.ERROR


def test_a_failed_baseline_is_inconclusive(night: NightWorld) -> None:
    night.batch_ok = False

    assert reconciled(night).verdict is Verdict.INCONCLUSIVE


def test_a_batch_that_lags_keeps_its_days_open(night: NightWorld) -> None:
    night.loaded_through = night.as_of - timedelta(seconds=1)

    found = reconciled(night)

    assert found.closed_through == FIRST + timedelta(days=1)
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_failed_expectation_fails_the_night(night: NightWorld) -> None:
    night.failing_check = "3 unexpected"

    assert reconciled(night).verdict is Verdict.FAIL


def test_as_of_in_the_future_is_refused(night: NightWorld) -> None:
    with pytest.raises(Permanent, match="lies in the future"):
        freeze.aim(night.sides.migration, night.now_at + timedelta(seconds=1), night.world())


def test_a_target_survives_its_way_through_json(night: NightWorld) -> None:
    target = freeze.aim(night.sides.migration, night.as_of, night.world())

    assert freeze.Target.from_json(target.to_json()) == target


def test_what_is_missing_is_told_and_hurried(night: NightWorld) -> None:
    target = freeze.aim(night.sides.migration, night.as_of, night.world())
    aimed_higher = dataclasses.replace(target, offsets={0: len(night.sides.bronze) + 1})

    assert freeze.missing(night.sides.migration, target, night.world()).nothing
    found = freeze.missing(night.sides.migration, aimed_higher, night.world())
    assert str(found) == "records: 1 of partition 0 are not in bronze"


def test_a_document_that_was_changed_after_it_was_stored_is_refused(tmp_path: Path) -> None:
    store = EvidenceFiles(tmp_path)
    digest = store.put({"verdict": "FAIL"})
    path = store.path_of(digest)
    path.chmod(0o644)
    path.write_bytes(b'{"verdict":"PASS"}')

    with pytest.raises(Permanent, match="was changed"):
        store.get(digest)


def test_the_same_document_is_stored_once(tmp_path: Path) -> None:
    store = EvidenceFiles(tmp_path)

    assert store.put({"b": 1, "a": 2}) == store.put({"a": 2, "b": 1})
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_digest_that_leads_out_of_the_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="not a digest"):
        EvidenceFiles(tmp_path).path_of(Digest("../../etc/passwd"))
