"""Refused records, and their way back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record that was refused. partition, offset: in the dead letters; at: when it came there, UTC."""

    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]

    @property
    def place(self) -> str:
        """The name by which people choose it: partition and offset in the dead letters."""
        return f"{self.partition}:{self.offset}"

    @property
    def identity(self) -> str:
        """The name by which the ledger knows it: place and instant, for a new topic has the old places."""
        return f"{self.place}@{self.at.astimezone(UTC).isoformat(timespec='milliseconds')}"


@dataclass(frozen=True, slots=True)
class Resent:
    """A record to be sent to the raw topic again. at: its arrival where the producer says it, else None."""

    key: bytes | None
    value: bytes
    headers: Mapping[str, bytes]
    at: datetime | None = None


class DeadLetters(Protocol):
    """Dead letters in Kafka, and the way back from them."""

    def read(self, topic: str) -> Iterator[DeadLetter]:
        """Yield what the topic held when the call began, by partition; Permanent when there is no topic."""
        ...

    def get(self, topic: str, partition: int, offset: int) -> DeadLetter | None: ...

    def send(self, topic: str, records: Sequence[Resent]) -> None:
        """Send records and wait for each; Retryable when one is not confirmed, and it may be there or not.

        Gives up within 15 s: what it has not sent by then will never be.
        """
        ...

    def marks(self, topic: str, since: Mapping[int, int], header: str) -> Collection[str]:
        """Return the values of a header of all records from these offsets on, up to the present."""
        ...

    def newest_arrival(self, topic: str) -> datetime | None:
        """Return the largest timestamp of any record, UTC; None when the topic is empty."""
        ...
