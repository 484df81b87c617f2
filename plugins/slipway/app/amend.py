"""Amendments: late rows of closed days that count because a data owner decided so.

An amendment writes neither silver nor late. A bounded run of the stream engine over silver and the late rows
fills side tables; KPI rows, amended ids and the journal row then change in one transaction of the warehouse.

The running job keeps totals of closed days in its state, without the late rows. It never touches them again,
because a late record does not enter; only a job that is restored from a checkpoint older than the day's close
reads records of the day again and writes its totals anew. The warehouse passes over such writes for amended
days (a trigger that the first swap puts on the table), so an amended day stays as it was signed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import isclose
from typing import Any
from uuid import uuid4

from slipway.app.amended_rows import moves_within, pending_days, settle
from slipway.domain import names
from slipway.domain.closing import span
from slipway.domain.contract import Migration
from slipway.domain.evidence import Verdict
from slipway.domain.measures import CompiledKpi
from slipway.errors import Permanent, Retryable
from slipway.faults import fail_at
from slipway.ports import Actor, AmendedEvent, Amendment, JobSubmission, World

DECIDES = "data_owner"
RUN_AT_MOST = timedelta(minutes=10)
OPEN, APPLIED = "open", "applied"
_LOOK_EVERY = timedelta(milliseconds=250)
_ENDED_BADLY = ("FAILED", "CANCELED", "CANCELLING", "FAILING", "SUSPENDED")
_JUDGED = (Verdict.PASS, Verdict.FAIL)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Amended:
    """What a call did: the amendments that it applied, those begun earlier first."""

    migration: str
    applied: tuple[Amendment, ...]

    def __str__(self) -> str:
        if not self.applied:
            return f"nothing to amend: every late row of the closed days of {self.migration} counts already"
        return "\n".join(
            f"amendment {one.id} of {one.migration}, revision {one.revision}: {_told(one)}, "
            f"decided by {one.by}: {one.reason}"
            for one in self.applied
        )


def _told(amendment: Amendment) -> str:
    days = ", ".join(map(str, amendment.days))
    if amendment.rows:
        return f"{amendment.rows} late rows of {days} count now"
    return f"rows that closed on {days} count the late rows that were amended while they were open"


def amend(
    migration: Migration,
    days: Sequence[date],
    reason: str,
    world: World,
    by: Actor,
) -> Amended:
    """Let late rows of closed days count: of the given days, or of every closed day when none is given.

    Permanent when the caller is not a data owner who is logged in, when a day is still open, or when the
    newest reconciliation is not of this revision and contract. Retryable when the bounded run failed or lost
    rows; nothing was changed then. After a crash a second call first finishes the amendment that was begun,
    as it was decided.
    """
    _refuse_strangers(migration, by)
    with world.ledger.lock(migration.name):
        revision = _revision(migration, world)
        closed = _closed_days(migration, revision, world)
        _refuse_open_days(migration, days, closed)
        world.amendments.install()
        begun = [one for one in world.ledger.amendments(migration.name, revision) if one.state == OPEN]
        applied = [_carry_out(migration, amendment, world, by) for amendment in begun]
        decided = _decide(migration, revision, days or closed, closed, reason, world, by)
        if decided is not None:
            applied.append(_carry_out(migration, decided, world, by))
    return Amended(migration.name, tuple(applied))


def _refuse_strangers(migration: Migration, by: Actor) -> None:
    holders = migration.contract.owners.get(DECIDES, ())
    if not by.authenticated:
        raise Permanent(
            f"an amendment needs a person who is logged in, but {by.name!r} was not proven; "
            "trigger the DAG in Airflow's page or over its API as yourself"
        )
    if by.name not in holders:
        raise Permanent(
            f"{by.name} may not amend {migration.name}: that is the {DECIDES}'s to decide "
            f"({', '.join(holders) or 'nobody holds that role'}; see owners in its contract)"
        )


def _revision(migration: Migration, world: World) -> int:
    standing = world.ledger.standing(migration.name)
    if standing is None or standing.revision is None:
        raise Permanent(f"{migration.name} has no revision yet; trigger {migration.name}.deploy first")
    return standing.revision


def _closed_days(migration: Migration, revision: int, world: World) -> Sequence[date]:
    """Return the days up to the newest reconciliation's last closed one; it has accounted for each record."""
    newest = next(iter(world.ledger.reconciliations(migration.name, limit=1)), None)
    if newest is None or newest.closed_through is None or newest.verdict not in _JUDGED:
        seen = "none was run" if newest is None else f"the newest one is {newest.verdict}"
        raise Permanent(
            f"an amendment stands on a reconciliation that accounts for every record, but {seen}; "
            f"trigger {migration.name}.reconcile first"
        )
    if (newest.revision, newest.contract_digest) != (revision, migration.contract_digest):
        raise Permanent(
            f"the newest reconciliation of {migration.name} is of revision {newest.revision} and of contract "
            f"{newest.contract_digest[:12]}, but deployed are revision {revision} and contract "
            f"{migration.contract_digest[:12]}, whose closed days nobody has accounted for; "
            f"trigger {migration.name}.reconcile first"
        )
    first = migration.contract.parity.from_day
    return [first + _ONE_DAY * n for n in range((newest.closed_through - first).days + 1)]


def _refuse_open_days(migration: Migration, days: Collection[date], closed: Sequence[date]) -> None:
    if early := sorted(day for day in days if day < migration.contract.parity.from_day):
        raise Permanent(
            f"{', '.join(map(str, early))} lies before {migration.contract.parity.from_day}, "
            f"the first day that the stream of {migration.name} serves (parity.from)"
        )
    if still_open := sorted(set(days) - set(closed)):
        accepted = "; ".join(f"{day} from {migration.closes_at(day).isoformat()}" for day in still_open)
        raise Permanent(
            f"these days of {migration.name} are still open, their late rows may yet come: {accepted} on "
            "(in arrival time, once a reconciliation has seen it)"
        )


def _decide(
    migration: Migration,
    revision: int,
    days: Collection[date],
    closed: Sequence[date],
    reason: str,
    world: World,
    by: Actor,
) -> Amendment | None:
    """Record the decision; None when no late row is left to count, and no row waited for its close."""
    snapshot = world.lake.snapshot(names.late(migration.name, revision))
    if snapshot is None:
        return None
    last = max(closed)
    amended = world.amendments.amended(migration.name, revision)
    pending = pending_days(migration, amended, world.ledger.amendments(migration.name, revision), last)
    candidates = _pick(migration, revision, snapshot, closed, amended, world)
    changed, rows = settle(migration, candidates, set(days), pending, last)
    if not changed:
        return None
    # Before the decision is on record: what that names must not expire, whenever it is carried out.
    world.lake.tag(names.late(migration.name, revision), snapshot, f"amendment-of-{snapshot}")
    fail_at("amend.after_tag")
    amendment = world.ledger.open_amendment(
        Amendment(
            id=0,
            migration=migration.name,
            revision=revision,
            days=tuple(sorted(changed)),
            late_snapshot=snapshot,
            rows=rows,
            by=by.name,
            reason=reason,
            state=OPEN,
            at=world.clock.now(),
        )
    )
    fail_at("amend.after_open")
    return amendment


def _carry_out(migration: Migration, amendment: Amendment, world: World, by: Actor) -> Amendment:
    """Take a recorded decision to its end, from wherever an earlier call has left it."""
    rows = world.amendments.applied(migration.name, amendment.id)
    if rows is None:
        picked, counting = _counting(migration, amendment, world)
        _run(migration, amendment, counting, world)
        fail_at("amend.after_run")
        _refuse_other_rows(migration, amendment, counting, world)
        fail_at("amend.after_check")
        world.amendments.swap(migration, amendment, picked, by.dag_run)
        fail_at("amend.after_swap")
        rows = len(picked)
    world.amendments.clean(migration, amendment)
    fail_at("amend.after_clean")
    world.ledger.close_amendment(amendment.id, APPLIED, rows)
    return amendment


def _counting(
    migration: Migration, amendment: Amendment, world: World
) -> tuple[Sequence[AmendedEvent], Sequence[AmendedEvent]]:
    """Return the late rows that an amendment lets in, and all that count with them."""
    amended = world.amendments.amended(migration.name, amendment.revision)
    found = _pick(migration, amendment.revision, amendment.late_snapshot, amendment.days, amended, world)
    picked = [event for event in found if moves_within(migration, event, set(amendment.days))]
    return picked, [*amended, *picked]


def _pick(
    migration: Migration,
    revision: int,
    late_snapshot: int,
    days: Collection[date],
    amended: Sequence[AmendedEvent],
    world: World,
) -> Sequence[AmendedEvent]:
    # An id counts once, whatever its day, so all of silver's ids are asked for.
    silver, late = _files(migration, revision, late_snapshot, None, world)
    return world.late_rows.pick(migration, silver, late, amended, days)


def _files(
    migration: Migration, revision: int, late_snapshot: int, days: Sequence[date] | None, world: World
) -> tuple[Sequence[str], Sequence[str]]:
    silver = names.silver(migration.name, revision)
    now = world.lake.snapshot(silver)
    # A closed day's rows in silver never change, so its newest snapshot is as good as any later one.
    accepted = world.lake.data_files(silver, now, days) if now is not None else []
    return accepted, world.lake.data_files(names.late(migration.name, revision), late_snapshot)


def _run(migration: Migration, amendment: Amendment, counting: Sequence[AmendedEvent], world: World) -> None:
    """Fill the side tables by a bounded run under a writer of its own, and wait for its end."""
    if world.engine.free_slots() < 1:
        raise Retryable(
            "a bounded run needs one free slot of the stream engine, and there is none; "
            "add a TaskManager or stop a job"
        )
    job_id = uuid4().hex
    writer = world.amendments.prepare(migration, amendment, counting, job_id)
    fail_at("amend.after_prepare")
    name = f"slipway-{migration.name}-r{amendment.revision}-amend-{amendment.id}"
    script = world.scripts.amend(
        migration, amendment, writer, world.lake.snapshot(names.silver(migration.name, amendment.revision))
    )
    world.engine.submit(JobSubmission(name=name, job_id=job_id, script=script, parallelism=1))
    fail_at("amend.after_submit")
    began = world.clock.now()
    while True:
        status = world.engine.status(job_id)
        if status is not None and status.state == "FINISHED":
            return
        if status is None or status.state in _ENDED_BADLY:
            seen = "is unknown to the engine" if status is None else f"is {status.state}: {status.failure}"
            raise Retryable(f"the bounded run {name} ({job_id}) {seen}. Nothing was changed; amend again")
        if world.clock.now() - began >= RUN_AT_MOST:
            world.engine.cancel(job_id)
            raise Retryable(
                f"the bounded run {name} ({job_id}) is {status.state} after {RUN_AT_MOST} and was cancelled. "
                "Nothing was changed; see the engine's page for what it waits for, then amend again"
            )
        world.clock.pause(_LOOK_EVERY)


def _refuse_other_rows(
    migration: Migration, amendment: Amendment, counting: Sequence[AmendedEvent], world: World
) -> None:
    """Compare the side tables with a fold by another engine: bounded runs were seen to lose rows silently."""
    first, last = span(migration, amendment.days)
    # A newer version may lie on any day, so with versions all of silver is asked for.
    held = (
        None
        if migration.contract.events.version
        else [first + _ONE_DAY * n for n in range((last - first).days + 1)]
    )
    silver, late = _files(migration, amendment.revision, amendment.late_snapshot, held, world)
    for kpi in migration.kpis.values():
        expected = world.late_rows.fold(migration, kpi, silver, late, counting, amendment.days)
        seen = world.amendments.side_rows(kpi, amendment)
        if difference := _first_difference(kpi, expected, seen):
            raise Retryable(
                f"the bounded run of amendment {amendment.id} filled {kpi.name} with {len(seen)} rows where "
                f"the recompute has {len(expected)}; {difference}. Nothing was changed; amend again, and "
                "when it comes back look for what the engines fold differently"
            )


def _first_difference(
    kpi: CompiledKpi, expected: Sequence[tuple[Any, ...]], seen: Sequence[tuple[Any, ...]]
) -> str:
    width = len(kpi.grain)
    wanted, found = ({row[:width]: row[width:] for row in rows} for rows in (expected, seen))
    for key in sorted(wanted.keys() | found.keys(), key=str):
        label = ", ".join(map(str, key))
        if key not in wanted or key not in found:
            return f"({label}) is only in the {'recompute' if key in wanted else 'run'}"
        for measure, right, left in zip(kpi.measures, wanted[key], found[key], strict=True):
            if not _same(left, right):
                return f"{measure.name} of ({label}) is {left}, expected {right}"
    return ""


def _same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return isclose(left, right, rel_tol=1e-9)
    return left == right
