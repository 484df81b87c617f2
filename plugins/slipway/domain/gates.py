"""What keeps a migration from its next step: every reason at once, each with what mends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from slipway.domain.contract_judging import Observe
from slipway.domain.evidence import Digest, Verdict
from slipway.domain.spans import rough_span
from slipway.domain.states import Blocker, State
from slipway.domain.window import kind_of_day, spoken
from slipway.errors import Permanent, Retryable

COMING_BACK = frozenset({"CREATED", "INITIALIZING", "RESTARTING", "RUNNING"})
"""States of a job that gets to run by itself; RUNNING, while some of its tasks do not yet."""

_PASSING = frozenset({"job_coming_back", "lag_unknown"})


class Refused(Permanent):
    """A guard said no. blockers: everything that stands in the way, each with what mends it."""

    def __init__(self, what: str, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"{what} is refused, for {_reasons(blockers)}")
        self.blockers = tuple(blockers)


class NotYet(Retryable):
    """A guard said no, but for reasons only that pass by themselves."""

    def __init__(self, what: str, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"{what} has to wait, for {_reasons(blockers)}")


def passing(found: Sequence[Blocker]) -> bool:
    """Say whether something was found, and all of it passes without anybody's doing."""
    return bool(found) and all(blocker.code in _PASSING for blocker in found)


def _reasons(found: Sequence[Blocker]) -> str:
    lines = [f"{b.what}: seen {b.seen}; needed {b.needed}. To do: {b.fix} [{b.code}]" for b in found]
    return "\n  - ".join([f"{len(lines)} reason{'s' if len(lines) > 1 else ''}:", *lines])


class Evidence(Protocol):
    """A reconciliation, as far as a gate looks at it."""

    @property
    def digest(self) -> Digest: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def closed_through(self) -> date | None: ...
    @property
    def window_days(self) -> int: ...
    @property
    def window_complete(self) -> bool: ...
    @property
    def missing(self) -> tuple[str, ...]: ...
    @property
    def contract_digest(self) -> Digest: ...
    @property
    def revision(self) -> int: ...
    @property
    def route_epoch(self) -> int: ...
    @property
    def at(self) -> datetime: ...


class Word(Protocol):
    """A sign-off, as far as a gate looks at it."""

    @property
    def role(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def decision(self) -> str: ...
    @property
    def evidence(self) -> Digest: ...
    @property
    def contract_digest(self) -> Digest: ...
    @property
    def route_epoch(self) -> int: ...
    @property
    def comment(self) -> str: ...
    @property
    def at(self) -> datetime: ...


class HasEpoch(Protocol):
    """A route, as far as its epoch matters."""

    @property
    def epoch(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked for the cutover. authenticated: Airflow's API proved the name."""

    name: str
    authenticated: bool


@dataclass(frozen=True, slots=True)
class Demands:
    """What the contract demands before readers move; validity runs on the wall clock.

    pending_at_most: records that may wait unread while the stream still counts as fresh.
    """

    evidence_valid: timedelta
    sign_off_valid: timedelta
    sign_offs: Mapping[str, int]
    owners: Mapping[str, Sequence[str]]
    pending_at_most: int
    observe: Observe = field(default_factory=Observe)


@dataclass(frozen=True, slots=True)
class Live:
    """What was measured a moment ago, in the engine and in the warehouse.

    job_state: the engine's word, None when it does not know the job; pending: records not read yet, None when
    unknown; batch_through: newest business day of each batch table, None when it is empty.
    engine_silent: it could not be asked, and job_state says why.
    """

    job_id: str | None
    job_state: str | None
    job_running: bool
    pending: int | None
    batch_through: Mapping[str, date | None]
    under_way: tuple[str, ...] = ()
    engine_silent: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the guards look at.

    asked: the evidence that somebody wants to act on, None for the newest whatever it is.
    void_epoch: epoch of the newest rollback or fallback; what was recorded below it no longer counts.
    switched_through: closed_through of the evidence behind the last switch.
    live, requester: None where nobody measured, or nobody asked for a cutover yet.
    """

    migration: str
    now: datetime
    state: State
    revision: int | None
    contract_digest: Digest
    demands: Demands
    newest: Evidence | None
    words: tuple[Word, ...] = ()
    asked: Digest | None = None
    void_epoch: int = 0
    switched_through: date | None = None
    requester: Requester | None = None
    live: Live | None = None


def route_epoch(routes: Sequence[HasEpoch]) -> int:
    """Return the epoch that evidence and sign-offs are bound to: the highest of a migration's routes."""
    return max((route.epoch for route in routes), default=0)


def blockers(facts: Facts) -> list[Blocker]:
    """Return all reasons why readers may not be moved to the stream now."""
    return [
        *requester_blockers(facts),
        *evidence_blockers(facts),
        *quorum_blockers(facts),
        *live_blockers(facts),
    ]


def evidence_blockers(facts: Facts) -> list[Blocker]:
    """Return what is wrong with the newest evidence: absent, failing, old, superseded, another contract."""
    newest = facts.newest
    reconcile = f"trigger {facts.migration}.reconcile"
    if newest is None:
        return [
            Blocker(
                "no_evidence",
                "Nothing has been reconciled yet",
                "no reconciliation",
                "one that passed",
                reconcile,
            )
        ]
    found: list[Blocker] = []
    if newest.verdict is not Verdict.PASS:
        found.append(
            Blocker(
                "evidence_not_pass",
                "The newest reconciliation did not pass",
                f"{newest.verdict} ({short(newest.digest)})",
                "PASS",
                f"open the report, mend the named causes or amend late rows, then {reconcile}",
            )
        )
    age = facts.now - newest.at
    if age > facts.demands.evidence_valid:
        found.append(
            Blocker(
                "evidence_expired",
                "The newest evidence is too old",
                f"{rough_span(age)} old",
                f"at most {rough_span(facts.demands.evidence_valid)}",
                reconcile,
            )
        )
    if facts.asked is not None and facts.asked != newest.digest:
        found.append(
            Blocker(
                "evidence_superseded",
                "Newer evidence exists and differs from what was asked for",
                f"asked for {short(facts.asked)}",
                f"the newest, {short(newest.digest)}",
                f"look at the newest report, then trigger {facts.migration}.cutover again",
            )
        )
    if newest.route_epoch < facts.void_epoch:
        found.append(
            Blocker(
                "evidence_before_rollback",
                "Readers were moved back after this evidence",
                f"evidence of route epoch {newest.route_epoch}",
                f"route epoch {facts.void_epoch} or later",
                f"{reconcile}, then sign again",
            )
        )
    if newest.contract_digest != facts.contract_digest:
        found.append(
            Blocker(
                "contract_changed",
                "The contract was edited after the evidence was made",
                f"contract {short(newest.contract_digest)} in the evidence",
                f"evidence on contract {short(facts.contract_digest)}, as the file is now",
                f"{reconcile}, or restore the file",
            )
        )
    if newest.revision != facts.revision:
        found.append(
            Blocker(
                "revision_changed",
                "The evidence is about another revision than the deployed one",
                f"revision {newest.revision}",
                f"revision {facts.revision}",
                reconcile,
            )
        )
    if not newest.window_complete:
        found.append(
            Blocker(
                "window_incomplete",
                "The observation window is not complete",
                "; ".join(newest.missing) or f"{newest.window_days} passing days in a row",
                _window(facts.demands.observe),
                "wait for the next nights; a day that fails has to be mended or amended first",
            )
        )
    return found


def quorum_blockers(facts: Facts) -> list[Blocker]:
    """Return what the sign-offs lack: people by role, or a rejection that stands."""
    standing = words_that_stand(facts)
    found = [
        Blocker(
            "rejected",
            f"{word.user} ({word.role}) rejected this evidence",
            word.comment or "no comment",
            "no rejection",
            f"settle it with {word.user}: a withdrawn rejection or new evidence opens the gate",
        )
        for word in standing
        if word.decision == "reject"
    ]
    for role, needed in facts.demands.sign_offs.items():
        signed = sorted({word.user for word in standing if word.role == role and word.decision == "approve"})
        if len(signed) >= needed:
            continue
        others = [user for user in facts.demands.owners.get(role, ()) if user not in signed]
        if facts.requester is not None:
            others = [user for user in others if user != facts.requester.name]
        found.append(
            Blocker(
                "quorum_incomplete",
                f"The role {role} has not signed",
                f"{len(signed)} of {needed}" + (f" ({', '.join(signed)})" if signed else ""),
                f"{needed} {'person' if needed == 1 else 'people'} of role {role}",
                f"{' or '.join(others)} signs the newest evidence on the page Slipway"
                if others
                else f"name somebody other than the requester as {role} in the contract's owners",
            )
        )
    return found


def requester_blockers(facts: Facts) -> list[Blocker]:
    """Return the blocker of a cutover that nobody provably asked for."""
    if facts.requester is not None and facts.requester.authenticated:
        return []
    return [
        Blocker(
            "requester_unauthenticated",
            "Nobody provably asked for this cutover",
            f"{facts.requester.name}, not proven" if facts.requester and facts.requester.name else "nobody",
            "a user who is logged in to Airflow",
            f"trigger {facts.migration}.cutover in Airflow's page or by its REST API, not by its CLI",
        )
    ]


def live_blockers(facts: Facts) -> list[Blocker]:
    """Return what is wrong right now: the job, its lag, the batch side that readers would fall back to."""
    live = facts.live
    if live is None:
        return [
            Blocker(
                "not_measured",
                "Job and batch side were not looked at",
                "no figures of this moment",
                "the job's state and lag, and the batch side's newest day",
                "try again",
            )
        ]
    found: list[Blocker] = []
    if not live.job_running:
        found.append(_not_running(facts, live))
    elif live.pending is None:
        found.append(
            Blocker(
                "lag_unknown",
                "The stream's lag can't be told",
                "no figure from the engine",
                f"at most {facts.demands.pending_at_most} records unread",
                "try again after the job's next checkpoint",
            )
        )
    elif live.pending > facts.demands.pending_at_most:
        found.append(
            Blocker(
                "lag",
                "The stream lags behind its topic",
                f"{live.pending} records unread",
                f"at most {facts.demands.pending_at_most}",
                "wait until the job has caught up, or give it more parallelism",
            )
        )
    found += [_stale(facts, kpi, through) for kpi, through in _stale_batches(facts, live)]
    found += [
        Blocker(
            "under_way",
            "Something else changes this migration",
            what,
            "nothing under way",
            "wait until it has ended",
        )
        for what in live.under_way
    ]
    return found


def _window(observe: Observe) -> str:
    """Return the whole window in words; kinds are those of gates.observe.including."""
    among = [kind_of_day(kind) for kind in observe.including]
    days = (
        f"{observe.closed_days} closed days in a row that pass"
        if observe.closed_days > 1
        else "a closed day that passes"
    )
    return ", ".join([days, *(f"{one} among them" for one in among)]) + ", and a closed row of every KPI"


def _not_running(facts: Facts, live: Live) -> Blocker:
    what = f"The job of revision {facts.revision} is not running"
    seen = f"{live.job_state or 'unknown to the engine'} (job {live.job_id or 'none'})"
    needed, deploy = "RUNNING, all of its parts", f"trigger {facts.migration}.deploy"
    if live.engine_silent or live.job_state in COMING_BACK:
        fix = f"wait, a lost TaskManager is back within a minute; if it stays so, {deploy}"
        return Blocker("job_coming_back", what, seen, needed, fix)
    return Blocker("job_not_running", what, seen, needed, deploy)


def words_that_stand(facts: Facts) -> list[Word]:
    """Return the words that count today: each person's last one in each role, unless withdrawn.

    It counts while it is bound to this evidence and contract, no rollback came later, it has not expired, and
    the person holds the role. The requester may reject but not approve. A person's approval counts for one
    role, the first they approved in; a rejection falls only by a later word in its own role.
    """
    newest = facts.newest
    if newest is None:
        return []
    last: dict[tuple[str, str], Word] = {}
    for word in facts.words:
        bound = (
            word.evidence == newest.digest
            and word.contract_digest == facts.contract_digest
            and word.route_epoch >= facts.void_epoch
        )
        if not bound or word.user not in facts.demands.owners.get(word.role, ()):
            continue
        approved = {role for (user, role), said in last.items() if _approves(said) and user == word.user}
        if _approves(word) and approved - {word.role}:
            # It does not count, but who approves no longer rejects.
            last.pop((word.user, word.role), None)
            continue
        last[word.user, word.role] = word
    return [word for word in last.values() if _counts(word, facts)]


def _approves(word: Word) -> bool:
    return word.decision == "approve"


def _counts(word: Word, facts: Facts) -> bool:
    if word.decision == "reject":
        return True
    if word.decision != "approve" or facts.now - word.at > facts.demands.sign_off_valid:
        return False
    return facts.requester is None or word.user != facts.requester.name


def _stale_batches(facts: Facts, live: Live) -> list[tuple[str, date | None]]:
    closed = facts.newest.closed_through if facts.newest else None
    return [
        (kpi, through)
        for kpi, through in live.batch_through.items()
        if through is None or (closed is not None and through < closed)
    ]


def _stale(facts: Facts, kpi: str, through: date | None) -> Blocker:
    closed = facts.newest.closed_through if facts.newest else None
    return Blocker(
        "batch_fallback_stale",
        f"batch.{kpi}, which readers would fall back to, is behind",
        f"rows through {spoken(through)}" if through else "no rows",
        f"rows through {spoken(closed)}" if closed else "rows",
        f"trigger {facts.migration}.baseline",
    )


def short(digest: str) -> str:
    """Return the first twelve digits of a digest, enough for a person to recognise it."""
    return digest[:12]
