"""A sample of real records, and what is chosen from it, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from slipway.domain.inference import Guess


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a sample. arrived_at: None when the source does not say. size: bytes of its value."""

    values: Mapping[str, Any]
    key: str | None = None
    arrived_at: datetime | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was looked at. source: in words, for a comment. unreadable: records that are no JSON object.

    topic: where it was read from. model: the dbt model that it is of. columns: types that the source itself
    declares, by field, which go before those guessed. format: of the topic.
    """

    source: str
    records: tuple[Record, ...]
    unreadable: int = 0
    topic: str | None = None
    model: str | None = None
    columns: tuple[Guess, ...] = ()
    format: Literal["json", "avro"] = "json"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A value of the draft with the reason for it. sure: False where a person must decide."""

    value: str
    why: str
    sure: bool = True

    def asked(self, question: str) -> Chosen:
        """Return the same choice with a question that a person must answer."""
        return Chosen(self.value, f"{self.why}; {question}", sure=False)
