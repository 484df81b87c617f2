"""What the pages show, made from ledger and journal; the templates hold no logic."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from slipway.adapters.report.heat_map import heat_map
from slipway.app import observe
from slipway.app.status import Status, status
from slipway.domain import narrative
from slipway.domain.contract import Migration
from slipway.domain.evidence import Verdict
from slipway.domain.spans import rough_span
from slipway.domain.states import Blocker, State
from slipway.domain.transitions import RAIL
from slipway.ports import Reconciliation, Standing, SwitchRow, World
from slipway.ui import closes, waivers
from slipway.ui.seats import Seat, seats

VERBS = ("provision", "deploy", "baseline", "reconcile", "amend", "waive", "maintain", "cutover", "rollback")
_ASIDE = {
    State.HELD: State.SHADOW,
    State.ROLLED_BACK: State.SHADOW,
    State.FALLBACK: State.SHADOW,
    State.ABORTED: State.DRAFT,
}
TONES = {
    State.HELD: "bad",
    State.ROLLED_BACK: "warn",
    State.FALLBACK: "warn",
    State.ABORTED: "bad",
    State.CANARY: "run",
    State.SWITCHED: "ok",
    State.COMPLETED: "ok",
    State.ARMED: "run",
    State.ELIGIBLE: "run",
}


_TITLES = {
    State.HELD: "Held",
    State.CANARY: "A canary is served",
    State.SWITCHED: "Readers get the stream",
    State.COMPLETED: "Completed",
    State.ROLLED_BACK: "Rolled back",
    State.FALLBACK: "Served from batch for now",
    State.ABORTED: "Given up",
}
"""Where readers are is more important than what the newest night says."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One station of the rail. kind: done, here or ahead."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """One migration in the list."""

    name: str
    description: str
    status: Status
    tone: str
    rail: tuple[Stop, ...]
    evidence: str
    readers: str


@dataclass(frozen=True, slots=True)
class KpiView:
    """One KPI: its heat map and the causes of its differences."""

    name: str
    title: str
    map: Markup
    causes: tuple[Mapping[str, Any], ...]
    source: str


@dataclass(frozen=True, slots=True)
class Detail:
    """One migration's page."""

    name: str
    description: str
    status: Status
    tone: str
    rail: tuple[Stop, ...]
    told: narrative.Headline | None
    title: str
    next_step: str
    signable: bool
    evidence_age: str
    newest: Reconciliation | None
    nights: tuple[Reconciliation, ...]
    kpis: tuple[KpiView, ...]
    blockers: tuple[Blocker, ...]
    seats: tuple[Seat, ...]
    roles: tuple[str, ...]
    request: Mapping[str, Any] | None
    journal: tuple[SwitchRow, ...]
    transitions: tuple[Mapping[str, Any], ...]
    incidents: tuple[Mapping[str, Any], ...]
    standing: Standing | None
    verbs: tuple[str, ...]
    readers: str
    mark: str
    closes: tuple[closes.ClosedView, ...]
    waivers: tuple[waivers.WaiverView, ...]


def overview(migrations: Mapping[str, Migration], world: World) -> list[Row]:
    """Return all migrations, those that wait for people first."""
    rows = []
    for migration in migrations.values():
        found = status(migration, world)
        rows.append(
            Row(
                migration.name,
                migration.contract.description,
                found,
                TONES.get(found.state, "plain"),
                rail(found.state),
                _evidence(found, world.clock.now()),
                _readers(found),
            )
        )
    return sorted(rows, key=lambda row: (row.status.state not in (State.HELD, State.ELIGIBLE), row.name))


def detail(migration: Migration, world: World, user: str) -> Detail:
    """Return everything that one migration's page shows to this user."""
    found = status(migration, world)
    nights = tuple(world.ledger.reconciliations(migration.name, limit=14))
    newest = nights[0] if nights else None
    document = world.ledger.evidence(newest.digest) if newest else None
    told = narrative.headline(document) if document else None
    requests = world.ledger.cutover_requests(migration.name, limit=1)
    journal = tuple(world.ledger.switches(migration.name))
    facts = observe.from_rows(migration, world, (), journal).facts
    return Detail(
        migration.name,
        migration.contract.description,
        found,
        TONES.get(found.state, "plain"),
        rail(found.state),
        told,
        _TITLES.get(found.state, told.title if told else ""),
        told.step if told and newest and newest.verdict is not Verdict.PASS else found.next_step,
        _signable(found, newest, journal),
        _evidence(found, world.clock.now()),
        newest,
        nights,
        tuple(_kpi(name, kpi, found) for name, kpi in document["kpis"].items()) if document else (),
        found.blocked_by,
        tuple(seats(migration, facts, user)),
        tuple(role for role, holders in migration.contract.owners.items() if user in holders),
        requests[0] if requests else None,
        tuple(reversed(journal)),
        tuple(reversed(world.ledger.transitions(migration.name))),
        tuple(world.ledger.incidents(migration.name))[:8],
        world.ledger.standing(migration.name),
        VERBS,
        _readers(found),
        _mark(found, _marks(migration, world)),
        closes.views(migration, world, user),
        waivers.views(migration, world),
    )


def mark(migration: Migration, world: World) -> str:
    """Return a text that changes whenever the page would: an open page asks for it and loads itself again."""
    return _mark(status(migration, world), _marks(migration, world))


def _marks(migration: Migration, world: World) -> tuple[object, ...]:
    return closes.marks(migration, world), waivers.marks(migration, world)


def rail(state: State) -> tuple[Stop, ...]:
    """Return the stations of the way forward; a state beside the rail stands where its way goes on."""
    here = RAIL.index(_ASIDE.get(state, state))
    return tuple(
        Stop(str(stop), "done" if place < here else "here" if place == here else "ahead")
        for place, stop in enumerate(RAIL)
    )


def _signable(found: Status, newest: Reconciliation | None, journal: Sequence[SwitchRow]) -> bool:
    """Say whether signatures are of use: on a PASS, and not for what readers get already."""
    if newest is None or newest.verdict is not Verdict.PASS:
        return False
    served = journal[-1].after.get("revision") if journal else None
    return found.state not in (State.SWITCHED, State.COMPLETED) or served != newest.revision


def _mark(found: Status, agreed: tuple[object, ...]) -> str:
    shown = (
        found.state,
        found.revision,
        found.evidence,
        found.evidence_at,
        sorted(found.signed.items()),
        sorted(found.sources.items()),
        found.route_epoch,
        [blocker.code for blocker in found.blocked_by],
        agreed,
    )
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def _evidence(found: Status, now: datetime) -> str:
    if found.evidence is None or found.evidence_at is None:
        return "none yet"
    return f"{rough_span(now - found.evidence_at)} old"


def _readers(found: Status) -> str:
    sources = sorted(set(found.sources.values()))
    return " and ".join(sources) if sources else "batch"


def _kpi(name: str, kpi: Mapping[str, Any], found: Status) -> KpiView:
    causes = sorted(kpi.get("causes", ()), key=lambda cause: (cause["day"], cause["measure"]))
    return KpiView(
        name, name.replace("_", " "), heat_map(kpi, (), name), tuple(causes), found.sources.get(name, "batch")
    )
