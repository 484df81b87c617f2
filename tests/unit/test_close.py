"""Who closes a period, on what, and when it is closed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from slipway.app import close, observe, rollback, sign_off
from slipway.app.sign_off import NotEntitled
from slipway.domain.evidence import Digest, Verdict
from slipway.errors import Permanent, Retryable
from slipway.faults import InjectedFault
from slipway.ports import Actor
from tests.fakes.closing import WEEK, Closing
from tests.fakes.control import ANA, CARLA, OMAR, RITA, ROLES, control


@pytest.fixture
def ready() -> Closing:
    found = Closing(control())
    found.run()
    return found


def test_the_last_role_closes_the_period(ready: Closing) -> None:
    assert ready.say("data_owner")[1] is None
    assert ready.say("consumer")[1] is None
    assert ready.closes() == []
    assert [one.code for one in ready.standing().missing] == ["quorum_incomplete"]

    _, closed = ready.say("on_call")

    assert closed is not None
    assert [closed] == ready.closes()
    assert (closed.period.name, closed.period.first, closed.revision) == (WEEK, date(2013, 2, 25), 1)
    assert closed.signed_by == {"consumer": ["carla"], "data_owner": ["ana"], "on_call": ["omar"]}
    assert closed.by == "omar"
    assert closed.last_word == ready.control.ledger.sign_offs("flights")[-1].id
    standing = ready.standing()
    assert (standing.close, standing.run, standing.versions, standing.signable) == (closed, None, 1, False)


@pytest.mark.parametrize("by", [Actor("vic", True), Actor("ana", False), CARLA], ids=str)
def test_who_does_not_hold_the_role_or_is_not_proven_closes_nothing(ready: Closing, by: Actor) -> None:
    with pytest.raises(NotEntitled, match="does not hold the role data_owner"):
        ready.say("data_owner", by=by)
    assert ready.control.ledger.sign_offs("flights") == []


def test_who_has_triggered_the_close_run_does_not_sign_it_but_may_reject(ready: Closing) -> None:
    ready.run(n=2, by=ANA)
    with pytest.raises(Permanent, match="the requester's own sign-off does not count"):
        ready.say("data_owner")

    ready.say("data_owner", decision="reject")

    assert "rejected" in [one.code for one in ready.standing().missing]
    ready.say("consumer")
    ready.say("on_call")
    assert ready.closes() == []


def test_a_word_of_the_requester_that_stands_there_all_the_same_does_not_count(ready: Closing) -> None:
    ready.say("data_owner")
    ready.say("consumer")
    # The same evidence once more, asked for by one of those who had signed it.
    ready.run(by=CARLA)

    ready.say("on_call")

    assert ready.closes() == []


def test_one_person_counts_for_one_role(ready: Closing) -> None:
    owners = {**ready.control.migration.contract.owners, "on_call": ("omar", "ana")}
    contract = ready.control.migration.contract.model_copy(update={"owners": owners})
    found = ready.control.migration
    ready.control.migration = type(found)(contract, found.schema, found.kpis)
    ready.run(n=2)
    ready.say("data_owner")

    with pytest.raises(Permanent, match="one person counts for one role"):
        ready.say("on_call", by=ANA)


def test_a_word_can_be_withdrawn_until_the_period_is_closed(ready: Closing) -> None:
    ready.say("data_owner")
    ready.say("data_owner", decision="withdraw")
    ready.say("consumer")
    ready.say("on_call")
    assert ready.closes() == []
    ready.say("data_owner")
    assert len(ready.closes()) == 1

    with pytest.raises(Permanent, match=r"25 to 28 February 2013 is closed since .* what was signed stands"):
        ready.say("data_owner", decision="withdraw")


def test_a_rejection_stands_in_the_way_until_it_is_withdrawn(ready: Closing) -> None:
    with pytest.raises(Permanent, match="a rejection needs a comment"):
        close.sign_off(
            ready.control.migration,
            "on_call",
            "reject",
            ready.control.ledger.close_runs("flights")[0].digest,
            " ",
            OMAR,
            ready.control.world,
        )
    ready.say("on_call", decision="reject")
    ready.say("data_owner")
    ready.say("consumer")
    assert ready.closes() == []
    [incident] = ready.control.ledger.incidents("flights")
    assert "omar (on_call) rejected closing 25 to 28 February 2013" in incident["what"]

    ready.say("on_call")

    assert len(ready.closes()) == 1


@pytest.mark.parametrize(("waited", "closes"), [(60, 1), (11 * 3600, 1), (25 * 3600, 0)])
def test_a_rejection_withdrawn_as_the_last_word_closes_what_can_still_be_signed(
    ready: Closing, waited: int, closes: int
) -> None:
    owners = {**ready.control.migration.contract.owners, "on_call": ("omar", "olga")}
    gates = ready.control.migration.contract.gates.model_copy(update={"sign_off_valid": timedelta(days=9)})
    contract = ready.control.migration.contract.model_copy(update={"owners": owners, "gates": gates})
    found = ready.control.migration
    ready.control.migration = type(found)(contract, found.schema, found.kpis)
    ready.run(n=2)
    ready.say("on_call", by=Actor("olga", authenticated=True), decision="reject")
    for role in ROLES:
        ready.say(role)
    assert ready.closes() == []
    ready.control.clock.pass_(waited)

    ready.say("on_call", by=Actor("olga", authenticated=True), decision="withdraw")

    assert len(ready.closes()) == closes
    if closes:
        assert ready.closes()[0].signed_by["on_call"] == ["omar"]


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_only_a_run_that_passed_can_be_signed(ready: Closing, verdict: Verdict) -> None:
    ready.run(verdict, n=2)
    with pytest.raises(Permanent, match="only PASS can be signed"):
        ready.say("data_owner")
    assert not ready.standing().signable


def test_only_the_newest_run_of_the_period_can_be_signed(ready: Closing) -> None:
    older = ready.control.ledger.close_runs("flights")[0].digest
    ready.say("data_owner")
    ready.run(n=2)

    with pytest.raises(Permanent, match="has been superseded"):
        ready.say("consumer", older)
    # What was said on the older run does not count for the newer one.
    ready.say("consumer")
    ready.say("on_call")
    assert ready.closes() == []


def test_a_run_of_another_contract_or_revision_or_a_day_old_cannot_be_signed(ready: Closing) -> None:
    ready.run(n=2, contract_digest=Digest("f" * 64))
    with pytest.raises(Permanent, match="edited after the evidence"):
        ready.say("data_owner")
    ready.run(n=3, revision=2)
    with pytest.raises(Permanent, match="another revision"):
        ready.say("data_owner")
    ready.run(n=4)
    ready.control.clock.pass_(25 * 3600)
    with pytest.raises(Permanent, match="too old"):
        ready.say("data_owner")
    # Nobody is asked for a word that would be refused.
    standing = ready.standing()
    assert not standing.signable
    assert [one.code for one in standing.missing] == ["evidence_expired", *["quorum_incomplete"] * 3]


def test_closing_again_needs_a_new_run_and_every_word_anew(ready: Closing) -> None:
    for role in ROLES:
        ready.say(role)
    with pytest.raises(Permanent, match=r"to close it again trigger flights\.reconcile with the period"):
        ready.say("consumer")
    # The very same evidence: nothing has changed since.
    ready.run()
    standing = ready.standing()
    assert (standing.signable, len(standing.missing), standing.versions) == (True, 3, 1)

    for role in ROLES:
        ready.say(role)

    first, second = ready.closes()
    assert (second.supersedes, second.digest) == (first.id, first.digest)
    assert ready.standing().versions == 2


def test_a_rollback_of_readers_voids_no_word_on_a_period(ready: Closing) -> None:
    ready.say("data_owner")
    ready.say("consumer")
    rollback.rollback(ready.control.migration, ready.control.world, RITA, "to be sure")
    ready.say("on_call")
    assert len(ready.closes()) == 1


def test_close_runs_and_their_words_are_nothing_to_the_gates_of_a_switch(ready: Closing) -> None:
    night = ready.control.reconcile()
    before = observe.recorded(ready.control.migration, ready.control.world).facts
    ready.run(Verdict.FAIL, n=2)
    ready.run(n=3)
    for role in ROLES:
        ready.say(role)

    facts = observe.recorded(ready.control.migration, ready.control.world).facts
    assert facts.newest == before.newest == night
    outcome, missing = sign_off.gate(ready.control.migration, ready.control.world, RITA)
    assert (outcome, len(missing)) == (sign_off.Outcome.WAITING, 3)
    with pytest.raises(Permanent, match="has been superseded"):
        ready.control.sign("data_owner", evidence=ready.control.ledger.close_runs("flights")[0].digest)


def test_a_nights_evidence_closes_nothing(ready: Closing) -> None:
    night = ready.control.reconcile()
    with pytest.raises(Permanent, match="is not the evidence of a close run"):
        ready.say("data_owner", night.digest)


def test_a_lock_that_somebody_holds_is_worth_another_try(ready: Closing) -> None:
    with ready.control.ledger.lock("flights"), pytest.raises(Retryable):
        ready.say("data_owner")


@pytest.mark.parametrize("point", ["close.before_word", "close.after_word"])
def test_a_crash_around_the_last_word_leaves_both_or_none(
    ready: Closing, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.say("data_owner")
    ready.say("consumer")
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    monkeypatch.setenv("SLIPWAY_FAIL_AT", point)
    with pytest.raises(InjectedFault):
        ready.say("on_call")
    monkeypatch.delenv("SLIPWAY_FAIL_AT")
    words = ready.control.ledger.sign_offs("flights")
    assert (len(words), len(ready.closes())) == ((2, 0) if point == "close.before_word" else (3, 1))

    if not ready.closes():
        ready.say("on_call")

    assert len(ready.closes()) == 1


def test_a_period_is_asked_for_by_a_proven_person_and_begins_when_the_stream_does(ready: Closing) -> None:
    migration = ready.control.migration
    with pytest.raises(Permanent, match="for who asks does not sign, but 'root' was not proven"):
        close.wanted(migration, WEEK, Actor("root", authenticated=False))
    with pytest.raises(Permanent, match="begins on 2013-02-01, before 2013-02-25"):
        close.wanted(migration, "2013-02", ANA)
    with pytest.raises(Permanent, match="is not a period; expected a month"):
        close.wanted(migration, "Feb", ANA)
    assert close.wanted(migration, WEEK, ANA).name == WEEK
