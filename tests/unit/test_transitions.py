"""The rail: no way into CANARY or SWITCHED but through evidence and quorum, in whatever order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.evidence import Verdict
from slipway.domain.gates import Facts, Live, Requester, blockers
from slipway.domain.states import State
from slipway.domain.transitions import (
    ACTION_STATES,
    EDGES,
    RULES,
    Verb,
    automatic,
    decide,
    next_step,
    settled,
)
from tests.unit.test_gates import ALL, C1, C2, E1, E2, NOW, READY, Found, Said

digests = st.sampled_from([E1, E2])
instants = st.sampled_from([NOW, NOW - timedelta(hours=13), NOW - timedelta(hours=25)])
words = st.lists(
    st.builds(
        Said,
        role=st.sampled_from(["data_owner", "consumer", "on_call"]),
        user=st.sampled_from(["ana", "carla", "omar", "rita", "vic"]),
        decision=st.sampled_from(["approve", "approve", "approve", "reject", "withdraw"]),
        evidence=digests,
        contract_digest=st.sampled_from([C1, C2]),
        route_epoch=st.integers(0, 3),
        at=instants,
    ),
    max_size=6,
).map(tuple)
# Half of the time the words that would do, so that the way forward is really walked.
facts = st.builds(
    replace,
    st.just(READY),
    newest=st.one_of(
        st.none(),
        st.builds(
            Found,
            digest=digests,
            verdict=st.sampled_from(list(Verdict)),
            window_complete=st.booleans(),
            contract_digest=st.sampled_from([C1, C2]),
            revision=st.integers(1, 2),
            route_epoch=st.integers(0, 3),
            at=instants,
        ),
        st.just(Found()),
        st.just(Found()),
    ),
    words=st.one_of(words, st.just(ALL), st.just(ALL)),
    asked=st.sampled_from([None, None, E1, E2]),
    void_epoch=st.integers(0, 3).map(lambda epoch: epoch if epoch > 1 else 0),
    requester=st.sampled_from(
        [None, READY.requester, READY.requester, Requester("root", authenticated=False)]
    ),
    live=st.sampled_from([READY.live, READY.live, None, Live(None, None, False, None, {})]),
)


def carried(found: Facts) -> bool:
    """Evidence and quorum, written down once more and independently of the guards."""
    newest = found.newest
    if newest is None or newest.verdict is not Verdict.PASS or newest.route_epoch < found.void_epoch:
        return False
    good = {
        (word.role, word.user)
        for word in found.words
        if word.decision == "approve"
        and word.evidence == newest.digest
        and word.contract_digest == found.contract_digest
        and word.route_epoch >= found.void_epoch
        and found.now - word.at <= timedelta(hours=12)
    }
    people = [
        {user for role, user in good if role == wanted and user in found.demands.owners[wanted]} - {"rita"}
        for wanted in ("data_owner", "consumer", "on_call")
    ]
    distinct = any(len(set(three)) == 3 for three in product(*people))
    return distinct and newest.window_complete and found.requester == READY.requester


@given(st.lists(st.tuples(st.sampled_from(list(Verb)), facts), max_size=25))
def test_no_path_reaches_canary_or_switched_without_evidence_and_quorum(
    steps: list[tuple[Verb, Facts]],
) -> None:
    state = State.DRAFT
    for verb, found in steps:
        reached = decide(state, verb, replace(found, state=state))
        if isinstance(reached, State):
            if reached in (State.CANARY, State.SWITCHED):
                assert carried(found)
                assert not blockers(found)
            state = reached


@given(st.sampled_from(list(State)), st.sampled_from([Verb.CANARY, Verb.SWITCH]), facts)
def test_from_no_state_at_all_without_evidence_and_quorum(state: State, verb: Verb, found: Facts) -> None:
    reached = decide(state, verb, replace(found, state=state))
    if isinstance(reached, State):
        assert carried(found)


@given(st.sampled_from(list(State)), facts)
def test_nothing_moves_readers_by_itself(state: State, found: Facts) -> None:
    assert automatic(replace(found, state=state)) not in (State.CANARY, State.SWITCHED)


def test_the_way_forward_is_open_when_everything_stands() -> None:
    state = State.DRAFT
    verbs = [
        Verb.ADOPT,
        Verb.PROVISION,
        Verb.DEPLOY,
        Verb.SHADOW,
        Verb.OBSERVE,
        Verb.ARM,
        Verb.CANARY,
        Verb.SWITCH,
    ]
    for verb in verbs:
        reached = decide(state, verb, replace(READY, state=state))
        assert isinstance(reached, State), reached
        state = reached
    assert state is State.SWITCHED


def test_a_refusal_names_the_wrong_state_and_everything_else_at_once() -> None:
    refused = decide(State.SHADOW, Verb.SWITCH, replace(READY, state=State.SHADOW, words=(), newest=None))

    assert isinstance(refused, tuple)
    assert {blocker.code for blocker in refused} >= {"wrong_state", "no_evidence", "quorum_incomplete"}


@pytest.mark.parametrize(
    ("state", "changes", "to"),
    [
        (State.HYDRATING, {}, State.SHADOW),
        (State.SHADOW, {}, State.ELIGIBLE),
        (State.ELIGIBLE, {}, State.ARMED),
        (State.ARMED, {}, None),
        (State.ARMED, {"words": ()}, State.ELIGIBLE),
        (State.ARMED, {"newest": Found(verdict=Verdict.FAIL)}, State.SHADOW),
        (State.ELIGIBLE, {"newest": Found(at=NOW - timedelta(days=2))}, State.SHADOW),
        (State.ROLLED_BACK, {"void_epoch": 2}, None),
        (State.ROLLED_BACK, {"void_epoch": 1}, State.SHADOW),
        (State.HELD, {}, None),
    ],
)
def test_what_carried_a_state_carries_it_only_while_it_lasts(
    state: State, changes: dict[str, object], to: State | None
) -> None:
    assert automatic(replace(READY, state=state, **changes)) is to  # type: ignore[arg-type]


def test_completed_needs_a_day_after_the_switch_not_a_day_on_the_calendar() -> None:
    switched = replace(READY, state=State.SWITCHED, newest=Found())
    assert Found().closed_through is not None
    assert automatic(replace(switched, switched_through=Found().closed_through)) is None
    earlier = Found().closed_through - timedelta(days=1)  # type: ignore[operator]
    assert automatic(replace(switched, switched_through=earlier)) is State.COMPLETED


@pytest.mark.parametrize(
    ("state", "sources", "action", "proven"),
    [
        (State.ARMED, {"canary"}, "canary", State.CANARY),
        (State.CANARY, {"stream"}, "switch", State.SWITCHED),
        (State.CANARY, {"batch"}, "restore", State.SHADOW),
        (State.SWITCHED, {"batch"}, "rollback", State.ROLLED_BACK),
        (State.COMPLETED, {"stream"}, "switch", None),
        (State.SHADOW, {"batch"}, "rollback", None),
        (State.HELD, {"stream"}, "switch", None),
        (State.SHADOW, set(), None, None),
    ],
)
def test_the_journal_decides_where_the_ledger_says_otherwise(
    state: State, sources: set[str], action: str | None, proven: State | None
) -> None:
    assert settled(state, frozenset(sources), action) is proven


def test_every_rule_is_an_edge_that_the_ledger_accepts_and_every_state_knows_its_next_step() -> None:
    assert {(source, rule.to) for rule in RULES for source in rule.out_of} <= EDGES
    assert (State.DRAFT, State.SWITCHED) not in EDGES
    assert set(ACTION_STATES) == {"canary", "switch", "restore", "rollback", "fallback"}
    assert all(next_step("flights", state, ()) for state in State)


@pytest.mark.parametrize("state", State)
def test_no_next_step_names_what_nothing_offers(state: State) -> None:
    assert " abort" not in next_step("flights", state, ())
