"""Readers get the batch side back, whatever else is broken."""

from __future__ import annotations

import pytest

from slipway.app import cutover, rollback, status
from slipway.domain.states import State
from slipway.errors import Permanent, Retryable
from slipway.faults import InjectedFault
from slipway.ports import RouteChange, Source
from tests.fakes.control import RITA, Control, control
from tests.unit.test_cutover import run, served


@pytest.fixture
def switched() -> Control:
    found = control()
    found.reconcile()
    found.sign_all()
    run(found)
    return found


def test_readers_get_batch_and_everybody_learns_what_changed_for_them(switched: Control) -> None:
    rows = switched.serving.stream["flights_daily", 1]
    rows[-1] = {**rows[-1], "seats": 130}

    done = rollback.rollback(switched.migration, switched.world, RITA, "a rehearsal")

    assert served(switched) == {"batch"}
    assert switched.state is State.ROLLED_BACK
    assert done.changes[0].measures == {"seats": (1, "30")}
    assert "1 of 8 rows change" in str(done)
    assert "rolled back" in str(switched.ledger.incidents("flights")[0]["what"])
    assert done.trouble == ()


def test_it_needs_neither_ledger_nor_engine_and_says_loudly_what_is_left_to_do(switched: Control) -> None:
    switched.ledger.unreachable = True
    switched.jobs.jobs.clear()

    done = rollback.rollback(switched.migration, switched.world, RITA, "everything is on fire")

    assert served(switched) == {"batch"}
    assert "!!! readers were moved, but the ledger does not know it yet" in str(done)
    switched.ledger.unreachable = False
    status.refresh(switched.migration, switched.world, RITA)
    assert switched.state is State.ROLLED_BACK
    assert len(switched.ledger.switches("flights")) == 3


def test_it_raises_the_epoch_and_writes_its_row_even_when_batch_is_served_already(switched: Control) -> None:
    first = rollback.rollback(switched.migration, switched.world, RITA, "once")
    second = rollback.rollback(switched.migration, switched.world, RITA, "twice")

    assert second.rows[0].epoch == first.rows[0].epoch + 1
    assert [row.action for row in switched.serving.journal("flights")][-2:] == ["rollback", "rollback"]
    assert second.changes == ()


def test_it_wins_against_somebody_who_moves_readers_at_the_same_moment(switched: Control) -> None:
    def quicker() -> None:
        seen = switched.serving.routes(["flights_daily"])[0]
        switched.serving.change(
            "flights", [RouteChange(seen, Source.STREAM, 1, {})], "switch", None, RITA, "quick"
        )

    switched.serving.meddle = quicker

    done = rollback.rollback(switched.migration, switched.world, RITA, "wins")

    assert served(switched) == {"batch"}
    assert done.rows[0].epoch == switched.serving.journal("flights")[-2].epoch + 1


def test_it_works_while_somebody_holds_the_migrations_lock(switched: Control) -> None:
    with switched.ledger.lock("flights"):
        rollback.rollback(switched.migration, switched.world, RITA, "the cutover hangs")
    assert served(switched) == {"batch"}


@pytest.mark.parametrize("fault", ["rollback.routed", "rollback.mirrored"])
def test_a_crash_afterwards_leaves_readers_on_batch_and_the_ledger_catches_up(
    switched: Control, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    monkeypatch.setenv("SLIPWAY_FAIL_AT", fault)
    with pytest.raises(InjectedFault):
        rollback.rollback(switched.migration, switched.world, RITA, "a crash")
    monkeypatch.delenv("SLIPWAY_FAIL_AT")

    assert served(switched) == {"batch"}
    status.refresh(switched.migration, switched.world, RITA)
    assert switched.state is State.ROLLED_BACK


def test_switching_again_needs_a_new_reconciliation_and_new_sign_offs(switched: Control) -> None:
    rollback.rollback(switched.migration, switched.world, RITA, "a rehearsal")
    with pytest.raises(Permanent):
        cutover.preflight(switched.migration, switched.world, RITA)

    switched.reconcile()
    with pytest.raises(Permanent, match="has not signed"):
        cutover.arm(switched.migration, switched.world, RITA)
    switched.sign_all()
    run(switched)

    assert served(switched) == {"stream"}


def test_a_warehouse_that_is_down_is_worth_another_try(switched: Control) -> None:
    switched.serving.unreachable = True
    with pytest.raises(Retryable):
        rollback.rollback(switched.migration, switched.world, RITA, "now")


def test_a_migration_whose_readers_were_never_moved_says_so() -> None:
    found = control()
    found.serving._routes.clear()
    with pytest.raises(Permanent, match="nothing to roll back"):
        rollback.rollback(found.migration, found.world, RITA, "by mistake")
