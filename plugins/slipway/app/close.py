"""Month-end close: a period's days compared at one cut, signed by every role, and final from then on.

A close run is a reconciliation of the period's days alone. Its evidence is signed by the roles that a switch
needs, under the same rules; with the word that makes the quorum whole the period is closed, in one
transaction. What moves afterwards is a restatement (app/restate.py). Closing again supersedes the close.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from slipway.app import observe
from slipway.app.sign_off import UNSIGNABLE, refuse, refuse_strangers
from slipway.domain import periods
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.domain.gates import (
    Facts,
    Requester,
    evidence_blockers,
    quorum_blockers,
    route_epoch,
    short,
    words_that_stand,
)
from slipway.domain.periods import Period
from slipway.domain.restatements import PeriodClose, Restatement
from slipway.domain.states import Blocker, State
from slipway.domain.window import spoken
from slipway.errors import Permanent
from slipway.faults import fail_at
from slipway.ports import Actor, Reconciliation, SignOff, World

RUNS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class PeriodStanding:
    """Where one period stands.

    close: what counts now, None before the first. run: a close run that waits for people, or did not pass;
    None when the newest one was signed. missing: what keeps it from being signed, and what its sign-offs
    lack. restated: values that are not what was signed any more. versions: how often it was closed.
    """

    period: Period
    close: PeriodClose | None
    run: Reconciliation | None
    facts: Facts | None
    missing: tuple[Blocker, ...]
    restated: tuple[Restatement, ...]
    versions: int

    @property
    def signable(self) -> bool:
        """True when a close run waits for people's words, and they would be taken."""
        return self.run is not None and not any(blocker.code in UNSIGNABLE for blocker in self.missing)

    def to_json(self) -> dict[str, Any]:
        """Return where the period stands as plain values."""
        return {
            "period": self.period.name,
            "first": self.period.first,
            "last": self.period.last,
            "closed": None if self.close is None else {**asdict(self.close), "period": self.period.name},
            "versions": self.versions,
            "run": None if self.run is None else asdict(self.run),
            "missing": [asdict(blocker) for blocker in self.missing],
            "restatements": [asdict(row) for row in self.restated],
        }


def wanted(migration: Migration, name: str, by: Actor) -> Period:
    """Return the period to close; Permanent when there is none, or nobody provably asks."""
    found = periods.period(name)
    periods.refuse_early(found, migration.contract.parity.from_day)
    if not by.authenticated:
        raise Permanent(
            f"closing {found.words} needs a person who is logged in, for who asks does not sign, but"
            f" {by.name!r} was not proven; trigger {migration.name}.reconcile in Airflow or by its API"
        )
    return found


def instant(migration: Migration, world: World) -> datetime:
    """Return the instant of a close run that names none: that of the newest baseline."""
    run = world.facts.batch_run(migration.name)
    if run is None:
        raise Permanent(
            f"nothing can be closed: the baseline of {migration.name} was never built; trigger"
            f" {migration.name}.baseline first"
        )
    return run.as_of


def sign_off(
    migration: Migration, role: str, decision: str, evidence: Digest, comment: str, by: Actor, world: World
) -> tuple[SignOff, PeriodClose | None]:
    """Record a person's word on a close run; with the word that makes the quorum whole the period is closed.

    NotEntitled when the contract does not name the person for the role; Permanent with the reason when they
    can't sign this evidence now; Retryable while somebody else holds the migration's lock.
    """
    refuse_strangers(migration, role, decision, comment, by)
    with world.ledger.lock(migration.name):
        found = _run_of(migration, evidence, world)
        period = periods.period(str(found.period))
        before = _newest_close(migration, period, world)
        _refuse_closed(migration, period, found, before)
        facts = _facts(migration, _newest_run(migration, period, world), before, world)
        refuse(facts, role, decision, evidence, by)
        if decision == "approve" and by.name == found.by:
            raise Permanent(
                f"{by.name} has triggered this close run, and the requester's own sign-off does not count;"
                f" let somebody else sign as {role}"
            )
        word = SignOff(
            0,
            migration.name,
            role,
            by.name,
            decision,
            evidence,
            migration.contract_digest,
            route_epoch(world.serving.routes(list(migration.kpis))),
            comment.strip(),
            world.clock.now(),
        )
        close = _close(migration, period, found, replace(facts, words=(*facts.words, word)), by)
        fail_at("close.before_word")
        kept = world.ledger.sign_close(word, close)
        fail_at("close.after_word")
        if decision == "reject":
            world.ledger.incident(
                migration.name,
                "warning",
                f"{by.name} ({role}) rejected closing {period.words} on {short(evidence)}: {comment.strip()}",
                by,
            )
    return kept, _newest_close(migration, period, world) if close else None


def standings(migration: Migration, world: World) -> list[PeriodStanding]:
    """Return where every period stands that was ever closed, or run for it; the latest first."""
    closes: dict[str, list[PeriodClose]] = {}
    for close in world.ledger.closes(migration.name):
        closes.setdefault(close.period.name, []).append(close)
    runs: dict[str, Reconciliation] = {}
    for one in world.ledger.close_runs(migration.name, RUNS_SHOWN):
        runs.setdefault(str(one.period), one)
    restated = {row.place: row for row in world.ledger.restatements(migration.name)}
    found = []
    for name in closes.keys() | runs.keys():
        signed = closes.get(name, [])
        newest = signed[-1] if signed else None
        waiting = runs.get(name)
        if waiting is not None and newest is not None and waiting.at <= newest.at:
            waiting = None
        facts = _facts(migration, waiting, newest, world) if waiting else None
        found.append(
            PeriodStanding(
                periods.period(name),
                newest,
                waiting,
                facts,
                (*_unsignable(facts), *quorum_blockers(facts)) if facts else (),
                tuple(row for row in restated.values() if newest and row.close == newest.id and row.stands),
                len(signed),
            )
        )
    return sorted(found, key=lambda one: one.period, reverse=True)


def _close(
    migration: Migration, period: Period, found: Reconciliation, facts: Facts, by: Actor
) -> PeriodClose | None:
    """Return the close that the words make whole, None while one is missing."""
    # A rejection that is withdrawn may be the last word, too, and is not asked what it is withdrawn from.
    if _unsignable(facts) or quorum_blockers(facts):
        return None
    signed: dict[str, list[str]] = {}
    for word in words_that_stand(facts):
        if word.decision == "approve":
            signed.setdefault(word.role, []).append(word.user)
    return PeriodClose(
        0,
        migration.name,
        period,
        found.digest,
        found.revision,
        {role: sorted(set(users)) for role, users in sorted(signed.items())},
        by.name,
        facts.now,
    )


def _unsignable(facts: Facts) -> list[Blocker]:
    """Return what is wrong with a close run that nobody can put their name to."""
    return [blocker for blocker in evidence_blockers(facts) if blocker.code in UNSIGNABLE]


def _facts(migration: Migration, found: Reconciliation, before: PeriodClose | None, world: World) -> Facts:
    """Return what the gates look at. Words that have closed the period once don't close it again."""
    standing = world.ledger.standing(migration.name)
    spent = before.last_word if before else 0
    words = world.ledger.sign_offs(migration.name, found.digest)
    return Facts(
        migration=migration.name,
        now=world.clock.now(),
        state=standing.state if standing else State.DRAFT,
        revision=standing.revision if standing else None,
        contract_digest=migration.contract_digest,
        demands=observe.demands(migration),
        newest=found,
        words=tuple(word for word in words if word.id > spent),
        # What readers get says nothing of whether numbers are final, so no rollback voids a word.
        void_epoch=0,
        requester=Requester(found.by, authenticated=True),
    )


def _run_of(migration: Migration, evidence: Digest, world: World) -> Reconciliation:
    for one in world.ledger.close_runs(migration.name, RUNS_SHOWN):
        if one.digest == evidence:
            return one
    raise Permanent(
        f"{short(evidence)} is not the evidence of a close run of {migration.name}; trigger"
        f" {migration.name}.reconcile with a period first, and sign what its report shows"
    )


def _newest_run(migration: Migration, period: Period, world: World) -> Reconciliation:
    runs = world.ledger.close_runs(migration.name, RUNS_SHOWN)
    return next(one for one in runs if one.period == period.name)


def _newest_close(migration: Migration, period: Period, world: World) -> PeriodClose | None:
    closes = [close for close in world.ledger.closes(migration.name) if close.period.name == period.name]
    return closes[-1] if closes else None


def _refuse_closed(
    migration: Migration, period: Period, found: Reconciliation, before: PeriodClose | None
) -> None:
    if before is not None and found.at <= before.at:
        raise Permanent(
            f"{period.words} is closed since {spoken(before.at.date())}, on evidence {short(before.digest)},"
            f" and what was signed stands; to close it again trigger {migration.name}.reconcile with the"
            f" period {period.name} and sign the new evidence"
        )
