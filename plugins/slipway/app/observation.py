"""The page for who decides: the whole observation of one migration, from the ledger alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from slipway.app.status import status
from slipway.domain.contract import Migration
from slipway.domain.narrative import used_waivers, warnings
from slipway.domain.observation import (
    Deed,
    NightSeen,
    Observation,
    days_seen,
    failures,
    verdict_of,
)
from slipway.domain.plurals import counted
from slipway.domain.states import State
from slipway.ports import Reconciliation, SignOff, World

NIGHTS = 90
"""Nights that the page looks back on: a quarter, and a bound on what has to be read."""


def write(migration: Migration, world: World) -> str:
    """Write the page as things stand now and return its path; the one before is replaced."""
    return world.reports.write_observation(observation(migration, world))


def observation(migration: Migration, world: World) -> Observation:
    """Return the whole observation. Evidence is read one by one and only what the page shows is kept."""
    found = world.ledger.reconciliations(migration.name, limit=NIGHTS + 1)
    rows, older = found[:NIGHTS], len(found) > NIGHTS
    nights = tuple(_seen(row, world) for row in reversed(rows))
    newest = rows[0] if rows else None
    counting = [n for n in nights if n.parity_digest == migration.parity_digest]
    now = status(migration, world)
    deeds = tuple(sorted(_deeds(migration, rows, world), key=lambda deed: deed.at))
    go, title = verdict_of(now.state, now.blocked_by)
    journal = world.ledger.switches(migration.name)
    moved = next((str(row.evidence) for row in reversed(journal) if row.action == "switch"), "")
    if now.state not in (State.SWITCHED, State.COMPLETED):
        moved = ""  # rolled back since: the next switch needs words of its own
    words = tuple(_word(word) for word in world.ledger.sign_offs(migration.name))
    revisions = sorted({row.revision for row in rows})
    return Observation(
        migration=migration.name,
        description=migration.contract.description,
        timezone=migration.zone.key,
        at=world.clock.now(),
        state=str(now.state),
        go=go,
        title=title,
        next_step=now.next_step,
        missing=now.blocked_by,
        nights=nights,
        older=older,
        document=world.ledger.evidence(newest.digest) if newest else None,
        failures=failures(counting, deeds),
        signed=now.signed,
        owners={role: tuple(people) for role, people in migration.contract.owners.items()},
        needed=dict(migration.contract.gates.sign_offs),
        words=words,
        deeds=deeds,
        closes=tuple(
            {
                "period": close.period.words,
                "digest": close.digest,
                "signed_by": {role: list(people) for role, people in close.signed_by.items()},
                "at": close.at,
                "restated": sum(1 for one in restated if one.close == close.id),
            }
            for restated in [tuple(world.ledger.restatements(migration.name))]
            for close in world.ledger.closes(migration.name)
        ),
        changed=len(counting) < len(nights),
        switches=tuple(
            Deed(_MOVES.get(row.action, row.action), row.by, row.at, f"{row.kpi}: {row.reason}")
            for row in journal
        ),
        amended=sum(
            one.rows
            for one in world.ledger.amendments(migration.name, max(revisions, default=1))
            if one.state == "applied"
        ),
        moved=moved,
        moved_by=_approvals(words, moved),
    )


_MOVES = {
    "canary": "canary begun",
    "switch": "readers switched to the stream",
    "rollback": "readers taken back to batch",
    "restore": "canary ended",
}
"""What a line of the switch journal did, for people."""


def _word(word: SignOff) -> Mapping[str, Any]:
    return {
        "role": word.role,
        "user": word.user,
        "decision": word.decision,
        "evidence": word.evidence,
        "comment": word.comment,
        "at": word.at,
    }


def _approvals(words: Sequence[Mapping[str, Any]], digest: str) -> tuple[Mapping[str, Any], ...]:
    """Return the approvals of one piece of evidence that were not taken back."""
    last = {(word["role"], word["user"]): word for word in words if word["evidence"] == digest}
    return tuple(word for word in last.values() if word["decision"] == "approve")


def _seen(row: Reconciliation, world: World) -> NightSeen:
    document = world.ledger.evidence(row.digest) or {"kpis": {}, "findings": []}
    return NightSeen(
        row.digest,
        row.verdict,
        row.as_of,
        row.at,
        row.revision,
        row.parity_digest,
        row.closed_through,
        row.window_days,
        row.window_complete,
        PurePath(row.report).name,
        days_seen(document),
        len(warnings(document)),
        len(used_waivers(document)),
    )


def _deeds(migration: Migration, rows: Sequence[Reconciliation], world: World) -> list[Deed]:
    """Return what people did about differences: amendments, waivers, dead letters that were sent again."""
    name = migration.name
    revisions = sorted({row.revision for row in rows})
    found = [
        Deed(
            "amended",
            one.by,
            one.at,
            f"{counted(one.rows, 'late row')}: {one.reason}",
            one.days,
        )
        for revision in revisions
        for one in world.ledger.amendments(name, revision)
        if one.state == "applied"
    ]
    found += [
        Deed("dead letters sent again", one.by, one.at, f"{counted(len(one.sent), 'record')}: {one.reason}")
        for one in world.ledger.replays(name)
        if one.sent
    ]
    return found
