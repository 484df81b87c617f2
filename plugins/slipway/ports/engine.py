"""The stream engine: jobs, their scripts, and the roles under which they write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.ports.comparison import Question
from slipway.ports.records import Amendment


@dataclass(frozen=True, slots=True)
class JobSubmission:
    """One statement set, ready to run. job_id: 32 hexadecimal digits, ours, fresh for every attempt."""

    name: str
    job_id: str
    script: str
    parallelism: int
    restore_from: str | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What the engine says of a job.

    vertices: tasks by state. checkpoints, restarts: counters since the job was submitted.
    pending: records of the topic that the job has not read yet; None when it does not say.
    """

    job_id: str
    name: str
    state: str
    vertices: Mapping[str, int]
    checkpoints: int
    restarts: int
    newest_checkpoint: str | None
    failure: str | None
    pending: int | None = None

    @property
    def running(self) -> bool:
        return self.state == "RUNNING" and set(self.vertices) == {"RUNNING"}


class Engine(Protocol):
    """The stream engine; only the adapter knows that it is Flink."""

    def free_slots(self) -> int: ...

    def submit(self, job: JobSubmission) -> None:
        """Start a job; doing it again with the same job_id while it is active changes nothing."""
        ...

    def status(self, job_id: str) -> JobStatus | None: ...

    def cancel(self, job_id: str) -> None: ...

    def stop(self, job_id: str) -> str:
        """Stop with a savepoint and return its path."""
        ...

    def checkpoint(self, job_id: str) -> None:
        """Ask for a checkpoint now, so that what was read becomes visible in the lake sooner."""
        ...

    def newest_checkpoint_on_disk(self, job_id: str) -> str | None:
        """Return the newest complete checkpoint of a job that the engine may have forgotten."""
        ...


class Scripts(Protocol):
    """The jobs' scripts, rendered from the contract; the same contract gives the same text."""

    def ingest(self, migration: Migration, schema_id: int) -> str: ...

    def revision(self, migration: Migration, revision: int, writer: str) -> str:
        """Return the script of one revision's job. writer: the warehouse role that it writes under."""
        ...

    def amend(
        self, migration: Migration, amendment: Amendment, writer: str, silver_snapshot: int | None
    ) -> str:
        """Return the bounded script that fills an amendment's side tables and ends."""
        ...

    def fold(self, migration: Migration, question: Question, writer: str) -> str:
        """Return the bounded script that folds the stream's events of a cut into side tables and ends."""
        ...

    def ingest_digest(self, migration: Migration) -> Digest: ...

    def revision_digest(self, migration: Migration) -> Digest:
        """Return the digest of what gives a revision's rows their meaning, wherever and whenever it runs."""
        ...


class Writers(Protocol):
    """Roles of the warehouse under which jobs write, one an attempt."""

    def open(self, role: str, writes: Sequence[str], reads: Sequence[str] = ()) -> None:
        """Let the role change these tables ("schema.table") and read those; again changes nothing."""
        ...

    def close(self, role: str) -> None:
        """End the role's sessions and remove it; an unknown role is left alone."""
        ...
