"""Waivers as a migration's page shows them: what was accepted, by whom, and whether it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from slipway.app.waive import state_of, told
from slipway.domain.contract import Migration
from slipway.ports import World


@dataclass(frozen=True, slots=True)
class WaiverView:
    """One waiver. state: whether it stands, or why not; stands: the same for a program."""

    id: int
    told: str
    state: str
    stands: bool
    at: datetime
    expires_at: datetime | None


def views(migration: Migration, world: World) -> tuple[WaiverView, ...]:
    """Return every waiver ever given, newest first."""
    now = world.clock.now()
    return tuple(
        WaiverView(
            one.id,
            told(one),
            state_of(one, migration, now),
            one.stands(now, migration.parity_digest),
            one.at,
            one.expires_at,
        )
        for one in reversed(world.ledger.waivers(migration.name))
    )


def marks(migration: Migration, world: World) -> tuple[object, ...]:
    """Return what changes whenever the waivers that are shown do."""
    return tuple((one.id, one.state) for one in views(migration, world))
