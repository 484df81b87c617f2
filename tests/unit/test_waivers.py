"""What a data owner accepts passes and stays in sight; nothing else does, and nothing beyond the bound."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from slipway.app.reconcile import reconcile
from slipway.app.verify import verify
from slipway.app.waive import Wish, state_of, waive, withdraw
from slipway.domain.contract import Migration, compile_migration
from slipway.domain.evidence import STREAM_FAULTS, Cause, Digest, Verdict
from slipway.domain.waivers import Waiver
from slipway.errors import Permanent
from slipway.ports import Actor, Reconciliation
from tests.fakes.night import ANA, NightWorld
from tests.fakes.two_sides import FIRST, Trip, TwoSides
from tests.fakes.two_sides import migration as trips

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)
LAST = FIRST + timedelta(days=2)


def generous(most: str = "0.5") -> Migration:
    """Trips, with a contract that lets waivers accept much: the sides of a test hold few events."""
    made = trips()
    gates = made.contract.gates.model_copy(update={"waiver_at_most": Decimal(most)})
    return compile_migration(made.contract.model_copy(update={"gates": gates}), made.schema)


def trip(n: int, day: int = 0, zone: str | None = "N", **changes: Any) -> Trip:
    started = NOON + timedelta(days=day, minutes=n)
    return dataclasses.replace(Trip(f"t{n}", f"r{n}", "A", started, zone, 100, 1.5, 1), **changes)


@pytest.fixture
def night(tmp_path: Path) -> NightWorld:
    """Three days of four trips in each zone, N, S and none; on the first day one more came late."""
    sides = TwoSides(tmp_path, generous())
    for n in range(36):
        sides.batch.append(trip(n, n % 3, ("N", "S", None)[n // 3 % 3]))
        sides.accept(sides.batch[-1])
    sides.batch.append(trip(40))
    sides.come_late(trip(40))
    return NightWorld(sides, as_of=sides.migration.closes_at(LAST) + timedelta(hours=2))


def reconciled(night: NightWorld) -> Reconciliation:
    return reconcile(night.sides.migration, night.as_of, night.world(), ANA, wait=night.wait)


def document_of(night: NightWorld, found: Reconciliation) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(dict(night.world().evidence.get(found.digest))))
    return document


def wish(**changes: Any) -> Wish:
    base = Wish("trips_daily", "late", FIRST, FIRST, (), {}, Decimal("0.5"), None, "the feed was down")
    return dataclasses.replace(base, **changes)


def given(night: NightWorld, by: Actor = ANA, **changes: Any) -> Waiver:
    return waive(night.sides.migration, wish(**changes), by, night.world())


def test_a_waived_night_passes_and_says_by_what(night: NightWorld) -> None:
    assert reconciled(night).verdict is Verdict.FAIL
    kept = given(night, measures=("trips", "short", "fares", "weights", "riders", "first", "mean_miles"))
    first = given(night, measures=("dearest",))

    found = reconciled(night)

    assert found.verdict is Verdict.PASS
    document = document_of(night, found)
    # The dearest fare is 100 with and without the late trip: nothing to cover.
    assert [one["id"] for one in document["waivers"]] == [kept.id, first.id]
    assert {used["measure"] for used in document["waivers"][0]["used"]} >= {"trips", "fares", "riders"}
    assert document["waivers"][1]["used"] == []
    one = next(u for u in document["waivers"][0]["used"] if u["measure"] == "trips")
    assert (one["day"], one["gross"], one["batch"], one["share"]) == ("2026-03-01", 1, 13, "0.076923")
    day = document["kpis"]["trips_daily"]["days"][0]
    assert (day["verdict"], day["measures"]["trips"]["beyond"], day["measures"]["trips"]["waived"]) == (
        *("PASS", 1),
        1,
    )
    told = [finding for finding in document["findings"] if finding["code"] == "waived"]
    assert len(told) == 1
    assert f"pass by waiver {kept.id}" in told[0]["what"]
    assert found.window_days == 3


def test_a_waiver_that_is_withdrawn_or_expired_or_of_another_meaning_covers_nothing(
    night: NightWorld,
) -> None:
    reconciled(night)
    kept = given(night, expires_at=night.now_at + timedelta(hours=1))
    assert reconciled(night).verdict is Verdict.PASS

    night.now_at += timedelta(hours=2)
    assert reconciled(night).verdict is Verdict.FAIL
    assert state_of(kept, night.sides.migration, night.now_at) == "expired"

    again = given(night)
    assert reconciled(night).verdict is Verdict.PASS
    withdraw(night.sides.migration, again.id, "mended", ANA, night.world())
    assert reconciled(night).verdict is Verdict.FAIL

    night.ledger.waive(dataclasses.replace(again, parity_digest=Digest("0" * 64)))
    assert reconciled(night).verdict is Verdict.FAIL


def test_a_cause_beyond_what_was_accepted_is_not_covered_and_that_is_told(night: NightWorld) -> None:
    reconciled(night)
    given(night, at_most=Decimal("0.01"))

    found = reconciled(night)

    assert found.verdict is Verdict.FAIL
    told = [f for f in document_of(night, found)["findings"] if f["code"] == "waiver_beyond_its_bound"]
    assert told
    assert told[0]["warns"]


def test_the_bound_is_met_by_a_share_that_is_equal_to_it(night: NightWorld) -> None:
    reconciled(night)
    # Of thirteen trips in batch, one came late.
    given(night, measures=("trips",), at_most=Decimal("0.0769230769230769230769"))
    assert not _covers(night, "trips")

    sides = night.sides
    sides.batch += [trip(n) for n in (50, 51, 52)]
    for n in (50, 51, 52):
        sides.accept(trip(n))
    given(night, measures=("trips",), at_most=Decimal("0.0625"))

    assert _covers(night, "trips")


def _covers(night: NightWorld, measure: str) -> bool:
    document = document_of(night, reconciled(night))
    return any(u["covers"] for one in document["waivers"] for u in one["used"] if u["measure"] == measure)


def test_several_waivers_accept_no_more_between_them_than_one_may(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, generous("0.2"))
    for n in range(8):
        sides.batch.append(trip(n, 0, ("N", "S")[n % 2]))
        sides.accept(sides.batch[-1])
    for n, zone in ((20, "N"), (21, "S")):
        sides.batch.append(trip(n, 0, zone))
        sides.come_late(trip(n, 0, zone))
    night = NightWorld(sides, as_of=sides.migration.closes_at(LAST) + timedelta(hours=2))
    reconciled(night)
    given(night, segments={"zone": ["N"]}, measures=("trips",), at_most=Decimal("0.19"))
    assert _covers(night, "trips")

    given(night, segments={"zone": ["S"]}, measures=("trips",), at_most=Decimal("0.19"))
    assert _covers(night, "trips")  # 1 of 10 and 1 of 10: 0.2 together

    sides.batch.append(trip(22, 0, "S"))
    sides.come_late(trip(22, 0, "S"))

    assert not _covers(night, "trips")


@pytest.mark.parametrize(("values", "covered"), [(["N"], True), (["S"], False), ([None], False)])
def test_only_the_cells_that_were_named_are_covered(
    night: NightWorld, values: list[str | None], covered: bool
) -> None:
    reconciled(night)
    given(night, segments={"zone": values})

    assert (reconciled(night).verdict is Verdict.PASS) is covered


def test_cells_without_a_value_are_named_by_none(night: NightWorld) -> None:
    sides = night.sides
    sides.batch.append(trip(41, 0, None))
    sides.come_late(trip(41, 0, None))
    reconciled(night)

    given(night, segments={"zone": ["N", None]})

    assert reconciled(night).verdict is Verdict.PASS


def test_what_another_cause_leaves_is_not_covered(night: NightWorld) -> None:
    night.sides.batch.append(trip(41))  # has not arrived
    reconciled(night)
    given(night)
    assert reconciled(night).verdict is Verdict.FAIL

    given(night, cause="not_arrived")

    assert reconciled(night).verdict is Verdict.PASS


def test_what_another_cause_leaves_within_the_tolerance_is_covered(night: NightWorld) -> None:
    # A cent of 500 is within the one per cent that fares may differ.
    night.sides.silver[0] = (night.sides.silver[0][0].but(fare=99), night.sides.silver[0][1])
    reconciled(night)
    given(night)

    document = document_of(night, reconciled(night))

    day = document["kpis"]["trips_daily"]["days"][0]["measures"]
    assert (day["fares"]["beyond"], day["fares"]["waived"]) == (1, 1)


@pytest.mark.parametrize("fault", sorted(STREAM_FAULTS))
def test_a_fault_of_the_stream_beside_a_waived_cause_still_fails(night: NightWorld, fault: Cause) -> None:
    sides = night.sides
    reconciled(night)
    for cause in (c for c in Cause if c not in STREAM_FAULTS):
        given(night, cause=cause.value)
    match fault:
        case Cause.ENGINE:
            sides.stream_rows = "SELECT * REPLACE (trips + 1 AS trips) FROM folded"
        case Cause.LOST_IN_STREAM:
            sides.batch.append(trip(42))
            sides.arrive("t42")
        case _:
            sides.batch.append(trip(42))
            for _ in range(3):
                sides.accept(trip(42))

    document = document_of(night, reconciled(night))

    day = document["kpis"]["trips_daily"]["days"][0]
    assert day["verdict"] == "FAIL"
    assert day["measures"]["trips"]["beyond"] > day["measures"]["trips"]["waived"]


def test_waived_evidence_verifies_even_under_other_bounds(night: NightWorld) -> None:
    reconciled(night)
    given(night)
    found = reconciled(night)
    assert found.verdict is Verdict.PASS

    assert verify(night.sides.migration, found.digest, night.world()).same
    assert verify(_narrower(night.sides.migration), found.digest, night.world()).same


def _narrower(migration: Migration) -> Migration:
    gates = migration.contract.gates.model_copy(update={"waiver_at_most": Decimal("0.001")})
    return compile_migration(migration.contract.model_copy(update={"gates": gates}), migration.schema)


@pytest.mark.parametrize(
    "by",
    [Actor("ana", authenticated=False), Actor("vic", authenticated=True)],
    ids=["not proven", "no data owner"],
)
def test_only_a_proven_data_owner_may_waive_and_withdraw(night: NightWorld, by: Actor) -> None:
    reconciled(night)
    kept = given(night)

    with pytest.raises(Permanent, match=r"may not waive .*; its data_owner may: ana"):
        given(night, by)
    with pytest.raises(Permanent, match="may not waive"):
        withdraw(night.sides.migration, kept.id, "no", by, night.world())
    assert [one.withdrawn for one in night.ledger.waivers("trips")] == [None]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cause": "engine"}, "stream's own fault and can't be waived"),
        ({"cause": "lost_in_stream"}, "stream's own fault and can't be waived"),
        ({"cause": "lates"}, "no cause 'lates'; did you mean late"),
        ({"cause": "remainder"}, "no cause 'remainder'"),
        ({"kpi": "trips"}, "no KPI 'trips'; it has trips_daily"),
        ({"measures": ("fare",)}, "no measure 'fare'"),
        ({"segments": {"zon": ["N"]}}, "did you mean zone"),
        ({"segments": {"day": ["2026-03-01"]}}, "day is no column of the grain beside the time"),
        ({"segments": {"zone": []}}, "zone without a value"),
        ({"at_most": Decimal("0.51")}, "at_most is 51 %; .* at most 50 %"),
        ({"at_most": Decimal(0)}, "more than nothing"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "which is past"),
        ({"reason": "  "}, "needs a reason"),
        ({"last_day": date(2026, 2, 28)}, "before they begin"),
        ({"first_day": date(2026, 2, 28)}, "parity.from"),
        ({"last_day": date(2026, 3, 4)}, "2026-03-04 is still open: .* closed through 2026-03-03"),
    ],
)
def test_what_cannot_be_waived_is_refused_with_its_reason(
    night: NightWorld, changes: dict[str, Any], why: str
) -> None:
    reconciled(night)

    with pytest.raises(Permanent, match=why):
        given(night, **changes)

    assert night.ledger.waivers("trips") == []


def test_nothing_is_waived_before_anything_was_compared(night: NightWorld) -> None:
    with pytest.raises(Permanent, match="nothing of trips has been compared yet"):
        given(night)


def test_a_waiver_is_ended_by_its_number_once_and_with_a_reason(night: NightWorld) -> None:
    reconciled(night)
    kept = given(night)
    migration, world = night.sides.migration, night.world()

    with pytest.raises(Permanent, match="needs a reason"):
        withdraw(migration, kept.id, " ", ANA, world)
    with pytest.raises(Permanent, match=f"no waiver 9; it has {kept.id}"):
        withdraw(migration, 9, "why", ANA, world)
    ended = withdraw(migration, kept.id, "mended", ANA, world)

    assert state_of(ended, migration, night.now_at) == "withdrawn by ana: mended"


def test_instants_are_bounded_by_how_many_cells_they_touch(tmp_path: Path) -> None:
    """A share of microseconds since 1970 would let any instant move by years."""
    sides = TwoSides(tmp_path, generous("0.5"))
    for n, zone in ((1, "N"), (2, "S"), (3, None)):
        sides.batch.append(trip(n, 0, zone))
        sides.accept(sides.batch[-1])
    sides.batch.append(trip(0))
    sides.come_late(trip(0))
    night = NightWorld(sides, as_of=sides.migration.closes_at(LAST) + timedelta(hours=2))
    reconciled(night)
    given(night, measures=("first",), at_most=Decimal("0.34"))

    used = next(
        u for u in document_of(night, reconciled(night))["waivers"][0]["used"] if u["measure"] == "first"
    )

    assert (used["gross"], used["batch"], used["covers"]) == (1, 3, True)
