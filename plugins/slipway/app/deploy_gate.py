"""The gate of a deployment: a job is trusted when it runs, checkpoints, and has every record in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway.domain.contract import Migration
from slipway.errors import Permanent, Retryable
from slipway.ports import Clock, JobStatus, World

STALLED_AFTER = timedelta(minutes=3)
"""How long nothing may get better; a TaskManager that was killed is back within one minute."""

LOOK_EVERY = timedelta(seconds=1)
ENDED = frozenset({"FINISHED", "CANCELED", "FAILED"})


class GateFailed(Permanent):
    """The job did not become trustworthy; the message says which part of the gate it stuck in, and why."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What the gate saw. records: below the end offsets when it began, all accounted for."""

    records: int
    took: timedelta
    restarts: int

    def __str__(self) -> str:
        return (
            f"all tasks run, a new checkpoint, {self.records} records accounted for, "
            f"{self.restarts} restart(s), {self.took.total_seconds():.0f} s"
        )


class _Patience:
    """Ends a wait when nothing has got better for too long."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._better_at = clock.now()
        self._best: tuple[int, ...] | None = None

    def check(self, progress: tuple[int, ...], waiting_for: str) -> None:
        """Raise when `progress` has not fallen for too long; lower is better, compared from the left."""
        now: datetime = self._clock.now()
        if self._best is None or progress < self._best:
            self._best, self._better_at = progress, now
        if now - self._better_at > STALLED_AFTER:
            raise GateFailed(waiting_for)
        self._clock.pause(LOOK_EVERY)


def pass_gate(
    name: str,
    job_id: str,
    migration: Migration,
    missing: Callable[[Mapping[int, int]], int],
    world: World,
) -> Passed:
    """Wait until the job has passed; GateFailed when it ended, or when nothing gets better.

    Retryable when the engine has forgotten the job.

    missing: how many records below end offsets are not yet where they belong.
    """
    begun = world.clock.now()
    bounds = world.topics.bounds(migration.contract.events.topic)
    ends = {partition: end for partition, (_, end) in bounds.items()}
    records = sum(end - first for first, end in bounds.values())
    patience = _Patience(world.clock)
    checkpoints = 0
    while True:
        status = _alive(name, world.engine.status(job_id))
        if not status.running:
            patience.check((3,), f"{name} does not come to run: {_told(status)}{_cancelled(status)}")
            continue
        if not checkpoints:
            trouble = _checkpoint(job_id, world)
            if trouble is not None:
                patience.check((2,), f"{name} takes no checkpoint: {trouble}{_cancelled(status)}")
                continue
            checkpoints += 1
        absent = missing(ends) if records else 0
        if absent:
            stuck = f"{absent} of {records} records are in no table of {name}{_cancelled(status)}"
            patience.check((1, absent), stuck)
            continue
        after = _alive(name, world.engine.status(job_id))
        if after.running and after.restarts == status.restarts:
            return Passed(records, world.clock.now() - begun, after.restarts)
        # It restarted while it was counted: what was seen holds no longer.
        checkpoints = 0
        patience.check((0,), f"{name} keeps restarting: {_told(after)}{_cancelled(after)}")


def _alive(name: str, status: JobStatus | None) -> JobStatus:
    if status is None:
        # Not the job's fault: its attempt stays open, and the next try goes on from what it left.
        raise Retryable(
            f"Flink has forgotten {name} behind its gate; has its JobManager restarted? The next try goes on"
            " from the newest checkpoint"
        )
    if status.state in ENDED:
        raise GateFailed(f"{name} ended: {_told(status)}{_cancelled(status)}")
    return status


def _checkpoint(job_id: str, world: World) -> str | None:
    """Take a checkpoint at once in place of awaiting the next regular one; say why there is none."""
    try:
        world.engine.checkpoint(job_id)
    except Retryable as error:  # a task failed meanwhile; the next look says more
        return str(error)
    return None


def _told(status: JobStatus) -> str:
    tasks = ", ".join(f"{count} {state}" for state, count in sorted(status.vertices.items()))
    failure = f"; {status.failure}" if status.failure else ""
    return f"{status.state}, tasks: {tasks or 'none'}, {status.restarts} restart(s){failure}"


def _cancelled(status: JobStatus) -> str:
    return f". The job {status.job_id} is cancelled; mend the cause and deploy again"
