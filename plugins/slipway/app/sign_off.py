"""A person's word on the newest evidence, and whether enough of them have given theirs."""

from __future__ import annotations

from enum import StrEnum

from slipway.app import cutover, observe, status
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest, Verdict
from slipway.domain.gates import Facts, Word, evidence_blockers, quorum_blockers, route_epoch, short
from slipway.domain.states import Blocker, State
from slipway.domain.transitions import EDGES
from slipway.errors import Permanent
from slipway.ports import Actor, SignOff, World

UNSIGNABLE = frozenset(
    {
        "evidence_not_pass",
        "evidence_expired",
        "evidence_before_rollback",
        "contract_changed",
        "revision_changed",
    }
)
"""Codes of what is wrong with evidence that nobody can put their name to."""

DECISIONS = ("approve", "reject", "withdraw")


class NotEntitled(Permanent):
    """The person may not speak for this role."""


class Outcome(StrEnum):
    """What waiting for sign-offs has come to."""

    WHOLE = "whole"
    WAITING = "waiting"
    REJECTED = "rejected"
    GONE = "gone"


def sign_off(
    migration: Migration, role: str, decision: str, evidence: Digest, comment: str, by: Actor, world: World
) -> SignOff:
    """Record a person's approval, rejection or withdrawal, bound to evidence, contract and route epoch.

    NotEntitled when the contract does not name the person for the role; Permanent with the reason when this
    evidence can't be signed by them now; Retryable while somebody else holds the migration's lock.
    """
    refuse_strangers(migration, role, decision, comment, by)
    with world.ledger.lock(migration.name):
        observe.settle(migration, world, by)
        observed = observe.recorded(migration, world)
        refuse(observed.facts, role, decision, evidence, by)
        kept = world.ledger.sign(
            SignOff(
                0,
                migration.name,
                role,
                by.name,
                decision,
                evidence,
                migration.contract_digest,
                route_epoch(observed.routes),
                comment.strip(),
                world.clock.now(),
            )
        )
        if decision == "reject":
            _hold(migration, world, by, kept)
        else:
            status.refresh_locked(migration, world, by)
    return kept


def gate(migration: Migration, world: World, by: Actor) -> tuple[Outcome, list[Blocker]]:
    """Say whether the sign-offs for a cutover that `by` asked for are whole, and what is missing.

    GONE: the evidence itself no longer carries a cutover, waiting longer is no use.
    """
    facts = observe.recorded(migration, world, by).facts
    if facts.state is State.HELD:
        held = Blocker(
            "held", "The migration is held", "HELD", "ARMED", f"resume {migration.name}, then try again"
        )
        return Outcome.REJECTED, [held, *quorum_blockers(facts)]
    gone = evidence_blockers(facts)
    if gone:
        return Outcome.GONE, gone
    missing = quorum_blockers(facts)
    if any(blocker.code == "rejected" for blocker in missing):
        return Outcome.REJECTED, missing
    return (Outcome.WAITING if missing else Outcome.WHOLE), missing


def refuse_strangers(migration: Migration, role: str, decision: str, comment: str, by: Actor) -> None:
    """Refuse who does not hold the role, and words that are none."""
    holders = migration.contract.owners.get(role, ())
    if not by.authenticated or by.name not in holders:
        raise NotEntitled(
            f"{by.name} does not hold the role {role} of {migration.name}; it is held by "
            f"{', '.join(holders) or 'nobody'} (owners in the contract)"
        )
    if decision not in DECISIONS:
        raise Permanent(f"{decision!r} is not a decision; expected one of {', '.join(DECISIONS)}")
    if decision == "reject" and not comment.strip():
        raise Permanent("a rejection needs a comment: say what has to change")


def refuse(facts: Facts, role: str, decision: str, evidence: Digest, by: Actor) -> None:
    """Refuse a word that the newest evidence does not carry, or that the person can't say now."""
    newest = facts.newest
    if newest is None:
        raise Permanent(f"nothing has been reconciled yet; trigger {facts.migration}.reconcile first")
    if evidence != newest.digest:
        raise Permanent(
            f"the evidence {short(evidence)} has been superseded by {short(newest.digest)}; "
            "look at the newest report and sign that"
        )
    said = _last_words(facts, by.name)
    mine = said.get(role)
    if decision == "withdraw":
        if mine is None or mine.decision == "withdraw":
            raise Permanent(f"{by.name} has nothing to withdraw as {role} on the evidence {short(evidence)}")
        return
    if newest.verdict is not Verdict.PASS:
        raise Permanent(
            f"the evidence {short(evidence)} is {newest.verdict}; only PASS can be signed. "
            "Open its report: it names what differs"
        )
    hard = [blocker for blocker in evidence_blockers(facts) if blocker.code in UNSIGNABLE]
    if hard:
        raise Permanent(f"{hard[0].what}: {hard[0].seen}, needed {hard[0].needed}. To do: {hard[0].fix}")
    if decision != "approve":
        return
    for other, word in said.items():
        if other != role and word.decision == "approve":
            raise Permanent(
                f"{by.name} has signed as {other} already; one person counts for one role. "
                f"Withdraw that first, or let somebody else sign as {role}"
            )
    approved = mine if mine is not None and mine.decision == "approve" else None
    if approved is not None and facts.now - approved.at <= facts.demands.sign_off_valid:
        raise Permanent(f"{by.name} has signed the evidence {short(evidence)} as {role} already")


def _last_words(facts: Facts, user: str) -> dict[str, Word]:
    """Return what the person said last on this evidence, by role."""
    return {
        word.role: word
        for word in facts.words
        if word.user == user
        and facts.newest is not None
        and word.evidence == facts.newest.digest
        and word.contract_digest == facts.contract_digest
        and word.route_epoch >= facts.void_epoch
    }


def _hold(migration: Migration, world: World, by: Actor, kept: SignOff) -> None:
    reason = f"{kept.user} ({kept.role}) rejected {short(kept.evidence)}: {kept.comment}"
    cutover.restore_locked(migration, world, by, reason)
    standing = world.ledger.standing(migration.name)
    if standing and standing.state is not State.HELD and (standing.state, State.HELD) in EDGES:
        world.ledger.advance(migration.name, State.HELD, by, reason)
    world.ledger.incident(migration.name, "warning", reason, by)
