"""The cut: which topic it belongs to, which offsets count, how it waits, and what makes it inconclusive."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from slipway.adapters.comparison import DuckDBComparison
from slipway.app import freeze
from slipway.app.reconcile import reconcile
from slipway.domain.evidence import Digest, Verdict
from slipway.errors import Permanent
from slipway.ports import Reconciliation
from tests.fakes.night import ANA, NightWorld, leave_out
from tests.fakes.two_sides import FIRST, Trip, TwoSides
from tests.fakes.two_sides import migration as trips

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)


def trip(n: int, day: int = 0) -> Trip:
    started = NOON + timedelta(days=day, minutes=n)
    return Trip(f"t{n}", f"r{n}", "A", started, "N", 100, 1.5, 2**n)


@pytest.fixture
def night(tmp_path: Path) -> NightWorld:
    """Three days that agree; offsets 0 to 5 of partition 0."""
    sides = TwoSides(tmp_path)
    for n in range(6):
        sides.batch.append(trip(n, n % 3))
        sides.accept(trip(n, n % 3))
    return NightWorld(sides, as_of=sides.migration.closes_at(FIRST + timedelta(days=2)))


def reconciled(night: NightWorld, **given: Any) -> Reconciliation:
    return reconcile(night.sides.migration, night.as_of, night.world(), ANA, wait=night.wait, **given)


def document(night: NightWorld, found: Reconciliation) -> Any:
    return night.world().evidence.get(found.digest)


def codes(night: NightWorld, found: Reconciliation) -> set[str]:
    return {finding["code"] for finding in document(night, found)["findings"]}


def skip(night: NightWorld, *offsets: int) -> None:
    """Move the records so that these offsets of partition 0 hold none."""
    night.end_offset = leave_out(night.sides, *offsets)


# --- the topic


def test_a_topic_that_was_made_again_is_refused_with_both_ids(night: NightWorld) -> None:
    night.ledger.remember_topic("trips", "topic-1", ANA)
    night.topic_id = "topic-2"

    with pytest.raises(Permanent, match=r"made again: bronze holds .* topic-1, and .* topic-2.*another name"):
        freeze.aim(night.sides.migration, night.as_of, night.world())


def test_a_topic_that_the_ledger_did_not_know_is_known_from_the_first_night_on(night: NightWorld) -> None:
    reconciled(night)
    night.topic_id = "topic-2"

    with pytest.raises(Permanent, match=r"made again: bronze holds .* topic-1"):
        freeze.aim(night.sides.migration, night.as_of, night.world())


def test_a_topic_that_is_made_again_behind_the_aim_is_refused(night: NightWorld) -> None:
    target = freeze.aim(night.sides.migration, night.as_of, night.world())
    night.topic_id = "topic-2"

    with pytest.raises(Permanent, match="made again"):
        reconciled(night, target=target)
    assert night.ledger.reconciliations("trips") == []


def test_a_topic_that_is_made_again_while_the_night_waits_is_refused(night: NightWorld) -> None:
    night.end_offset = 9

    def wait(_: float) -> None:
        night.topic_id, night.end_offset = "topic-2", 6
        night.now_at += timedelta(hours=1)

    with pytest.raises(Permanent, match="made again"):
        reconcile(night.sides.migration, night.as_of, night.world(), ANA, wait=wait)


def test_a_topic_that_is_gone_is_refused(night: NightWorld) -> None:
    night.topic_id = None

    with pytest.raises(Permanent, match="there is no topic raw-trips any more"):
        freeze.aim(night.sides.migration, night.as_of, night.world())


def test_a_topic_that_ends_below_what_bronze_holds_is_refused(night: NightWorld) -> None:
    night.end_offset = 5

    with pytest.raises(Permanent, match=r"bronze holds offset 5 of partition 0, but .* ends at offset 5"):
        freeze.aim(night.sides.migration, night.as_of, night.world())


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_a_compacted_topic_is_refused(night: NightWorld, policy: str) -> None:
    night.cleanup = policy

    with pytest.raises(Permanent, match=f"cleanup.policy={policy}: Kafka removes older records of a key"):
        freeze.aim(night.sides.migration, night.as_of, night.world())


def test_the_evidence_says_which_topic_was_read(night: NightWorld) -> None:
    assert document(night, reconciled(night))["cut"]["topic_id"] == "topic-1"


# --- offsets that hold no record


def test_markers_of_transactions_count_as_nothing_and_nobody_waits_for_them(night: NightWorld) -> None:
    skip(night, 0, 3, 4, 8)
    night.markers = {0, 3, 4, 8}

    found = reconciled(night)

    evidence = document(night, found)
    assert found.verdict is Verdict.PASS
    assert night.waited == []
    assert evidence["cut"]["gaps"] == [{"partition": 0, "first": 0, "through": 8, "offsets": 4}]
    assert (evidence["balance"]["produced"], evidence["balance"]["closes"]) == (6, True)


def test_what_was_proven_is_not_asked_again_and_outlives_the_topics_retention(night: NightWorld) -> None:
    skip(night, 3, 4)
    night.markers = {3, 4}
    first = reconciled(night)
    night.asked.clear()
    night.markers.clear()
    night.earliest = 5

    second = reconciled(night)

    assert night.asked == []
    assert second.digest == first.digest


def test_what_another_topic_was_proven_to_lack_says_nothing_of_this_one(night: NightWorld) -> None:
    skip(night, 3)
    night.markers = {3}
    reconciled(night)
    night.topic_id = "topic-2"
    night.ledger.forget_topic("trips")
    night.markers.clear()

    assert reconciled(night).verdict is Verdict.INCONCLUSIVE


def test_a_record_that_bronze_loses_later_is_no_marker(night: NightWorld) -> None:
    skip(night, 3)
    night.markers = {3}
    reconciled(night)
    night.sides.bronze.pop(1)
    night.sides.silver.pop(1)

    found = reconciled(night)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert document(night, found)["balance"]["absent"] == {"0": 1}
    assert document(night, found)["cut"]["gaps"] == [{"partition": 0, "first": 3, "through": 3, "offsets": 1}]


# --- offsets that can't arrive any more


def test_records_that_retention_removed_are_said_at_once(night: NightWorld) -> None:
    skip(night, 2, 3)
    night.earliest = 4

    found = reconciled(night)

    evidence = document(night, found)
    assert night.waited == []
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "records_expired" in codes(night, found)
    assert any("2 of partition 0 (offsets 2 to 3)" in finding["what"] for finding in evidence["findings"])
    [lost] = evidence["cut"]["expired"]
    assert datetime.fromisoformat(lost.pop("before")) == night.as_of
    assert lost == {"partition": 0, "first": 2, "through": 3, "offsets": 2}
    assert evidence["balance"]["closes"]
    assert reconciled(night).digest == found.digest


def test_a_tail_of_which_the_topic_lost_a_part_is_waited_for(night: NightWorld) -> None:
    night.end_offset, night.earliest = 10, 8

    found = reconciled(night)

    # A job may have read them and not committed yet; what it reads next is committed behind them.
    assert document(night, found)["cut"]["missing"] == "records: 4 of partition 0 are not in bronze"
    assert document(night, found)["cut"]["expired"] == []


def test_a_tail_that_the_topic_lost_as_a_whole_is_said(night: NightWorld) -> None:
    night.end_offset, night.earliest = 10, 10

    found = reconciled(night)

    [lost] = document(night, found)["cut"]["expired"]
    assert (lost["first"], lost["through"], lost["offsets"]) == (6, 9, 4)
    assert night.waited == []


def test_what_was_lost_before_the_compared_days_began_holds_later_nights_up_no_more(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, trips(reconcile_back="3d"))
    for n in range(6):
        sides.batch.append(trip(n, n % 3))
        sides.accept(trip(n, n % 3))
    night = NightWorld(sides, as_of=sides.migration.closes_at(FIRST + timedelta(days=2)))
    skip(night, 2, 3)
    night.earliest = 4
    lost_at = night.as_of
    told = []

    night.now_at += timedelta(days=30)
    for later in (0, 5, 7):
        night.as_of = lost_at + timedelta(days=later)
        found = reconciled(night)
        told.append("records_expired" in codes(night, found))
        [lost] = document(night, found)["cut"]["expired"]
        assert datetime.fromisoformat(lost["before"]) == lost_at

    # Three days are compared, and an event may be a day ahead of its arrival.
    assert told == [True, True, False]


# --- partitions


def test_idle_empty_and_added_partitions_do_not_hold_the_progress_back(night: NightWorld) -> None:
    night.partitions = {1: (0, 0), 2: (7, 7)}

    found = reconciled(night)

    assert found.verdict is Verdict.PASS
    assert document(night, found)["cut"]["offsets"] == {"0": 6, "1": 0, "2": 7}
    assert datetime.fromisoformat(document(night, found)["cut"]["progress"]) == night.as_of


def test_a_partition_that_nobody_has_read_yet_holds_everything(night: NightWorld) -> None:
    night.partitions = {1: (0, 2)}

    found = reconciled(night)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert document(night, found)["cut"]["missing"] == "records: 2 of partition 1 are not in bronze"
    assert found.closed_through is None


def test_a_partition_that_is_read_in_part_counts_up_to_its_newest_arrival(night: NightWorld) -> None:
    night.end_offset = 8
    read = night.sides.migration.closes_at(FIRST) + timedelta(minutes=1)
    night.sides.bronze[-1]["arrived_at"] = read

    found = reconciled(night)

    assert found.closed_through == FIRST
    assert datetime.fromisoformat(document(night, found)["cut"]["progress"]) == read


def test_a_topic_without_any_record_is_read_to_its_end(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    night = NightWorld(sides, as_of=sides.migration.closes_at(FIRST + timedelta(days=2)))

    found = reconciled(night)

    evidence = document(night, found)
    assert evidence["cut"]["missing"] == ""
    assert evidence["balance"]["produced"] == 0 and evidence["balance"]["closes"]
    assert found.closed_through == FIRST + timedelta(days=2)
    assert found.verdict is not Verdict.FAIL


# --- the wait


def test_while_nothing_is_written_nothing_is_read_again(
    night: NightWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def noting(name: str) -> Callable[..., Any]:
        real = getattr(DuckDBComparison, name)

        def noted(*given: Any) -> Any:
            looks.append(name)
            return real(*given)

        return noted

    for name in ("held", "count"):
        monkeypatch.setattr(DuckDBComparison, name, noting(name))
    night.end_offset = 8
    target = freeze.aim(night.sides.migration, night.as_of, night.world())
    looks.clear()

    frozen = freeze.freeze(
        night.sides.migration, target, night.world(), timedelta(minutes=30), wait=night.wait
    )

    assert len(night.waited) == 30
    assert looks == ["held", "count"]
    assert frozen.incomplete == "records: 2 of partition 0 are not in bronze"


def test_the_wait_ends_with_the_records(night: NightWorld) -> None:
    night.end_offset = 7

    def wait(seconds: float) -> None:
        night.wait(seconds)
        if len(night.waited) == 2:
            night.sides.accept(trip(6))
            night.sides.batch.append(trip(6))

    found = reconcile(night.sides.migration, night.as_of, night.world(), ANA, wait=wait)

    assert found.verdict is Verdict.PASS
    assert len(night.waited) == 2


# --- what changes meanwhile


def test_a_contract_that_changed_since_the_aim_is_inconclusive(night: NightWorld) -> None:
    aimed = freeze.aim(night.sides.migration, night.as_of, night.world())
    target = dataclasses.replace(aimed, contract_digest=Digest("0" * 64))

    found = reconciled(night, target=target)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "contract_changed" in codes(night, found)


def test_a_contract_that_changes_while_it_is_compared_is_inconclusive(night: NightWorld) -> None:
    other = trips(accept_late="23h")

    found = reconciled(night, reread=lambda: other)

    told = " ".join(finding["what"] for finding in document(night, found)["findings"])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert night.sides.migration.contract_digest[:12] in told and other.contract_digest[:12] in told
    assert reconciled(night, reread=lambda: night.sides.migration).verdict is Verdict.PASS


def test_a_revision_that_is_deployed_meanwhile_is_inconclusive(night: NightWorld) -> None:
    target = freeze.aim(night.sides.migration, night.as_of, night.world())
    night.ledger.remember_revision("trips", 2, night.sides.migration.contract_digest, ANA)
    night.ledger.make_current("trips", 2)

    found = reconciled(night, target=target)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "contract_changed" in codes(night, found)
