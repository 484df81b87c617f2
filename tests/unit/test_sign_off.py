"""Who may say what about which evidence, and what their word does."""

from __future__ import annotations

import pytest

from slipway.app import rollback, sign_off, status
from slipway.app.sign_off import NotEntitled, Outcome
from slipway.domain.evidence import Digest, Verdict
from slipway.domain.states import State
from slipway.errors import Permanent, Retryable
from slipway.ports import Actor
from tests.fakes.control import ANA, CARLA, RITA, Control, control


@pytest.fixture
def ready() -> Control:
    found = control()
    found.reconcile()
    return found


def test_a_night_that_passes_makes_the_migration_eligible(ready: Control) -> None:
    assert ready.state is State.ELIGIBLE


def test_a_quorum_arms_the_migration_and_a_withdrawal_disarms_it(ready: Control) -> None:
    ready.sign_all()
    assert ready.state is State.ARMED

    ready.sign("consumer", "withdraw")

    assert ready.state is State.ELIGIBLE
    assert status.status(ready.migration, ready.world).signed["consumer"] == ()


@pytest.mark.parametrize(
    "by", [Actor("vic", authenticated=True), RITA, CARLA, Actor("ana", authenticated=False)], ids=str
)
def test_who_does_not_hold_the_role_or_is_not_proven_cannot_sign(ready: Control, by: Actor) -> None:
    with pytest.raises(NotEntitled, match="does not hold the role data_owner"):
        ready.sign("data_owner", by=by)
    assert ready.ledger.sign_offs("flights") == []


def test_only_the_newest_evidence_can_be_signed(ready: Control) -> None:
    older = ready.ledger.reconciliations("flights")[0].digest
    ready.reconcile(document={"night": 2})

    with pytest.raises(Permanent, match="has been superseded"):
        ready.sign("data_owner", evidence=older)


def test_a_sign_off_on_older_evidence_does_not_open_the_gate_for_newer(ready: Control) -> None:
    ready.sign_all()
    ready.reconcile(document={"night": 2})

    outcome, missing = sign_off.gate(ready.migration, ready.world, RITA)

    assert outcome is Outcome.WAITING
    assert [blocker.code for blocker in missing] == ["quorum_incomplete"] * 3
    assert ready.state is State.ELIGIBLE


def test_new_evidence_with_the_same_digest_keeps_the_sign_offs(ready: Control) -> None:
    ready.sign_all()
    ready.reconcile()

    assert sign_off.gate(ready.migration, ready.world, RITA)[0] is Outcome.WHOLE


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_nobody_can_sign_evidence_that_is_not_pass(ready: Control, verdict: Verdict) -> None:
    ready.reconcile(verdict)
    with pytest.raises(Permanent, match="only PASS can be signed"):
        ready.sign("data_owner")


def test_evidence_of_an_edited_contract_cannot_be_signed(ready: Control) -> None:
    ready.reconcile(contract_digest=Digest("f" * 64))
    with pytest.raises(Permanent, match="edited after the evidence"):
        ready.sign("data_owner")


def test_expired_evidence_cannot_be_signed(ready: Control) -> None:
    ready.clock.pass_(25 * 3600)
    with pytest.raises(Permanent, match="too old"):
        ready.sign("data_owner")


def test_the_same_word_twice_is_refused_until_it_has_expired(ready: Control) -> None:
    ready.sign("data_owner")
    with pytest.raises(Permanent, match="already"):
        ready.sign("data_owner")

    ready.clock.pass_(13 * 3600)
    ready.sign("data_owner")

    assert len(ready.ledger.sign_offs("flights")) == 2


def test_one_person_cannot_sign_in_two_roles(ready: Control) -> None:
    owners = {**ready.migration.contract.owners, "on_call": ("omar", "ana")}
    contract = ready.migration.contract.model_copy(update={"owners": owners})
    ready.migration = type(ready.migration)(contract, ready.migration.schema, ready.migration.kpis)
    ready.reconcile()
    ready.sign("data_owner")

    with pytest.raises(Permanent, match="one person counts for one role"):
        ready.sign("on_call", by=ANA)


def test_a_withdrawal_needs_a_word_in_its_own_role(ready: Control) -> None:
    owners = {**ready.migration.contract.owners, "on_call": ("omar", "ana")}
    contract = ready.migration.contract.model_copy(update={"owners": owners})
    ready.migration = type(ready.migration)(contract, ready.migration.schema, ready.migration.kpis)
    ready.reconcile()
    ready.sign("data_owner")

    with pytest.raises(Permanent, match="ana has nothing to withdraw as on_call"):
        ready.sign("on_call", "withdraw", by=ANA)
    assert status.status(ready.migration, ready.world).signed["data_owner"] == ("ana",)


def test_a_rejection_holds_the_migration_until_a_person_resumes_it(ready: Control) -> None:
    with pytest.raises(Permanent, match="needs a comment"):
        ready.sign("consumer", "reject", comment=" ")

    ready.sign("consumer", "reject", comment="seats look wrong")
    assert ready.state is State.HELD
    assert sign_off.gate(ready.migration, ready.world, RITA)[0] is Outcome.REJECTED
    ready.reconcile(document={"night": 2})
    assert ready.state is State.HELD

    status.resume(ready.migration, ready.world, ANA, "seats were right after all")
    assert ready.state is State.ELIGIBLE


def test_a_rollback_voids_evidence_and_sign_offs_without_writing_to_either(ready: Control) -> None:
    ready.sign_all()
    rollback.rollback(ready.migration, ready.world, RITA, "a rehearsal")

    with pytest.raises(Permanent, match="moved back after this evidence"):
        ready.sign("data_owner")
    ready.reconcile()
    outcome, missing = sign_off.gate(ready.migration, ready.world, RITA)
    assert (outcome, len(missing)) == (Outcome.WAITING, 3)

    ready.sign_all()
    assert sign_off.gate(ready.migration, ready.world, RITA)[0] is Outcome.WHOLE


def test_waiting_ends_when_the_evidence_is_gone(ready: Control) -> None:
    ready.reconcile(Verdict.FAIL)
    assert sign_off.gate(ready.migration, ready.world, RITA)[0] is Outcome.GONE


def test_a_signature_waits_for_whoever_holds_the_lock(ready: Control) -> None:
    with ready.ledger.lock("flights"), pytest.raises(Retryable, match="lock"):
        ready.sign("data_owner")
    assert ready.ledger.sign_offs("flights") == []
