"""A waiver: a data owner accepts one cause of differences on some cells, bounded and with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from slipway.domain.evidence import STREAM_FAULTS, Cause, Digest
from slipway.domain.exact import EXACT

DECIDES = "data_owner"
"""The only role whose word is a waiver."""

WAIVABLE = tuple(cause for cause in Cause if cause not in STREAM_FAULTS)
"""Causes that may be accepted; the stream's own faults must be mended. A remainder is no cause at all."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Who ended a waiver, when (UTC) and why."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Waiver:
    """What a person accepted.

    measures: empty for all. segments: values by column of the grain, as text, None for no value; empty for
    all cells. at_most: the largest share of a measure's batch value on a day that the cause may take in the
    cells that it covers, of magnitudes. expires_at: UTC; None: it holds until it is withdrawn.
    parity_digest: the meaning of the KPI under which it was given; under another one it covers nothing.
    """

    id: int
    migration: str
    kpi: str
    cause: Cause
    measures: tuple[str, ...]
    first_day: date
    last_day: date
    segments: Mapping[str, tuple[str | None, ...]]
    at_most: Decimal
    expires_at: datetime | None
    parity_digest: Digest
    role: str
    by: str
    reason: str
    at: datetime
    dag_run: str = ""
    withdrawn: Withdrawal | None = None

    def stands(self, now: datetime, parity_digest: Digest) -> bool:
        """Say whether it covers anything at an instant, under a meaning of the KPIs."""
        return (
            self.withdrawn is None
            and (self.expires_at is None or now < self.expires_at)
            and self.parity_digest == parity_digest
        )


@dataclass(frozen=True, slots=True)
class Used:
    """What a waiver's cause comes to on one day in one measure, in the cells beyond tolerance in its reach.

    gross: of magnitudes, batch: the measure's batch value over all cells of the day, of magnitudes; for
    instants and dates, whose magnitudes mean nothing, both count cells. covers: False when gross is beyond
    the bound, and the waiver then covers no cell of this day and measure.
    """

    waiver: int
    day: date
    measure: str
    gross: int | Decimal
    batch: int | Decimal
    covers: bool

    @property
    def share(self) -> Decimal | None:
        """Gross as a share of batch, to six places; None where batch is nothing."""
        if not self.batch:
            return None
        share = EXACT.divide(Decimal(self.gross), Decimal(self.batch))
        return share.quantize(Decimal("0.000001"), context=EXACT)


def document_of(waiver: Waiver, used: Sequence[Used]) -> dict[str, Any]:
    """Return what evidence says of a waiver that stood when it was made."""
    return {
        "id": waiver.id,
        "kpi": waiver.kpi,
        "cause": waiver.cause,
        "measures": list(waiver.measures),
        "first_day": waiver.first_day,
        "last_day": waiver.last_day,
        "segments": {column: list(values) for column, values in waiver.segments.items()},
        "at_most": waiver.at_most,
        "expires_at": waiver.expires_at,
        "by": waiver.by,
        "role": waiver.role,
        "reason": waiver.reason,
        "at": waiver.at,
        "used": [
            {
                "day": one.day,
                "measure": one.measure,
                "gross": one.gross,
                "batch": one.batch,
                "share": one.share,
                "covers": one.covers,
            }
            for one in used
            if one.waiver == waiver.id
        ],
    }


def waiver_from(migration: str, parity_digest: Digest, kept: Mapping[str, Any]) -> Waiver:
    """Read back what document_of wrote."""
    expires = kept["expires_at"]
    return Waiver(
        id=int(kept["id"]),
        migration=migration,
        kpi=str(kept["kpi"]),
        cause=Cause(kept["cause"]),
        measures=tuple(kept["measures"]),
        first_day=date.fromisoformat(kept["first_day"]),
        last_day=date.fromisoformat(kept["last_day"]),
        segments={column: tuple(values) for column, values in kept["segments"].items()},
        at_most=Decimal(kept["at_most"]),
        expires_at=None if expires is None else datetime.fromisoformat(expires),
        parity_digest=parity_digest,
        role=str(kept["role"]),
        by=str(kept["by"]),
        reason=str(kept["reason"]),
        at=datetime.fromisoformat(kept["at"]),
    )
