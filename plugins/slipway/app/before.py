"""The evidence before: what closed days are held against, and which of them need no second look at events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from slipway.app.freeze import Frozen
from slipway.domain.closing import opening_day
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest, Verdict
from slipway.ports import World

_JUDGED = (Verdict.PASS, Verdict.FAIL)
_LOOKED_THROUGH = 200


@dataclass(frozen=True, slots=True)
class Before:
    """A piece of evidence and what it says."""

    digest: Digest
    document: Mapping[str, Any]


def before(migration: Migration, as_of: datetime, world: World) -> Before | None:
    """Return the evidence of the latest earlier instant that judged the same KPIs; None for the first.

    By the instant, not by when it was made: a night that is repeated at its cut then has the same evidence
    before it, and so the same digest. Nights that saw too little or broke are passed over: nothing that they
    say of a day can be held against another night.
    """
    judged = [
        night
        for night in world.ledger.reconciliations(migration.name, _LOOKED_THROUGH)
        if night.parity_digest == migration.parity_digest and night.as_of < as_of and night.verdict in _JUDGED
    ]
    # Newest first as they come, which stays the order of those of one instant.
    for night in sorted(judged, key=lambda night: night.as_of, reverse=True):
        document = world.ledger.evidence(night.digest)
        if document is not None:
            return Before(night.digest, document)
    return None


def row_by_row(migration: Migration, frozen: Frozen, prior: Before | None, world: World) -> tuple[date, ...]:
    """Return the closed days whose events are compared one by one, ascending.

    Those that closed since the evidence before, those with differences that cancelled or showed there, and
    those that were amended since; all of them without such evidence, or after another revision.
    """
    if frozen.closed_through is None:
        return ()
    days = [frozen.first + timedelta(days=n) for n in range((frozen.closed_through - frozen.first).days + 1)]
    if prior is None or prior.document["revision"] != frozen.cut.revision:
        return tuple(days)
    seen = prior.document["days"]
    if "row_by_row" not in seen:
        return tuple(days)
    done = {date.fromisoformat(day) for day in seen["closed"]}
    again = {date.fromisoformat(hidden["day"]) for hidden in prior.document["hidden"]}
    again.update(_days_that_differed(migration, prior.document))
    since = set(frozen.cut.amendments) - set(prior.document["cut"]["amendments"])
    for amendment in world.ledger.amendments(migration.name, frozen.cut.revision):
        if amendment.id in since:
            again.update(amendment.days)
    return tuple(day for day in days if day not in done or day in again)


def _days_that_differed(migration: Migration, document: Mapping[str, Any]) -> Iterator[date]:
    """Yield the days of rows whose difference showed: a walk named its events, so they were not hidden.

    The batch may have been built again since, with something else that cancels them.
    """
    for name, kpi in document["kpis"].items():
        time = migration.kpis[name].time
        for found in kpi["days"]:
            if any(total["tolerated"] or total["beyond"] for total in found["measures"].values()):
                closes_on = date.fromisoformat(found["day"])
                opens_on = opening_day(time, closes_on)
                yield from (opens_on + timedelta(days=n) for n in range((closes_on - opens_on).days + 1))
