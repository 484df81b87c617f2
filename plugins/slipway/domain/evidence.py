"""What a reconciliation looked at and what it found, in a form that can be signed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NewType

from slipway.domain.exact import plain
from slipway.domain.gaps import Run

Digest = NewType("Digest", str)
"""SHA-256 of a canonical document, 64 lower-case hexadecimal digits."""


class Verdict(StrEnum):
    """Outcome of a comparison; only PASS opens a gate."""

    PASS = "PASS"  # noqa: S105  (a verdict, not a password)
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"


class Cause(StrEnum):
    """Why a batch value and a stream value differ, in the order in which the walk meets them."""

    DEFINITION = "definition"
    DUPLICATE_IN_BATCH = "duplicate_in_batch"
    TIME_BUCKET = "time_bucket"
    VALUE = "value"
    DIMENSION = "dimension"
    LATE = "late"
    REJECTED = "rejected"
    LOST_IN_STREAM = "lost_in_stream"
    NOT_ARRIVED = "not_arrived"
    AFTER_BATCH_CUT = "after_batch_cut"
    NOT_IN_BATCH = "not_in_batch"
    DUPLICATE_IN_STREAM = "duplicate_in_stream"
    ENGINE = "engine"


STREAM_FAULTS = frozenset({Cause.ENGINE, Cause.LOST_IN_STREAM, Cause.DUPLICATE_IN_STREAM})
"""Causes that are the stream's own fault: after a switch they roll back by themselves."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What one reconciliation looked at; the same cut always gives the same answer.

    as_of: the instant for which the baseline was built, UTC.
    offsets: next offset to read, by partition (exclusive end).
    snapshots: Iceberg snapshot id by table name; a table without a snapshot is absent.
    progress: arrival time up to which every partition has been read, UTC.
    batch_through: arrival time up to which the batch side had loaded, UTC.
    amendments: ids of the amendments that were applied when the cut was taken, ascending.
    topic_id: Kafka's id of the topic that the offsets belong to. gaps: offsets below the ends that were
    proven to hold no record. expired: those that the topic had removed before bronze read them.
    """

    as_of: datetime
    offsets: Mapping[int, int]
    snapshots: Mapping[str, int]
    progress: datetime
    batch_through: datetime
    dbt_run: str
    revision: int
    contract_digest: Digest
    amendments: tuple[int, ...] = ()
    topic_id: str = ""
    gaps: tuple[Run, ...] = ()
    expired: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Balance:
    """Where every record of the topic went, counted for each table by itself, never as a remainder.

    replayed: those of bronze that were dead letters before; they stand in the other numbers as well.
    """

    produced: int
    bronze: int
    silver: int
    late: int
    rejected: int
    duplicates: int
    replayed: int = 0

    @property
    def closes(self) -> bool:
        """True when each record below the cut is accounted for exactly once."""
        return (
            self.produced == self.bronze
            and self.bronze == self.silver + self.late + self.rejected + self.duplicates
        )


def _plain(value: object) -> object:
    match value:
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"a naive instant can't be canonical: {value!r}")
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return plain(value)
        case _:
            raise TypeError(f"no canonical form for {type(value).__name__}")


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the one byte form of a document: sorted keys, UTF-8, no spaces, instants in UTC, no NaN."""
    return json.dumps(
        document, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
    ).encode()


def digest_of(document: Mapping[str, Any]) -> Digest:
    """Return the SHA-256 of a document's canonical form."""
    return Digest(hashlib.sha256(canonical(document)).hexdigest())
