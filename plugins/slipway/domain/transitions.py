"""How a migration moves along its rail: one table, read by the use cases, the ledger and the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from slipway.domain.evidence import Verdict
from slipway.domain.gates import (
    Facts,
    blockers,
    evidence_blockers,
    quorum_blockers,
)
from slipway.domain.states import Blocker, State
from slipway.domain.window import spoken

RAIL = (
    State.DRAFT,
    State.CONTRACTED,
    State.PROVISIONED,
    State.HYDRATING,
    State.SHADOW,
    State.ELIGIBLE,
    State.ARMED,
    State.CANARY,
    State.SWITCHED,
    State.COMPLETED,
)
"""The way forward, in order; the other states stand beside it."""


class Verb(StrEnum):
    """What can happen to a migration."""

    ADOPT = "adopt"
    PROVISION = "provision"
    DEPLOY = "deploy"
    SHADOW = "shadow"
    OBSERVE = "observe"
    UNOBSERVE = "unobserve"
    ARM = "arm"
    DISARM = "disarm"
    CANARY = "canary"
    RESTORE = "restore"
    SWITCH = "switch"
    COMPLETE = "complete"
    ROLLBACK = "rollback"
    FALLBACK = "fallback"
    HOLD = "hold"
    RESUME = "resume"
    ABORT = "abort"


Guard = Callable[[Facts], list[Blocker]]


def reconciled(facts: Facts) -> list[Blocker]:
    """Return a blocker unless this revision was reconciled since readers were last moved back."""
    return [
        blocker
        for blocker in evidence_blockers(facts)
        if blocker.code in ("no_evidence", "revision_changed", "evidence_before_rollback")
    ]


def passed_after_switch(facts: Facts) -> list[Blocker]:
    """Return a blocker unless a day after those of the switch's evidence has been reconciled and passed."""
    newest, before = facts.newest, facts.switched_through
    fix = f"wait for the next night's {facts.migration}.reconcile"
    if newest is None or newest.closed_through is None:
        return [
            Blocker("no_evidence", "Nothing has been reconciled", "no reconciliation", "one that passed", fix)
        ]
    if newest.verdict is not Verdict.PASS:
        return [
            Blocker("evidence_not_pass", "The days after the switch do not pass", newest.verdict, "PASS", fix)
        ]
    if before is None or newest.closed_through <= before:
        return [
            Blocker(
                "not_reconciled_since",
                "No day after the switch has been reconciled yet",
                f"days closed through {spoken(newest.closed_through)}",
                f"a closed day after {spoken(before)}" if before else "a closed day after the switch",
                fix,
            )
        ]
    return []


@dataclass(frozen=True, slots=True)
class Rule:
    """One verb out of some states; guards are all asked, and all of their blockers are told."""

    verb: Verb
    out_of: frozenset[State]
    to: State
    guards: tuple[Guard, ...] = ()


_DEPLOYED = frozenset(
    {
        State.HYDRATING,
        State.SHADOW,
        State.ELIGIBLE,
        State.ARMED,
        State.CANARY,
        State.SWITCHED,
        State.COMPLETED,
        State.FALLBACK,
        State.ROLLED_BACK,
        State.HELD,
    }
)
_MOVED = frozenset({State.CANARY, State.SWITCHED, State.COMPLETED})

RULES: tuple[Rule, ...] = (
    Rule(Verb.ADOPT, frozenset({State.DRAFT, State.ABORTED}), State.CONTRACTED),
    Rule(Verb.PROVISION, frozenset({State.CONTRACTED}), State.PROVISIONED),
    Rule(Verb.DEPLOY, frozenset({State.PROVISIONED}), State.HYDRATING),
    Rule(
        Verb.SHADOW,
        frozenset({State.HYDRATING, State.ROLLED_BACK, State.FALLBACK}),
        State.SHADOW,
        (reconciled,),
    ),
    Rule(Verb.OBSERVE, frozenset({State.SHADOW}), State.ELIGIBLE, (evidence_blockers,)),
    Rule(Verb.UNOBSERVE, frozenset({State.ELIGIBLE, State.ARMED}), State.SHADOW),
    Rule(Verb.ARM, frozenset({State.ELIGIBLE}), State.ARMED, (evidence_blockers, quorum_blockers)),
    Rule(Verb.DISARM, frozenset({State.ARMED}), State.ELIGIBLE),
    Rule(Verb.CANARY, frozenset({State.ARMED, State.CANARY}), State.CANARY, (blockers,)),
    Rule(Verb.RESTORE, frozenset({State.CANARY}), State.SHADOW),
    # Out of SWITCHED and COMPLETED readers move to a newer revision, by the same guards.
    Rule(
        Verb.SWITCH,
        frozenset({State.ARMED, State.CANARY, State.SWITCHED, State.COMPLETED}),
        State.SWITCHED,
        (blockers,),
    ),
    Rule(Verb.COMPLETE, frozenset({State.SWITCHED}), State.COMPLETED, (passed_after_switch,)),
    Rule(Verb.ROLLBACK, _DEPLOYED, State.ROLLED_BACK),
    Rule(Verb.FALLBACK, _MOVED, State.FALLBACK),
    Rule(Verb.HOLD, _DEPLOYED, State.HELD),
    Rule(Verb.RESUME, frozenset({State.HELD}), State.SHADOW),
    Rule(Verb.ABORT, frozenset(set(State) - _MOVED - {State.ABORTED, State.DRAFT}), State.ABORTED),
)

ACTION_STATES = {
    "canary": State.CANARY,
    "switch": State.SWITCHED,
    "restore": State.SHADOW,
    "rollback": State.ROLLED_BACK,
    "fallback": State.FALLBACK,
}
"""The state that a row of serving.switch_log proves; the ledger follows the journal, never the other way."""

VOIDING = frozenset({"rollback", "fallback"})
"""Actions after which earlier evidence and sign-offs no longer count."""

EDGES: frozenset[tuple[State, State]] = frozenset(
    {(state, rule.to) for rule in RULES for state in rule.out_of}
    | {(state, to) for state in _DEPLOYED for to in ACTION_STATES.values()}
)
"""What the ledger accepts. Into CANARY and SWITCHED it wants the journal's row, too."""


def decide(state: State, verb: Verb, facts: Facts) -> State | tuple[Blocker, ...]:
    """Return the state that the verb leads to, or everything that keeps the migration from it."""
    rules = [rule for rule in RULES if rule.verb is verb]
    for rule in rules:
        if state in rule.out_of:
            found = _asked_once(blocker for guard in rule.guards for blocker in guard(facts))
            return found or rule.to
    wanted = " or ".join(
        sorted({str(source) for rule in rules for source in rule.out_of}, key=_place) if rules else ()
    )
    stopped = Blocker(
        "wrong_state",
        f"{verb} is not possible from {state}",
        str(state),
        wanted,
        next_step(facts.migration, state, ()),
    )
    found = _asked_once(blocker for rule in rules for guard in rule.guards for blocker in guard(facts))
    return (stopped, *found)


def settled(state: State, sources: frozenset[str], newest_action: str | None) -> State | None:
    """Return the state that the routes prove when the ledger's says otherwise; None when they agree.

    sources: what the migration's routes say (batch, canary, stream); newest_action: of the journal.
    """
    if not sources or newest_action is None:
        return None
    if sources == {"batch"}:
        return ACTION_STATES[newest_action] if state in _MOVED else None
    if state in (State.HELD, State.ABORTED):
        return None
    if "canary" in sources:
        return None if state is State.CANARY else State.CANARY
    return None if state in (State.SWITCHED, State.COMPLETED) else State.SWITCHED


def automatic(facts: Facts) -> State | None:
    """Return where the migration moves by itself, given the facts; None when it stays.

    Only forward to ARMED and back to SHADOW, and from SWITCHED to COMPLETED: readers move by a person's wish.
    """
    match facts.state:
        case State.HYDRATING | State.ROLLED_BACK | State.FALLBACK:
            verbs: tuple[Verb, ...] = (Verb.SHADOW,)
        case State.SHADOW:
            verbs = (Verb.OBSERVE,)
        case State.ELIGIBLE:
            verbs = (Verb.UNOBSERVE,) if evidence_blockers(facts) else (Verb.ARM,)
        case State.ARMED if evidence_blockers(facts):
            verbs = (Verb.UNOBSERVE,)
        case State.ARMED if quorum_blockers(facts):
            verbs = (Verb.DISARM,)
        case State.SWITCHED:
            verbs = (Verb.COMPLETE,)
        case _:
            return None
    reached = decide(facts.state, verbs[0], facts)
    return reached if isinstance(reached, State) else None


def pending(facts: Facts) -> list[Blocker]:
    """Return what keeps the migration from the next state of its rail."""
    match facts.state:
        case State.HYDRATING | State.ROLLED_BACK | State.FALLBACK:
            return reconciled(facts)
        case State.SHADOW:
            return evidence_blockers(facts)
        case State.ELIGIBLE | State.ARMED | State.CANARY | State.HELD:
            return [*evidence_blockers(facts), *quorum_blockers(facts)]
        case State.SWITCHED:
            return passed_after_switch(facts)
        case _:
            return []


def next_step(migration: str, state: State, blocked_by: Sequence[Blocker]) -> str:
    """Return one sentence: what a person does, or waits for, now."""
    if blocked_by and state not in (State.HELD, State.ABORTED):
        first = blocked_by[0]
        return first.fix[:1].upper() + first.fix[1:]
    return {
        State.DRAFT: f"Trigger {migration}.provision",
        State.CONTRACTED: f"Trigger {migration}.provision",
        State.PROVISIONED: f"Trigger {migration}.deploy",
        State.HYDRATING: f"Wait until the stream has caught up, then trigger {migration}.reconcile",
        State.SHADOW: "Wait for the next nights' reconciliations",
        State.ELIGIBLE: "Owners sign the newest evidence on the page Slipway",
        State.ARMED: f"Trigger {migration}.cutover",
        State.CANARY: f"Let {migration}.cutover finish, or trigger {migration}.rollback",
        State.SWITCHED: "Wait for the first reconciliation after the switch",
        State.COMPLETED: "None is needed; a person may retire the batch side",
        State.FALLBACK: f"Mend the stream, then trigger {migration}.reconcile",
        State.HELD: "Somebody has to look: settle what is named, then resume on the page Slipway",
        State.ROLLED_BACK: f"Find out why, then trigger {migration}.reconcile",
        State.ABORTED: f"Nothing: trigger {migration}.provision to begin again",
    }[state]


def _asked_once(found: Iterable[Blocker]) -> tuple[Blocker, ...]:
    return tuple(dict.fromkeys(found))


def _place(state: str) -> int:
    return list(State).index(State(state))
