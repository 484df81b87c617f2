"""What goes into a producer and what comes out of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from slipway.errors import Permanent

Status = Literal["delivered", "invalid", "dead_letter", "failed"]


_QUOTED = re.compile(r"'.*'", re.DOTALL)


def general(reason: str) -> str:
    """Return a reason without the values in it."""
    return _QUOTED.sub("...", reason)


class UnknownType(Permanent):
    """No contract of the producer takes events of this type."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event to be published.

    type: name of the Avro record, with its namespace or without. value: field by name. at: when it arrived,
    aware, for contracts with `arrival: producer`; None for all others, where the broker sets it.
    """

    type: str
    value: Mapping[str, Any]
    at: datetime | None = None


class Result(msgspec.Struct, frozen=True, gc=False):
    """What became of one event.

    status: delivered; invalid (nothing was sent); dead_letter (invalid, and it stands in the dead letters);
    failed (Kafka did not confirm it: it may or may not stand in the topic). topic, partition, offset: where
    it stands (failed: topic alone); offset is -1 when the broker does not say. at: the record's timestamp,
    epoch milliseconds. reason: why it is invalid, in the decoder's words. error: what Kafka said. retriable:
    publishing the event again may succeed.
    """

    status: Status
    topic: str = ""
    partition: int = -1
    offset: int = -1
    at: int = -1
    reason: str = ""
    error: str = ""
    retriable: bool = False

    @property
    def ok(self) -> bool:
        """True when the event stands in its topic."""
        return self.status == "delivered"


@dataclass(slots=True)
class Counters:
    """What a producer has done since it was made.

    invalid: by reason without its values. failed: by Kafka's error. unknown_fields: by field, events that
    carry what their schema does not have. waited: how often the local queue was full.
    """

    delivered: int = 0
    dead_letters: int = 0
    waited: int = 0
    invalid: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    unknown_fields: Counter[str] = field(default_factory=Counter)
