"""Each reason why readers may not be moved, found for itself and told with all the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from slipway.domain.contract_judging import Observe
from slipway.domain.evidence import Digest, Verdict
from slipway.domain.gates import (
    Demands,
    Facts,
    Live,
    Requester,
    blockers,
    passing,
    quorum_blockers,
    words_that_stand,
)
from slipway.domain.states import State

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
E1, E2, C1, C2 = (Digest(letter * 64) for letter in "abcd")


@dataclass(frozen=True)
class Found:
    digest: Digest = E1
    verdict: Verdict = Verdict.PASS
    closed_through: date | None = date(2013, 3, 1)
    window_days: int = 5
    window_complete: bool = True
    missing: tuple[str, ...] = ()
    contract_digest: Digest = C1
    revision: int = 1
    route_epoch: int = 1
    at: datetime = NOW - timedelta(hours=1)


@dataclass(frozen=True)
class Said:
    role: str
    user: str
    decision: str = "approve"
    evidence: Digest = E1
    contract_digest: Digest = C1
    route_epoch: int = 1
    comment: str = "seen"
    at: datetime = NOW - timedelta(minutes=5)


ALL = (Said("data_owner", "ana"), Said("consumer", "carla"), Said("on_call", "omar"))
READY = Facts(
    migration="flights",
    now=NOW,
    state=State.CANARY,
    revision=1,
    contract_digest=C1,
    demands=Demands(
        evidence_valid=timedelta(hours=24),
        sign_off_valid=timedelta(hours=12),
        sign_offs={"data_owner": 1, "consumer": 1, "on_call": 1},
        owners={"data_owner": ("ana",), "consumer": ("carla", "rita"), "on_call": ("omar", "ana")},
        pending_at_most=100,
    ),
    newest=Found(),
    words=ALL,
    requester=Requester("rita", authenticated=True),
    live=Live("0" * 32, "RUNNING", True, 0, {"flights_daily": date(2013, 3, 1)}),
)


def codes(facts: Facts) -> list[str]:
    return [blocker.code for blocker in blockers(facts)]


def live(**changes: object) -> Facts:
    assert READY.live is not None
    return replace(READY, live=replace(READY.live, **changes))  # type: ignore[arg-type]


def found(**changes: object) -> Facts:
    return replace(READY, newest=Found(**changes))  # type: ignore[arg-type]


def test_nothing_stands_in_the_way_of_a_ready_migration() -> None:
    assert codes(READY) == []


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (replace(READY, newest=None, words=()), "no_evidence"),
        (found(verdict=Verdict.INCONCLUSIVE), "evidence_not_pass"),
        (found(verdict=Verdict.ERROR), "evidence_not_pass"),
        (found(at=NOW - timedelta(hours=24, seconds=1)), "evidence_expired"),
        (replace(READY, asked=E2), "evidence_superseded"),
        (replace(READY, void_epoch=2), "evidence_before_rollback"),
        (found(contract_digest=C2), "contract_changed"),
        (found(revision=2), "revision_changed"),
        (found(window_complete=False, missing=("month_end",)), "window_incomplete"),
        (replace(READY, requester=None), "requester_unauthenticated"),
        (replace(READY, requester=Requester("root", authenticated=False)), "requester_unauthenticated"),
        (replace(READY, live=None), "not_measured"),
        (live(job_running=False, job_state="RESTARTING"), "job_coming_back"),
        (live(job_running=False, job_state="FAILED"), "job_not_running"),
        (live(pending=None), "lag_unknown"),
        (live(pending=101), "lag"),
        (live(batch_through={"flights_daily": date(2013, 2, 28)}), "batch_fallback_stale"),
        (live(batch_through={"flights_daily": None}), "batch_fallback_stale"),
        (live(under_way=("amendment 1",)), "under_way"),
    ],
)
def test_each_reason_is_named_and_says_what_mends_it(facts: Facts, code: str) -> None:
    named = [blocker for blocker in blockers(facts) if blocker.code == code]

    assert len(named) == 1
    assert all([named[0].what, named[0].seen, named[0].needed, named[0].fix])


def test_an_incomplete_window_says_what_was_seen_and_what_a_whole_one_is() -> None:
    lacking = ("2 of 5 closed days in a row have passed", "no month end is among them")
    facts = found(window_complete=False, window_days=2, missing=lacking)
    wanted = replace(READY.demands, observe=Observe(closed_days=5, including=("month_end",)))

    (told,) = blockers(replace(facts, demands=wanted))

    assert told.seen == "2 of 5 closed days in a row have passed; no month end is among them"
    assert (
        told.needed
        == "5 closed days in a row that pass, a month end among them, and a closed row of every KPI"
    )
    assert "needed" not in told.seen


def test_all_reasons_are_told_at_once() -> None:
    facts = replace(
        found(verdict=Verdict.FAIL, window_complete=False, at=NOW - timedelta(days=2)),
        requester=Requester("root", authenticated=False),
        words=(),
        live=None,
    )

    assert set(codes(facts)) == {
        "requester_unauthenticated",
        "evidence_not_pass",
        "evidence_expired",
        "window_incomplete",
        "quorum_incomplete",
        "not_measured",
    }
    assert codes(facts).count("quorum_incomplete") == 3


def missing_roles(*words: Said, **changes: object) -> set[str]:
    facts = replace(READY, words=words, **changes)  # type: ignore[arg-type]
    return {
        b.what.split("role ")[1].split(" ")[0]
        for b in quorum_blockers(facts)
        if b.code == "quorum_incomplete"
    }


def test_a_sign_off_on_older_evidence_does_not_open_the_gate() -> None:
    older = tuple(replace(word, evidence=E2) for word in ALL)
    assert missing_roles(*older) == {"data_owner", "consumer", "on_call"}


def test_a_sign_off_on_an_edited_contract_does_not_count() -> None:
    assert missing_roles(replace(ALL[0], contract_digest=C2), *ALL[1:]) == {"data_owner"}


def test_a_rollback_voids_what_was_signed_before() -> None:
    again = replace(ALL[0], route_epoch=4)
    assert missing_roles(again, *ALL[1:], void_epoch=4) == {"consumer", "on_call"}


def test_a_sign_off_expires_on_the_wall_clock() -> None:
    assert missing_roles(replace(ALL[2], at=NOW - timedelta(hours=12, seconds=1)), *ALL[:2]) == {"on_call"}


def test_one_person_counts_for_one_role_only() -> None:
    assert missing_roles(ALL[0], ALL[1], Said("on_call", "ana")) == {"on_call"}


def test_the_requesters_own_sign_off_does_not_count() -> None:
    assert missing_roles(ALL[0], ALL[2], Said("consumer", "rita")) == {"consumer"}


def test_who_does_not_hold_the_role_does_not_count() -> None:
    assert missing_roles(ALL[0], ALL[1], Said("on_call", "vic")) == {"on_call"}


def test_a_withdrawn_sign_off_does_not_count() -> None:
    assert missing_roles(*ALL, replace(ALL[1], decision="withdraw")) == {"consumer"}


def test_one_rejection_blocks_even_from_someone_who_approved_in_another_role() -> None:
    facts = replace(READY, words=(*ALL, Said("on_call", "ana", "reject", comment="seats look wrong")))

    rejected = [blocker for blocker in quorum_blockers(facts) if blocker.code == "rejected"]

    assert [blocker.seen for blocker in rejected] == ["seats look wrong"]


def test_the_requester_may_reject() -> None:
    facts = replace(READY, words=(*ALL, Said("consumer", "rita", "reject")))
    assert "rejected" in codes(facts)


def test_a_withdrawn_rejection_opens_the_way_again() -> None:
    words = (*ALL, Said("on_call", "ana", "reject"), Said("on_call", "ana", "withdraw"), ALL[0])
    assert codes(replace(READY, words=words)) == []
    assert len(words_that_stand(replace(READY, words=words))) == 3


def test_a_rejection_outlives_an_approval_in_another_role() -> None:
    words = (*ALL[1:], Said("on_call", "ana", "reject"), ALL[0])
    assert "rejected" in codes(replace(READY, words=words))


def test_a_withdrawal_takes_back_only_what_was_said_in_its_own_role() -> None:
    words = (*ALL, Said("on_call", "ana", "reject"), Said("on_call", "ana", "withdraw"))
    assert codes(replace(READY, words=words)) == []

    words = (*ALL[1:], Said("on_call", "ana", "reject"), Said("data_owner", "ana", "withdraw"))
    assert "rejected" in codes(replace(READY, words=words))


def test_a_later_approval_in_the_same_role_takes_a_rejection_back_even_where_it_does_not_count() -> None:
    words = (ALL[1], Said("on_call", "ana", "reject"), ALL[0], Said("on_call", "ana"))
    assert codes(replace(READY, words=words)) == ["quorum_incomplete"]
    assert missing_roles(*words) == {"on_call"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"job_running": False, "job_state": state}, "job_coming_back")
        for state in ("CREATED", "INITIALIZING", "RESTARTING", "RUNNING")
    ]
    + [
        ({"job_running": False, "job_state": state}, "job_not_running")
        for state in ("FAILED", "CANCELED", "FINISHED", None)
    ]
    + [({"job_running": False, "job_state": "refused", "engine_silent": True}, "job_coming_back")],
)
def test_a_job_that_is_on_its_way_back_is_told_from_one_that_has_ended(
    changes: dict[str, object], code: str
) -> None:
    found = blockers(live(**changes))
    assert [blocker.code for blocker in found] == [code]
    assert passing(found) is (code == "job_coming_back")


def test_nothing_and_what_only_a_person_can_mend_do_not_pass_by_themselves() -> None:
    assert not passing([])
    assert passing(blockers(live(pending=None)))
    assert not passing(blockers(replace(live(pending=None), newest=None)))


def test_an_edit_voids_evidence_and_words_until_a_night_has_compared_all_days_anew() -> None:
    edited = replace(READY, contract_digest=C2)
    assert codes(edited) == [
        "contract_changed",
        "quorum_incomplete",
        "quorum_incomplete",
        "quorum_incomplete",
    ]

    # The days before the edit count again, for the night has compared each of them under the new contract.
    anew = replace(edited, newest=Found(digest=E2, contract_digest=C2))
    assert codes(anew) == ["quorum_incomplete"] * 3
    restarted = replace(
        anew, newest=Found(digest=E2, contract_digest=C2, window_complete=False, window_days=2)
    )
    assert codes(restarted)[0] == "window_incomplete"

    signed = tuple(replace(word, evidence=E2, contract_digest=C2) for word in ALL)
    assert codes(replace(anew, words=signed)) == []


def test_a_revision_that_changes_only_jars_needs_one_night_that_passes() -> None:
    deployed = replace(READY, revision=2)
    assert codes(deployed) == ["revision_changed"]

    passed = replace(deployed, newest=Found(digest=E2, revision=2))
    assert codes(passed) == ["quorum_incomplete"] * 3
    failed = replace(deployed, newest=Found(digest=E2, revision=2, verdict=Verdict.FAIL))
    assert "evidence_not_pass" in codes(failed)

    signed = tuple(replace(word, evidence=E2) for word in ALL)
    assert codes(replace(passed, words=signed)) == []


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_a_whole_window_opens_nothing_without_a_pass(verdict: Verdict) -> None:
    assert codes(found(verdict=verdict, window_complete=True)) == ["evidence_not_pass"]
