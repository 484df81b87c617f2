"""Side r of a comparison from a batch job of the stream engine, which brings the rows into the warehouse."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from slipway.adapters.comparison.folds import Folded
from slipway.adapters.fold_tables import FoldTables
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.errors import Retryable, SlipwayError
from slipway.faults import InjectedFault, fail_at
from slipway.ports import Clock, Engine, JobStatus, JobSubmission, Question, Scripts

log = logging.getLogger(__name__)

AT_MOST = timedelta(hours=2)
"""How long a fold may take. A night that has not folded by then would end in the working day."""

SLOT_AT_MOST = timedelta(seconds=30)
"""How long a slot may take to become free: of a job that was cancelled a moment ago, or ends by itself."""

_LOOK_EVERY = timedelta(milliseconds=250)
_TELL_EVERY = timedelta(seconds=10)
_ENDED_BADLY = ("FAILED", "CANCELED", "CANCELLING", "FAILING", "SUSPENDED")


class Cluster(Engine, Protocol):
    """A stream engine that says what it is."""

    def version(self) -> str: ...


class FlinkFolds:
    """slipway.adapters.comparison.folds.Folds on a cluster.

    One fold of a migration at a time: its caller holds the migration's lock. What a crashed run has left is
    ended and dropped by the next one.
    """

    def __init__(
        self,
        engine: Cluster,
        scripts: Scripts,
        tables: FoldTables,
        clock: Clock,
        at_most: timedelta = AT_MOST,
    ) -> None:
        self._engine = engine
        self._scripts = scripts
        self._tables = tables
        self._clock = clock
        self._at_most = at_most

    @contextmanager
    def folded(self, migration: Migration, question: Question) -> Iterator[Folded]:
        """Fold all KPIs in one job and keep their tables until the context ends.

        Retryable when no slot is free, or when the job failed, was lost or took too long; it is cancelled
        then, as on any interruption. Permanent when the job does not plan.
        """
        self._clear(migration)
        job_id = self._fresh_id(migration, question)
        try:
            self._run(migration, question, job_id)
            fail_at("fold.after_run")
            tables = {kpi: f"side.{names.fold_table(kpi)}" for kpi in migration.kpis}
            yield Folded(tables, self._engine.version())
        except InjectedFault:
            raise  # a crash clears nothing away
        except BaseException:
            self._give_up(migration, job_id)
            raise
        self._tables.clean(migration.name)

    def _clear(self, migration: Migration) -> None:
        for job_id in self._tables.jobs(migration.name):
            log.warning("job %s of a run that did not come to its end is cancelled, if it still runs", job_id)
            self._engine.cancel(job_id)
        self._tables.clean(migration.name)

    def _give_up(self, migration: Migration, job_id: str) -> None:
        try:
            self._engine.cancel(job_id)
            self._tables.clean(migration.name)
        except SlipwayError as error:  # must not hide what went wrong before; the next run clears again
            log.warning("the fold of %s could not be cleared away: %s", migration.name, error)

    def _run(self, migration: Migration, question: Question, job_id: str) -> None:
        parallelism = self._slots(migration)
        writer = self._tables.prepare(migration, question, job_id)
        fail_at("fold.after_prepare")
        name = f"{names.revision_job(migration.name, question.revision)}-fold"
        script = self._scripts.fold(migration, question, writer)
        self._engine.submit(JobSubmission(name, job_id, script, parallelism))
        fail_at("fold.after_submit")
        log.info(
            "%s folds %s in job %s, %d abreast", self._engine.version(), migration.name, job_id, parallelism
        )
        self._await(name, job_id)

    def _slots(self, migration: Migration) -> int:
        """Return how many slots to take: half of the free ones, for a job that must come back needs some."""
        began = self._clock.now()
        while (free := self._engine.free_slots()) < 1:
            if self._clock.now() - began >= SLOT_AT_MOST:
                raise Retryable(
                    f"folding {migration.name} needs one free slot of the stream engine, and for"
                    f" {SLOT_AT_MOST.seconds} s there was none; add a TaskManager, stop a job,"
                    " or set reconcile.engine to duckdb"
                )
            self._clock.pause(_LOOK_EVERY)
        return max(1, free // 2)

    def _await(self, name: str, job_id: str) -> None:
        began = told = self._clock.now()
        while True:
            status = self._engine.status(job_id)
            if status is not None and status.state == "FINISHED":
                return
            if status is None or status.state in _ENDED_BADLY:
                seen = (
                    "is unknown to the engine, which may have restarted"
                    if status is None
                    else f"is {status.state}: {status.failure or 'somebody has cancelled it'}"
                )
                raise Retryable(
                    f"the fold {name} ({job_id}) {seen}. Nothing was concluded; reconcile again, and when it"
                    " comes back, see the job in the engine's page, or set reconcile.engine to duckdb"
                )
            now = self._clock.now()
            if now - began >= self._at_most:
                raise Retryable(
                    f"the fold {name} ({job_id}) is {status.state} after {self._at_most} and is cancelled;"
                    " see the engine's page for what it waits for, give the cluster more slots or compare"
                    " fewer days (parity.reconcile_back), then reconcile again"
                )
            if now - told >= _TELL_EVERY:
                log.info("%s: %s after %d s", name, _progress(status), (now - began).total_seconds())
                told = now
            self._clock.pause(_LOOK_EVERY)

    def _fresh_id(self, migration: Migration, question: Question) -> str:
        """Return the job id of a fold at this cut: the first that the engine does not know already."""
        number = 0
        while self._engine.status(found := _job_id(migration, question, number)) is not None:
            number += 1
        return found


def _job_id(migration: Migration, question: Question, number: int) -> str:
    given = [
        migration.name,
        question.revision,
        sorted(question.offsets.items()),
        sorted(question.snapshots.items()),
        question.first.isoformat(),
        question.last.isoformat(),
        question.amendments,
        number,
    ]
    return hashlib.sha256(json.dumps(given).encode()).hexdigest()[:32]


def _progress(status: JobStatus) -> str:
    tasks, ended = sum(status.vertices.values()), status.vertices.get("FINISHED", 0)
    return f"{status.state.lower()}, {ended} of {tasks} tasks done"
