"""Where a migration stands, what keeps it there, and what moves by itself when the facts change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.app import observe, rollback
from slipway.domain import transitions
from slipway.domain.contract import Migration
from slipway.domain.evidence import STREAM_FAULTS, Digest, Verdict
from slipway.domain.gates import Facts, Refused, evidence_blockers, route_epoch, words_that_stand
from slipway.domain.states import Blocker, State
from slipway.domain.transitions import Verb, decide
from slipway.errors import Retryable
from slipway.ports import Actor, Standing, World


@dataclass(frozen=True, slots=True)
class Status:
    """What a person asks first. sources: which side readers get, by KPI; journal_from: whose copy."""

    migration: str
    state: State
    revision: int | None
    blocked_by: tuple[Blocker, ...]
    next_step: str
    evidence: Digest | None
    verdict: Verdict | None
    evidence_at: datetime | None
    signed: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, str]
    route_epoch: int
    journal_from: str


def status(migration: Migration, world: World) -> Status:
    """Return where the migration stands; works from the ledger's copy while the warehouse is down."""
    try:
        observed, source = observe.recorded(migration, world), "warehouse"
    except Retryable:
        journal = tuple(world.ledger.switches(migration.name))
        observed, source = observe.from_rows(migration, world, (), journal), "ledger"
    facts = observed.facts
    blocked_by = tuple(transitions.pending(facts))
    newest = observed.newest
    signed: dict[str, list[str]] = {role: [] for role in facts.demands.sign_offs}
    for word in words_that_stand(facts):
        if word.decision == "approve":
            signed.setdefault(word.role, []).append(word.user)
    return Status(
        migration.name,
        facts.state,
        facts.revision,
        blocked_by,
        transitions.next_step(migration.name, facts.state, blocked_by),
        newest.digest if newest else None,
        newest.verdict if newest else None,
        newest.at if newest else None,
        {role: tuple(users) for role, users in signed.items()},
        {route.kpi: str(route.source) for route in observed.routes},
        route_epoch(observed.routes),
        source,
    )


def refresh(migration: Migration, world: World, by: Actor) -> Standing:
    """Let the migration move as far as the facts carry it, and keep what stops it in the ledger.

    After a switch, a reconciliation that fails by the stream's own fault rolls back; others are held.
    """
    with world.ledger.lock(migration.name):
        return refresh_locked(migration, world, by)


def refresh_locked(migration: Migration, world: World, by: Actor) -> Standing:
    """Do the same for a caller who holds the migration's lock."""
    observe.settle(migration, world, by)
    if _fails_after_switch(observe.recorded(migration, world), world):
        return _answer_failure(migration, world, by)
    while True:
        facts = observe.recorded(migration, world).facts
        to = transitions.automatic(facts)
        if to is None:
            return world.ledger.advance(
                migration.name, facts.state, by, "looked again", transitions.pending(facts)
            )
        world.ledger.advance(migration.name, to, by, _why(facts, to))


def hold(migration: Migration, world: World, by: Actor, reason: str) -> Standing:
    """Stop the migration until a person has looked; readers stay where they are."""
    return _step(migration, world, by, Verb.HOLD, reason)


def resume(migration: Migration, world: World, by: Actor, reason: str) -> Standing:
    """Let a held migration go on from SHADOW; all guards are asked again."""
    with world.ledger.lock(migration.name):
        _step(migration, world, by, Verb.RESUME, reason)
        return refresh_locked(migration, world, by)


def abort(migration: Migration, world: World, by: Actor, reason: str) -> Standing:
    """Give a migration up; what it wrote stays until somebody removes it."""
    return _step(migration, world, by, Verb.ABORT, reason)


def _step(migration: Migration, world: World, by: Actor, verb: Verb, reason: str) -> Standing:
    facts = observe.recorded(migration, world).facts
    decision = decide(facts.state, verb, facts)
    if not isinstance(decision, State):
        raise Refused(f"{verb} of {migration.name}", decision)
    return world.ledger.advance(migration.name, decision, by, reason)


def _fails_after_switch(observed: observe.Observed, world: World) -> bool:
    newest, switches = observed.newest, [row for row in observed.journal if row.action == "switch"]
    return (
        observed.facts.state in (State.SWITCHED, State.COMPLETED)
        and newest is not None
        and newest.verdict in (Verdict.FAIL, Verdict.ERROR)
        and bool(switches)
        and newest.route_epoch >= switches[-1].epoch
        and all(route.revision == newest.revision for route in observed.routes)
    )


def _answer_failure(migration: Migration, world: World, by: Actor) -> Standing:
    newest = world.ledger.reconciliations(migration.name, limit=1)[0]
    faults = sorted(
        _causes(world.ledger.evidence(newest.digest) or {}) & {str(cause) for cause in STREAM_FAULTS}
    )
    if faults:
        rollback.rollback(
            migration, world, by, f"the reconciliation after the switch found {', '.join(faults)}"
        )
    else:
        reason = f"the reconciliation after the switch is {newest.verdict} ({newest.digest[:12]})"
        world.ledger.advance(migration.name, State.HELD, by, reason)
        world.ledger.incident(migration.name, "error", f"{reason}; somebody has to look", by)
    standing = world.ledger.standing(migration.name)
    if standing is None:
        raise Retryable(f"the ledger has lost {migration.name}; look at its database")
    return standing


def _causes(document: Mapping[str, Any]) -> set[str]:
    return {
        str(cause["cause"])
        for kpi in document.get("kpis", {}).values()
        for cause in kpi.get("causes", ())
        if cause.get("gross") not in (0, "0", None)
    }


def _why(facts: Facts, to: State) -> str:
    match to:
        case State.SHADOW if facts.state in (State.ELIGIBLE, State.ARMED):
            return "what carried it is gone: " + ", ".join(b.code for b in evidence_blockers(facts))
        case State.SHADOW:
            return "caught up and reconciled"
        case State.ELIGIBLE if facts.state is State.ARMED:
            return "a sign-off is missing again"
        case State.ELIGIBLE:
            return (
                f"the observation window is complete ({facts.newest.window_days} days)"
                if facts.newest
                else ""
            )
        case State.ARMED:
            return "every role has signed the newest evidence"
        case _:
            return "a day after the switch has been reconciled and passed"
