"""Collects what the guards look at, from the ledger, the warehouse and the engine, and judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.domain.gates import Demands, Facts, Live, Requester
from slipway.domain.states import State
from slipway.domain.transitions import ACTION_STATES, VOIDING, settled
from slipway.errors import Permanent, Retryable
from slipway.ports import (
    Actor,
    Attempt,
    EpochMoved,
    Reconciliation,
    Route,
    Source,
    SwitchRow,
    World,
)

UNDER_WAY = ("open", "running")
"""States of an amendment that has not ended."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Facts, with the rows that they were made of. journal, routes: as the warehouse has them."""

    facts: Facts
    routes: tuple[Route, ...]
    journal: tuple[SwitchRow, ...]
    newest: Reconciliation | None

    @property
    def served_by_stream(self) -> bool:
        """True when every KPI's readers get the deployed revision already."""
        return bool(self.routes) and all(
            route.source is Source.STREAM and route.revision == self.facts.revision for route in self.routes
        )


def recorded(migration: Migration, world: World, by: Actor | None = None) -> Observed:
    """Return what ledger and warehouse have on record. by: who asked for a cutover, if somebody did."""
    routes = tuple(world.serving.routes(list(migration.kpis)))
    return from_rows(migration, world, routes, tuple(world.serving.journal(migration.name)), by)


def from_rows(
    migration: Migration,
    world: World,
    routes: tuple[Route, ...],
    journal: tuple[SwitchRow, ...],
    by: Actor | None = None,
) -> Observed:
    """Return what is on record, given routes and journal that were read already."""
    standing = world.ledger.standing(migration.name)
    found = world.ledger.reconciliations(migration.name, limit=200)
    newest = found[0] if found else None
    state = standing.state if standing else State.DRAFT
    sources = frozenset(str(route.source) for route in routes)
    proven = settled(state, sources, journal[-1].action if journal else None)
    facts = Facts(
        migration=migration.name,
        now=world.clock.now(),
        state=proven or state,
        revision=standing.revision if standing else None,
        contract_digest=migration.contract_digest,
        demands=demands(migration),
        newest=newest,
        words=tuple(world.ledger.sign_offs(migration.name)),
        asked=_asked(migration, world, by),
        void_epoch=max((row.epoch for row in journal if row.action in VOIDING), default=0),
        switched_through=_switched_through(journal, found),
        requester=Requester(by.name, by.authenticated) if by else None,
    )
    return Observed(facts, routes, journal, newest)


def measured(migration: Migration, world: World, by: Actor) -> Observed:
    """Return what is on record and what is so right now: the job, its lag, the batch side."""
    observed = recorded(migration, world, by)
    live = live_now(migration, world, observed.facts.revision)
    return replace(observed, facts=replace(observed.facts, live=live))


def live_now(migration: Migration, world: World, revision: int | None) -> Live:
    """Look at the engine and at the batch tables; what can't be asked is not taken for running."""
    attempt = _attempt(migration, world, revision)
    running, state, pending, silent = False, None, None, False
    if attempt is not None:
        try:
            status = world.engine.status(attempt.job_id)
        except Retryable as error:
            state, silent = f"the engine can't be asked: {error}", True
        else:
            if status is not None:
                running, state, pending = status.running, status.state, status.pending
    under_way = [
        f"amendment {amendment.id} of {', '.join(map(str, amendment.days))} by {amendment.by}"
        for amendment in world.ledger.amendments(migration.name, revision or 0)
        if amendment.state in UNDER_WAY
    ]
    return Live(
        attempt.job_id if attempt else None,
        state,
        running,
        pending,
        world.serving.batch_through(migration),
        tuple(under_way),
        silent,
    )


def demands(migration: Migration) -> Demands:
    """Return what the contract demands of a gate.

    The stream counts as fresh while what waits arrives, at peak, within the shortest `fresh_within`.
    """
    contract = migration.contract
    fresh = min(kpi.serving.fresh_within for kpi in contract.kpis.values())
    return Demands(
        contract.gates.evidence_valid,
        contract.gates.sign_off_valid,
        contract.gates.sign_offs,
        contract.owners,
        int(contract.events.traffic.peak_per_second * fresh.total_seconds()),
        contract.gates.observe,
    )


def settle(migration: Migration, world: World, by: Actor) -> None:
    """Bring the ledger in line with the warehouse's journal, which alone says what readers get.

    Needed after a crash between a change of routes and its ledger rows; changes nothing otherwise.
    """
    journal = world.serving.journal(migration.name)
    standing = world.ledger.standing(migration.name)
    if standing is None or not journal:
        return
    world.ledger.mirror_switches(journal)
    sources = frozenset(str(route.source) for route in world.serving.routes(list(migration.kpis)))
    proven = settled(standing.state, sources, journal[-1].action)
    if proven is not None:
        row = journal[-1]
        reason = f"the warehouse's journal says so: row {row.id}, {row.action} by {row.by}"
        follow_journal(migration, world, proven, by, reason)


def follow_journal(migration: Migration, world: World, to: State, by: Actor, reason: str) -> None:
    """Advance the ledger to what the warehouse's journal proves; EpochMoved when it proves another state.

    A rollback waits for nobody's lock, so its row may be written between reading the journal and this.
    """
    try:
        world.ledger.advance(migration.name, to, by, reason)
    except Permanent as error:
        newest = world.serving.journal(migration.name)[-1:]
        if not newest or ACTION_STATES.get(newest[0].action) is to:
            raise
        raise EpochMoved(
            f"readers of {migration.name} were moved again meanwhile ({newest[0].action} by {newest[0].by}: "
            f"{newest[0].reason}), so it is not {to}; look at the switch journal and start again from there"
        ) from error


def _attempt(migration: Migration, world: World, revision: int | None) -> Attempt | None:
    attempts = world.ledger.attempts(migration.name, "revision")
    return next((attempt for attempt in attempts if attempt.revision == revision), None)


def _asked(migration: Migration, world: World, by: Actor | None) -> Digest | None:
    if by is None or not by.dag_run:
        return None
    for request in world.ledger.cutover_requests(migration.name):
        if request["dag_run"] == by.dag_run and request["evidence"]:
            return Digest(request["evidence"])
    return None


def _switched_through(journal: Sequence[SwitchRow], found: Sequence[Reconciliation]) -> date | None:
    switches = [row for row in journal if row.action == "switch"]
    if not switches:
        return None
    days = [
        each.closed_through
        for each in found
        if each.digest == switches[-1].evidence and each.closed_through is not None
    ]
    return days[0] if days else None
