"""The text of the contract that a migration was last provisioned with.

The ledger keeps its digest; the text lies in the evidence store under that very digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.domain.changes import Change, compare
from slipway.domain.contract import Migration
from slipway.errors import Permanent
from slipway.ports import Standing, World


def document(standing: Standing | None, world: World) -> Mapping[str, Any] | None:
    """Return the adopted contract and schema; None when nothing was adopted or its text was not kept."""
    if standing is None or standing.contract_digest is None:
        return None
    try:
        return world.evidence.get(standing.contract_digest)
    except Permanent:
        # Absent, or no longer what was stored: either way it can't be compared with, and is kept again.
        return None


def keep(migration: Migration, world: World) -> None:
    """Keep the contract's text under its digest; again changes nothing."""
    world.evidence.put(migration.document)


def changes(migration: Migration, world: World) -> tuple[Change, ...]:
    """Return how the contract differs from the adopted one.

    Permanent when there is nothing to compare with.
    """
    standing = world.ledger.standing(migration.name)
    if standing is None or standing.contract_digest is None:
        raise Permanent(
            f"{migration.name} was never provisioned, so there is no adopted contract; give a file to "
            "compare with: --against FILE"
        )
    before = document(standing, world)
    if before is None:
        raise Permanent(
            f"the text of the adopted contract {standing.contract_digest[:12]} is not in the evidence store; "
            f"give a file to compare with (--against FILE), or trigger {migration.name}.provision, which "
            "keeps the text from now on"
        )
    return compare(before, migration.document)
