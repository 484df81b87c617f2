"""A stream engine in memory: jobs that run, restart, fail or are forgotten, as a test wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest, digest_of
from slipway.errors import Permanent, Retryable
from slipway.ports import Amendment, JobStatus, JobSubmission, Question

ENDED = ("FINISHED", "CANCELED", "FAILED")


@dataclass
class FakeJob:
    """A job. state: as Flink calls it; restarts: so far; disk: its checkpoints' numbers."""

    submission: JobSubmission
    state: str = "RUNNING"
    restarts: int = 0
    failure: str | None = None
    checkpoints: int = 0
    disk: list[int] = field(default_factory=list)


class FakeEngine:
    """Slots and jobs. begin: what befalls a job when it starts; on_checkpoint: what it commits."""

    def __init__(self, slots: int = 8) -> None:
        self.slots = slots
        self.jobs: dict[str, FakeJob] = {}
        self.submitted: list[JobSubmission] = []
        self.calls: list[str] = []
        self.begin: Callable[[FakeJob], None] = lambda job: None
        self.on_checkpoint: Callable[[FakeJob], None] = lambda job: None
        self._disk: dict[str, list[int]] = {}
        self._first: dict[str, int] = {}

    def free_slots(self) -> int:
        taken = sum(job.submission.parallelism for job in self.jobs.values() if job.state not in ENDED)
        return self.slots - taken

    def submit(self, job: JobSubmission) -> None:
        self.calls.append(f"submit {job.name}")
        known = self.jobs.get(job.job_id)
        if known is not None:
            if known.state in ENDED:
                raise Permanent(f"Flink can't plan {job.name}: DuplicateJobSubmissionException")
            return
        if "INSERT" not in job.script:
            raise Permanent(f"Flink can't plan {job.name}: there is no INSERT in the script")
        self.submitted.append(job)
        started = FakeJob(job)
        first = int(job.restore_from.rpartition("chk-")[2]) if job.restore_from else 0
        started.disk = self._disk.setdefault(job.job_id, [])
        self.jobs[job.job_id] = started
        self._first[job.job_id] = first
        self.begin(started)

    def status(self, job_id: str) -> JobStatus | None:
        job = self.jobs.get(job_id)
        if job is None:
            return None
        tasks = {job.state: 2 * job.submission.parallelism}
        newest = f"file:///checkpoints/{job_id}/chk-{job.disk[-1]}" if job.disk else None
        return JobStatus(
            job_id,
            job.submission.name,
            job.state,
            tasks,
            job.checkpoints,
            job.restarts,
            newest,
            job.failure,
            0 if job.state == "RUNNING" else None,
        )

    def cancel(self, job_id: str) -> None:
        job = self.jobs.get(job_id)
        if job is not None and job.state not in ENDED:
            self.calls.append(f"cancel {job.submission.name}")
            job.state = "CANCELED"

    def stop(self, job_id: str) -> str:
        job = self._running(job_id)
        self.checkpoint(job_id)
        job.state = "FINISHED"
        return f"file:///savepoints/{job_id}"

    def checkpoint(self, job_id: str) -> None:
        job = self._running(job_id)
        job.checkpoints += 1
        job.disk.append(self._first[job_id] + len(job.disk) + 1)
        self.on_checkpoint(job)

    def newest_checkpoint_on_disk(self, job_id: str) -> str | None:
        disk = self._disk.get(job_id)
        return f"file:///checkpoints/{job_id}/chk-{disk[-1]}" if disk else None

    def forget(self) -> None:
        """Lose the JobManager: no job is known any more, but its checkpoints are still on disk."""
        self.jobs.clear()

    def lose_checkpoints(self) -> None:
        """Lose the disk, too."""
        for disk in self._disk.values():
            disk.clear()

    def _running(self, job_id: str) -> FakeJob:
        job = self.jobs.get(job_id)
        if job is None or job.state != "RUNNING":
            raise Retryable(f"job {job_id} does not run, so it takes no checkpoint")
        return job


class FakeScripts:
    """Scripts that say what they are. version: raised by a test to change what they mean."""

    def __init__(self) -> None:
        self.ingest_version = self.revision_version = 1

    def ingest(self, migration: Migration, schema_id: int) -> str:
        return f"INSERT INTO bronze.{migration.name} -- {self.ingest_version}, schema {schema_id}"

    def revision(self, migration: Migration, revision: int, writer: str) -> str:
        return f"INSERT INTO silver.{migration.name}__r{revision} -- {self.revision_version}, {writer}"

    def amend(
        self, migration: Migration, amendment: Amendment, writer: str, silver_snapshot: int | None
    ) -> str:
        raise AssertionError("deploying amends nothing")

    def fold(self, migration: Migration, question: Question, writer: str) -> str:
        return f"INSERT INTO side.{migration.name} -- {writer}"

    def ingest_digest(self, migration: Migration) -> Digest:
        return digest_of({"ingest": self.ingest_version})

    def revision_digest(self, migration: Migration) -> Digest:
        return digest_of({"revision": self.revision_version})


class FakeWriters:
    """Roles that may log in, and what they may write."""

    def __init__(self) -> None:
        self.roles: dict[str, tuple[Sequence[str], Sequence[str]]] = {}
        self.calls: list[str] = []

    def open(self, role: str, writes: Sequence[str], reads: Sequence[str] = ()) -> None:
        self.calls.append(f"open {role}")
        self.roles[role] = (tuple(writes), tuple(reads))

    def close(self, role: str) -> None:
        self.calls.append(f"close {role}")
        self.roles.pop(role, None)
