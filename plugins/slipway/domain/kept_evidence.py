"""Which nights' evidence still counts, so that the snapshots which it names must not expire."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway.domain.evidence import Digest

NEWEST_NIGHTS = 3
"""So many are kept whatever their age: somebody looks for what went wrong in them."""

_TAG = "evidence-"
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Told:
    """One night that was recorded. at: when, UTC."""

    digest: Digest
    at: datetime


def evidence_tag(digest: Digest) -> str:
    """Return the name of the tag under which a night keeps its snapshots."""
    return f"{_TAG}{digest[:_DIGITS]}"


def superfluous_tags(
    nights: Sequence[Told],
    named: Collection[Digest],
    evidence_valid: timedelta,
    observed: timedelta,
    now: datetime,
) -> frozenset[str]:
    """Return the tags of nights whose evidence counts no more.

    nights: newest first; one digest may stand there more than once. named: evidence that somebody has spoken
    on, or by which readers were moved. evidence_valid: how long a gate takes a night; observed: how far back
    the observation window reaches. A tag of anything else, a closed period's above all, is not among them.
    """
    oldest = now - evidence_valid - observed
    counts = {night.digest for night in nights[:NEWEST_NIGHTS]} | set(named)
    counts |= {night.digest for night in nights if night.at >= oldest}
    kept = {evidence_tag(digest) for digest in counts}
    return frozenset(evidence_tag(night.digest) for night in nights) - kept
