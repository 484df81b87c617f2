"""Has one job run: one attempt after the other, each with a job id and a writer role of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from slipway.app.deploy_gate import GateFailed, Passed, pass_gate
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.derive import PARALLELISM
from slipway.domain.evidence import Digest
from slipway.errors import Permanent, Retryable
from slipway.faults import fail_at
from slipway.ports import Attempt, JobStatus, JobSubmission, World

OPEN, RUNNING, FAILED, REPLACED, LOST = "OPEN", "RUNNING", "FAILED", "REPLACED", "LOST"
"""States of an attempt: recorded, through its gate, refused by it, ended for another one, gone."""

ENDED = frozenset({"FINISHED", "CANCELED", "FAILED"})


class NothingToGoOnFrom(Permanent):
    """Tables hold rows of a job, but no checkpoint of it is left: starting anew would write them twice."""


@dataclass(frozen=True, slots=True)
class Job:
    """What has to run.

    kind: ingest or revision; revision: 0 for ingest. lake_tables: what only this job writes.
    writes, reads: tables of the warehouse. script: for the name of a writer role.
    missing: how many records below the given end offsets are not yet where they belong.
    """

    migration: Migration
    kind: str
    revision: int
    name: str
    digest: Digest
    lake_tables: tuple[str, ...]
    writes: tuple[str, ...]
    reads: tuple[str, ...]
    script: Callable[[str], str]
    missing: Callable[[Mapping[int, int]], int]


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deployment did. restored: the checkpoint that the job went on from."""

    job: Job
    attempt: Attempt
    did: str
    restored: str | None
    passed: Passed | None

    def __str__(self) -> str:
        lines = [
            f"{self.job.name}: {self.did}",
            f"  attempt {self.attempt.attempt}, job {self.attempt.job_id}",
            f"  writes {', '.join((*self.job.lake_tables, *self.job.writes))}",
        ]
        if self.restored:
            lines.append(f"  went on from {self.restored}")
        if self.passed:
            lines.append(f"  gate passed: {self.passed}")
        return "\n".join(lines)


def have_running(job: Job, cluster_id: str, world: World) -> Deployed:
    """Bring the job to RUNNING behind its gate, whatever has become of it; the ledger's lock is held.

    Again, with the job healthy, changes nothing. GateFailed when it was started and cancelled again;
    Retryable when the engine forgot the job meanwhile: the next call starts it again.
    """
    attempts = [
        attempt
        for attempt in world.ledger.attempts(job.migration.name, job.kind)
        if attempt.revision == job.revision
    ]
    if not attempts:
        return _start(job, attempts, 1, "started for the first time", cluster_id, world)
    newest, status = attempts[0], world.engine.status(attempts[0].job_id)
    if newest.revision_digest != job.digest:
        _retire(newest, status, world)
        did = "started again, for its script or its decoder has changed"
        return _start(job, attempts, newest.attempt + 1, did, cluster_id, world)
    if _active(status):
        if newest.state == RUNNING and status is not None and status.running:
            return Deployed(job, newest, "runs already; nothing to do", None, None)
        return _through_gate(job, newest, "was under way already", None, world)
    if _was_never_seen(newest, status, world):
        return _submit(job, attempts, newest, "submitted, as was begun before", world)
    world.ledger.close_attempt(newest.id, FAILED if newest.state == FAILED else LOST)
    return _start(job, attempts, newest.attempt + 1, _why_again(newest, status), cluster_id, world)


def job_id_of(cluster_id: str, job: Job, attempt: int) -> str:
    """Return an attempt's job id.

    A fresh one for each attempt: the lake's sink takes checkpoints of an id that it knows for committed.
    """
    given = "/".join([cluster_id, job.migration.name, job.kind, str(job.revision), str(attempt)])
    return hashlib.sha256(given.encode()).hexdigest()[:32]


def checkpoint_number(path: str) -> int:
    """Return the number of a checkpoint from its path (".../chk-12")."""
    name = path.rstrip("/").rpartition("/")[2]
    if not name.removeprefix("chk-").isdigit():
        raise Permanent(f"{path} is no checkpoint: its last part should be chk-<number>")
    return int(name.removeprefix("chk-"))


def _start(
    job: Job, attempts: Sequence[Attempt], number: int, did: str, cluster_id: str, world: World
) -> Deployed:
    attempt = Attempt(
        id=0,
        migration=job.migration.name,
        kind=job.kind,
        revision=job.revision,
        attempt=number,
        revision_digest=job.digest,
        job_id=job_id_of(cluster_id, job, number),
        writer_role=names.writer_role(job.migration.name, job.revision, number) if job.writes else None,
        state=OPEN,
        at=datetime.min.replace(tzinfo=UTC),  # the ledger stamps it
    )
    _refuse_without_slots(job, attempts, world)
    restore = _restore_point(attempts, world)
    _refuse_doubled_rows(job, restore, world)
    # On record before anything is started, so that a second run finds what a crashed one has begun.
    kept = world.ledger.open_attempt(attempt)
    fail_at("deploy.attempt_recorded")
    return _submit(job, attempts, kept, did, world)


def _submit(job: Job, attempts: Sequence[Attempt], attempt: Attempt, did: str, world: World) -> Deployed:
    former = [one for one in attempts if one.id != attempt.id]
    for one in former:
        world.engine.cancel(one.job_id)
        if one.writer_role is not None:
            world.writers.close(one.writer_role)
    fail_at("deploy.former_ended")
    restore = _restore_point(former, world)
    if restore is not None:
        jobs = [one.job_id for one in former]
        for table in job.lake_tables:
            world.lake.rollback_to_checkpoint(table, jobs, checkpoint_number(restore))
    if attempt.writer_role is not None:
        world.writers.open(attempt.writer_role, job.writes, job.reads)
    fail_at("deploy.before_submit")
    script = job.script(attempt.writer_role or "")
    world.engine.submit(JobSubmission(job.name, attempt.job_id, script, PARALLELISM, restore))
    fail_at("deploy.submitted")
    return _through_gate(job, attempt, did, restore, world)


def _through_gate(job: Job, attempt: Attempt, did: str, restored: str | None, world: World) -> Deployed:
    try:
        passed = pass_gate(job.name, attempt.job_id, job.migration, job.missing, world)
    except GateFailed:
        world.engine.cancel(attempt.job_id)
        world.ledger.close_attempt(attempt.id, FAILED)
        if attempt.writer_role is not None:
            world.writers.close(attempt.writer_role)
        raise
    fail_at("deploy.gate_passed")
    world.ledger.close_attempt(attempt.id, RUNNING)
    return Deployed(job, attempt, did, restored, passed)


def _retire(attempt: Attempt, status: JobStatus | None, world: World) -> None:
    """End an attempt so that the next one goes on exactly where it stood."""
    if status is not None and status.running:
        world.engine.checkpoint(attempt.job_id)
    world.engine.cancel(attempt.job_id)
    world.ledger.close_attempt(attempt.id, REPLACED)


def _refuse_without_slots(job: Job, attempts: Sequence[Attempt], world: World) -> None:
    free = world.engine.free_slots()
    given_back = sum(PARALLELISM for one in attempts if _active(world.engine.status(one.job_id)))
    if free + given_back < PARALLELISM:
        raise Retryable(
            f"{job.name} needs {PARALLELISM} slots, but Flink has {free} free; wait for a TaskManager that "
            "is coming up, end jobs that nobody needs, or raise taskmanager.numberOfTaskSlots"
        )


def _refuse_doubled_rows(job: Job, restore: str | None, world: World) -> None:
    if restore is not None:
        return
    for table in job.lake_tables:
        snapshot = world.lake.snapshot(table)
        rows = world.lake.row_count(table, snapshot) if snapshot is not None else 0
        if rows:
            raise NothingToGoOnFrom(
                f"{table} holds {rows} rows, but no checkpoint of {job.name} is left to go on from, and from "
                "the start of the topic they would be written twice. If they may go: drop the table, trigger "
                f"{job.migration.name}.provision, then {job.migration.name}.deploy"
            )


def _restore_point(attempts: Sequence[Attempt], world: World) -> str | None:
    """Return the newest complete checkpoint of the newest attempt that has one."""
    for attempt in attempts:
        found = world.engine.newest_checkpoint_on_disk(attempt.job_id)
        if found is not None:
            return found
    return None


def _was_never_seen(attempt: Attempt, status: JobStatus | None, world: World) -> bool:
    """Say whether the run that recorded the attempt died before the engine heard of it, or soon after."""
    return (
        attempt.state == OPEN
        and status is None
        and world.engine.newest_checkpoint_on_disk(attempt.job_id) is None
    )


def _why_again(attempt: Attempt, status: JobStatus | None) -> str:
    if status is None:
        return f"started again, for Flink has forgotten attempt {attempt.attempt}"
    because = f" ({status.failure})" if status.failure else ""
    return f"started again, for attempt {attempt.attempt} was {status.state}{because}"


def _active(status: JobStatus | None) -> bool:
    return status is not None and status.state not in ENDED
