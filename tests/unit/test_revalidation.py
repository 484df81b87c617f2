"""Every night judges all closed days again, against the evidence before; what it says can be said again."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from slipway.app.before import before, row_by_row
from slipway.app.freeze import Frozen
from slipway.app.reconcile import reconcile
from slipway.domain.contract import Migration, compile_migration
from slipway.domain.evidence import Verdict
from slipway.ports import Amendment, Reconciliation
from tests.fakes.night import ANA, NightWorld
from tests.fakes.two_sides import FIRST, Trip, TwoSides, migration

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)
MONDAY = date(2026, 2, 23)


def trip(n: int, day: int = 0) -> Trip:
    return Trip(f"t{n}", f"r{n}", "A", NOON + timedelta(days=day, minutes=n), "N", 100, 1.5, 1)


def strict(made: Migration) -> Migration:
    """The same contract, by which differences that cancel fail a night."""
    reconcile_ = made.contract.reconcile.model_copy(update={"hidden": "fail"})
    return compile_migration(made.contract.model_copy(update={"reconcile": reconcile_}), made.schema)


def reparsed(made: Migration) -> Migration:
    """The same rows under another parity digest: another tolerance."""
    kpis = dict(made.contract.kpis)
    measures = dict(kpis["trips_daily"].measures)
    measures["trips"] = measures["trips"].model_copy(update={"tolerance": measures["fares"].tolerance})
    kpis["trips_daily"] = kpis["trips_daily"].model_copy(update={"measures": measures})
    return compile_migration(made.contract.model_copy(update={"kpis": kpis}), made.schema)


@pytest.fixture
def night(tmp_path: Path) -> NightWorld:
    """Three days that agree, as of the close of the second."""
    sides = TwoSides(tmp_path, strict(migration()))
    for n in range(6):
        sides.batch.append(trip(n, n % 3))
        sides.accept(trip(n, n % 3))
    return NightWorld(sides, as_of=sides.migration.closes_at(FIRST + timedelta(days=1)))


def reconciled(night: NightWorld) -> Reconciliation:
    return reconcile(night.sides.migration, night.as_of, night.world(), ANA, wait=night.wait)


def document_of(night: NightWorld, found: Reconciliation) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(dict(night.world().evidence.get(found.digest))))
    return document


def told(document: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [finding for finding in document["findings"] if finding["code"] == code]


def next_night(night: NightWorld) -> None:
    night.as_of += timedelta(days=1)


def test_a_day_that_passed_and_was_changed_behind_its_close_is_told_with_the_evidence(
    night: NightWorld,
) -> None:
    first = reconciled(night)
    next_night(night)
    night.sides.stream_rows = (
        "SELECT * REPLACE (trips - CASE WHEN dayofmonth(day) = 1 THEN 1 ELSE 0 END AS trips) FROM folded"
    )

    found = reconciled(night)

    document = document_of(night, found)
    assert (first.verdict, found.verdict, document["before"]) == (Verdict.PASS, Verdict.FAIL, first.digest)
    [finding] = told(document, "closed_day_changed")
    assert finding["verdict"] == "FAIL"
    assert f"trips_daily passed on 1 March 2026 in the evidence {first.digest[:12]}" in finding["what"]
    assert "trips was 2 and is 1 (stream)" in finding["what"]
    assert found.window_days == 2


def test_a_day_that_both_sides_changed_alike_still_passes_and_is_told(night: NightWorld) -> None:
    reconciled(night)
    next_night(night)
    night.sides.batch.append(trip(7))
    night.sides.accept(trip(7))

    found = reconciled(night)

    [finding] = told(document_of(night, found), "closed_day_changed")
    assert (found.verdict, finding["warns"]) == (Verdict.PASS, True)
    assert "trips was 2 and is 3 (batch), trips was 2 and is 3 (stream)" in finding["what"]


def test_a_night_that_is_repeated_at_its_cut_has_the_same_evidence_before_it(night: NightWorld) -> None:
    reconciled(night)
    next_night(night)
    night.sides.batch.append(trip(7))
    night.sides.accept(trip(7))
    second = reconciled(night)

    again = reconciled(night)
    next_night(night)
    third = reconciled(night)
    night.as_of -= timedelta(days=1)

    assert again.digest == second.digest
    assert reconciled(night).digest == second.digest
    assert document_of(night, third)["before"] == second.digest


def test_a_night_that_could_not_be_judged_is_held_against_nobody(night: NightWorld) -> None:
    first = reconciled(night)
    next_night(night)
    night.batch_ok = False
    assert reconciled(night).verdict is Verdict.INCONCLUSIVE
    next_night(night)
    night.batch_ok = True

    assert document_of(night, reconciled(night))["before"] == first.digest


def test_only_days_that_closed_since_are_compared_row_by_row(night: NightWorld) -> None:
    first = document_of(night, reconciled(night))
    next_night(night)

    second = document_of(night, reconciled(night))

    assert first["days"]["row_by_row"] == ["2026-03-01", "2026-03-02"]
    assert second["days"]["row_by_row"] == ["2026-03-03"]


def swap(night: NightWorld, day: int) -> None:
    """Let two trips of a day trade their fares on one side: every measure agrees, the events differ."""
    sides = night.sides
    places = [n for n, (one, _) in enumerate(sides.silver) if one.started.day == NOON.day + day]
    for place, fare in zip(places[:2], (150, 50), strict=True):
        one, offset = sides.silver[place]
        sides.silver[place] = (one.but(fare=fare), offset)
        batch = next(n for n, other in enumerate(sides.batch) if other.trip_id == one.trip_id)
        sides.batch[batch] = one.but(fare=200 - fare)


def test_a_hidden_difference_breaks_the_window_on_every_night_on_which_it_stands(night: NightWorld) -> None:
    swap(night, 1)

    first = reconciled(night)
    next_night(night)
    second = reconciled(night)

    for found in (first, second):
        document = document_of(night, found)
        assert found.verdict is Verdict.FAIL
        [finding] = told(document, "hidden_difference")
        assert finding["verdict"] == "FAIL"
        days = {day["day"]: day["verdict"] for day in document["kpis"]["trips_daily"]["days"]}
        assert (days["2026-03-01"], days["2026-03-02"]) == ("PASS", "FAIL")
        assert document["hidden"][0]["fails"] is True
        assert not found.window_complete
    assert document["days"]["row_by_row"] == ["2026-03-02", "2026-03-03"]
    assert (first.window_days, second.window_days) == (0, 1)


def test_a_hidden_difference_warns_where_the_contract_lets_it(night: NightWorld) -> None:
    night.sides.migration = migration()
    swap(night, 1)

    found = reconciled(night)

    assert (found.verdict, found.window_days) == (Verdict.PASS, 2)
    assert [f["warns"] for f in told(document_of(night, found), "hidden_difference")] == [True]


def test_another_meaning_of_the_kpis_restarts_what_is_held_against_and_compares_all_days_anew(
    night: NightWorld,
) -> None:
    first = reconciled(night)
    next_night(night)
    night.sides.migration = reparsed(night.sides.migration)

    found = reconciled(night)

    document = document_of(night, found)
    assert document["before"] is None
    assert document["days"]["row_by_row"] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert found.parity_digest != first.parity_digest
    # Its days before the change count because each was compared tonight, under the contract of tonight.
    assert found.window_days == 3


def test_another_revision_compares_all_events_anew(night: NightWorld) -> None:
    reconciled(night)
    frozen = cut_of(revision=2)
    prior = before(night.sides.migration, night.as_of + timedelta(days=1), night.world())

    assert row_by_row(night.sides.migration, frozen, prior, night.world()) == tuple(
        FIRST + timedelta(days=n) for n in range(3)
    )


def test_a_difference_that_showed_and_cancels_by_now_does_not_go_unseen(night: NightWorld) -> None:
    night.sides.batch.append(trip(0).but(trip_id="x"))
    first = reconciled(night)
    next_night(night)
    night.sides.batch.remove(trip(0))

    second = document_of(night, reconciled(night))
    next_night(night)
    third = document_of(night, reconciled(night))

    assert (first.verdict, document_of(night, first)["hidden"]) == (Verdict.FAIL, [])
    for document in (second, third):
        assert document["kpis"]["trips_daily"]["differing"] == 0
        assert [(one["kind"], one["day"]) for one in document["hidden"]] == [
            ("batch_only", "2026-03-01"),
            ("stream_only", "2026-03-01"),
        ]
        assert document["verdict"] == "FAIL"


def test_all_days_of_a_row_that_differed_are_compared_row_by_row_again(night: NightWorld) -> None:
    night.sides.migration = strict(migration(kpis={"trips_weekly": "week(started)"}, begins=MONDAY))
    night.sides.batch.append(trip(0).but(trip_id="x"))
    prior = document_of(night, reconciled(night))
    next_night(night)
    night.sides.batch.remove(trip(0))

    document = document_of(night, reconciled(night))

    assert prior["hidden"] == []
    assert document["kpis"]["trips_weekly"]["differing"] == 0
    assert {one["kind"] for one in document["hidden"]} == {"batch_only", "stream_only"}


def test_the_evidence_before_is_that_of_the_latest_instant(night: NightWorld) -> None:
    next_night(night)
    later = reconciled(night)
    night.as_of -= timedelta(days=1)
    reconciled(night)
    night.as_of += timedelta(days=2)

    assert document_of(night, reconciled(night))["before"] == later.digest


def test_days_that_were_amended_since_are_compared_row_by_row_again(night: NightWorld) -> None:
    reconciled(night)
    kept = night.ledger.open_amendment(
        Amendment(0, "trips", 1, (FIRST,), 9, 1, "ana", "late", "applied", night.now_at)
    )
    frozen = cut_of(revision=1, amendments=(kept.id,))
    prior = before(night.sides.migration, night.as_of + timedelta(days=1), night.world())

    days = row_by_row(night.sides.migration, frozen, prior, night.world())

    assert days == (FIRST, FIRST + timedelta(days=2))


def cut_of(revision: int, amendments: tuple[int, ...] = ()) -> Frozen:
    """Return what row_by_row asks of a cut."""
    cut = SimpleNamespace(revision=revision, amendments=amendments)
    return cast(Frozen, SimpleNamespace(first=FIRST, closed_through=FIRST + timedelta(days=2), cut=cut))
