"""Which accept_late a migration should have, by what its newest evidence has seen arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.domain.lateness import for_target
from slipway.errors import Permanent
from slipway.ports import World


@dataclass(frozen=True, slots=True)
class Advised:
    """The advice of a piece of evidence. advice: its key `advice`, for the target that was asked for."""

    digest: Digest
    closed_through: str
    advice: Mapping[str, Any]


def advised(migration: Migration, target: Decimal | None, world: World) -> Advised:
    """Return the newest night's advice; Permanent when no night has compared a closed day yet.

    target: the share of a measure that late events may cost; None: what the night had, the contract's.
    """
    newest = world.ledger.reconciliations(migration.name, 1)
    document = world.evidence.get(newest[0].digest) if newest else {}
    advice = document.get("advice")
    if not advice:
        raise Permanent(
            f"no night of {migration.name} has told when its events arrive;"
            f" {'the newest one compared no closed day' if newest else 'none has been reconciled'}:"
            f" trigger {migration.name}.reconcile"
        )
    wanted = Decimal(advice["target"]) if target is None else target
    return Advised(newest[0].digest, document["days"]["closed_through"], for_target(advice, wanted))
