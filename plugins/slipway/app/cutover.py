"""Moves readers from batch to stream: preflight, request, arm, canary, switch, verify, or back again.

Every step asks its guards of the ledger and the warehouse itself, whatever an earlier step said, and can be
run again after a crash at any line: the warehouse's journal says how far it had come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway.app import observe, rollback
from slipway.app.observe import Observed
from slipway.domain.contract import Migration
from slipway.domain.gates import (
    NotYet,
    Refused,
    evidence_blockers,
    live_blockers,
    passing,
    quorum_blockers,
    requester_blockers,
    short,
)
from slipway.domain.spans import rough_span
from slipway.domain.states import Blocker, State
from slipway.domain.transitions import Verb, decide, next_step
from slipway.errors import LockHeld, Permanent
from slipway.faults import fail_at
from slipway.ports import Actor, RouteChange, Source, SwitchRow, World

_LOOK_EVERY = timedelta(seconds=1)
_BACK_WITHIN = timedelta(seconds=60)
"""How long a job that served readers may take to come back, before they are given the batch side."""
_READY = (State.SHADOW, State.ELIGIBLE, State.ARMED, State.CANARY)


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a cutover would do; no step when readers get the stream already. awaited: missing sign-offs."""

    migration: str
    steps: tuple[str, ...]
    awaited: tuple[Blocker, ...]

    @property
    def nothing_to_do(self) -> bool:
        return not self.steps

    def __str__(self) -> str:
        if self.nothing_to_do:
            return f"nothing to do: readers of {self.migration} get the current revision already"
        waits = [f"  waits: {blocker.what} ({blocker.fix})" for blocker in self.awaited]
        return "\n".join([f"cutover of {self.migration} would:", *(f"  {s}" for s in self.steps), *waits])


@dataclass(frozen=True, slots=True)
class Switched:
    """Readers get the stream. rows: the journal's, the point of no return; already: by an earlier run."""

    migration: str
    rows: tuple[SwitchRow, ...]
    already: bool

    def __str__(self) -> str:
        lines = [
            f"  {row.kpi}: revision {row.after['revision']} since {row.at:%Y-%m-%d %H:%M:%S} UTC, "
            f"epoch {row.epoch}"
            for row in self.rows
        ]
        word = "got the stream already" if self.already else "get the stream now"
        return "\n".join([f"readers of {self.migration} {word}:", *lines])


def preflight(migration: Migration, world: World, by: Actor) -> Preflight:
    """Ask every guard and say what would happen; Refused with all blockers, and no state is changed.

    Retryable when all that is wrong is a job that is coming back, or whose lag can't be told just now.
    """
    observed = observe.measured(migration, world, by)
    facts = observed.facts
    if observed.served_by_stream:
        return Preflight(migration.name, (), ())
    found = [*_state_blockers(observed), *requester_blockers(facts), *evidence_blockers(facts)]
    missing = quorum_blockers(facts)
    found += [*live_blockers(facts), *_lock_blockers(migration, world)]
    found += [blocker for blocker in missing if blocker.code == "rejected"]
    awaited = tuple(blocker for blocker in missing if blocker.code != "rejected")
    if found:
        if passing(found):
            raise NotYet(f"the cutover of {migration.name}", found)
        raise Refused(f"the cutover of {migration.name}", [*found, *awaited])
    return Preflight(migration.name, tuple(_steps(migration, observed)), awaited)


def request(migration: Migration, world: World, by: Actor, reason: str) -> None:
    """Record who asked, and on which evidence: newer evidence that differs ends this cutover."""
    newest = world.ledger.reconciliations(migration.name, limit=1)
    world.ledger.request_cutover(migration.name, by, reason, newest[0].digest if newest else None)


def arm(migration: Migration, world: World, by: Actor) -> str:
    """Record that evidence and quorum stand for this requester; Refused otherwise."""
    with world.ledger.lock(migration.name):
        observe.settle(migration, world, by)
        observed = observe.recorded(migration, world, by)
        facts = observed.facts
        if observed.served_by_stream:
            return f"{migration.name}: readers get revision {facts.revision} already"
        found = [
            *_state_blockers(observed),
            *requester_blockers(facts),
            *evidence_blockers(facts),
            *quorum_blockers(facts),
        ]
        if found:
            raise Refused(f"arming {migration.name}", found)
        for state, reason in (
            (State.ELIGIBLE, "the observation window is complete"),
            (State.ARMED, f"quorum for the cutover that {by.name} asked for"),
        ):
            standing = world.ledger.standing(migration.name)
            if standing and standing.state in (State.SHADOW, State.ELIGIBLE) and standing.state is not state:
                world.ledger.advance(migration.name, state, by, reason)
                fail_at(f"arm.{state.lower()}")
        signed = short(facts.newest.digest) if facts.newest else ""
        return f"{migration.name} is armed with the evidence {signed}"


def canary(migration: Migration, step: int, world: World, by: Actor) -> str:
    """Serve one step's segments from the stream and watch them for the contract's soak.

    Refused when a guard says no, before or during the soak; readers have the batch side again then. Retryable
    with readers where they are when the job is only coming back; during the soak it has a minute for that.
    """
    segments = migration.contract.cutover.canary[step]
    told = ", ".join(f"{name} {' '.join(values)}" for name, values in segments.items())
    with world.ledger.lock(migration.name):
        observe.settle(migration, world, by)
        observed = observe.measured(migration, world, by)
        if all(route.source is Source.STREAM for route in observed.routes):
            return f"canary {told}: skipped, readers get the stream already and move in one switch"
        _guard(migration, world, by, observed, Verb.CANARY)
        wanted = [
            RouteChange(route, Source.CANARY, observed.facts.revision, segments)
            for route in observed.routes
            if (route.source, route.revision, _plain(route.canary))
            != (Source.CANARY, observed.facts.revision, _plain(segments))
        ]
        fail_at("canary.checked")
        if wanted:
            _change(migration, world, by, observed, wanted, "canary", f"canary step {step + 1}: {told}")
            fail_at("canary.routed")
        _follow(migration, world, by, State.CANARY, f"canary step {step + 1}: {told}", "canary")
        since = max((row.at for row in world.serving.journal(migration.name)), default=world.clock.now())
    _soak(migration, world, by, since)
    return f"canary {told}: {rough_span(migration.contract.cutover.soak)} without a complaint"


def switch(migration: Migration, world: World, by: Actor, reason: str) -> Switched:
    """Ask all guards again under the lock, and move all readers in one transaction of the warehouse.

    Refused with every blocker; a canary that was served is taken back then. Retryable, with the canary left
    as it is, when all that is wrong is a job that is coming back or whose lag can't be told just now.
    """
    with world.ledger.lock(migration.name):
        observe.settle(migration, world, by)
        observed = observe.measured(migration, world, by)
        if observed.served_by_stream:
            rows = [row for row in observed.journal if row.action == "switch"]
            return Switched(migration.name, tuple(rows[-len(observed.routes) :]), already=True)
        _guard(migration, world, by, observed, Verb.SWITCH, _canary_blockers(migration, observed))
        fail_at("switch.checked")
        wanted = [RouteChange(route, Source.STREAM, observed.facts.revision, {}) for route in observed.routes]
        rows = list(_change(migration, world, by, observed, wanted, "switch", reason))
        fail_at("switch.routed")
        _follow(migration, world, by, State.SWITCHED, reason, "switch")
    return Switched(migration.name, tuple(rows), already=False)


def verify(migration: Migration, world: World, by: Actor) -> str:
    """Read as a consumer does: every row must come from where the route says; roll back when one does not.

    Rolls back as well when the job has ended, or is not back within a minute.
    """
    with world.ledger.lock(migration.name):
        observe.settle(migration, world, by)
        until = world.clock.now() + _BACK_WITHIN
        found = _wrong_after_switch(migration, world, by)
        while passing(found) and world.clock.now() < until:
            world.clock.pause(_LOOK_EVERY)
            found = _wrong_after_switch(migration, world, by)
        if found:
            done = rollback.rollback(migration, world, by, f"verify found: {found[0].what} ({found[0].seen})")
            print(done)
            raise Refused(f"the switch of {migration.name} was rolled back; it", found)
        served = world.serving.served(migration)
    lines = [
        f"  {each.kpi}: {each.rows['stream']} rows from the stream, {each.rows['batch']} from batch"
        for each in served
    ]
    return "\n".join([f"readers of {migration.name} get what their routes say, row by row:", *lines])


def restore(migration: Migration, world: World, by: Actor, reason: str) -> str:
    """Take a canary back after a failed cutover; nothing when no canary is served. Voids no sign-off."""
    with world.ledger.lock(migration.name):
        observe.settle(migration, world, by)
        taken = restore_locked(migration, world, by, reason)
    return f"{migration.name}: {'the canary was taken back' if taken else 'no canary is served'}"


def restore_locked(migration: Migration, world: World, by: Actor, reason: str) -> bool:
    """Do the same for a caller who holds the lock; True when a canary was served."""
    routes = world.serving.routes(list(migration.kpis))
    wanted = [RouteChange(route, Source.BATCH, None, {}) for route in routes if route.source is Source.CANARY]
    if not wanted:
        return False
    world.serving.change(migration.name, wanted, "restore", None, by, reason)
    fail_at("restore.routed")
    _follow(migration, world, by, State.SHADOW, reason, "restore")
    return True


def _guard(
    migration: Migration,
    world: World,
    by: Actor,
    observed: Observed,
    verb: Verb,
    more: Sequence[Blocker] = (),
) -> None:
    decision = decide(observed.facts.state, verb, observed.facts)
    found = [*(() if isinstance(decision, State) else decision), *more]
    if passing(found):
        raise NotYet(f"{verb} of {migration.name}", found)
    if found:
        restore_locked(migration, world, by, f"{verb} was refused: {', '.join(b.code for b in found)}")
        raise Refused(f"{verb} of {migration.name}", found)


def _change(
    migration: Migration,
    world: World,
    by: Actor,
    observed: Observed,
    wanted: Sequence[RouteChange],
    action: str,
    reason: str,
) -> Sequence[SwitchRow]:
    if observed.newest is None:
        raise Permanent(f"{action} of {migration.name} without evidence; trigger {migration.name}.reconcile")
    return world.serving.change(migration.name, wanted, action, observed.newest.digest, by, reason)


def _follow(migration: Migration, world: World, by: Actor, state: State, reason: str, place: str) -> None:
    """Let the ledger follow the journal, which holds the change already."""
    world.ledger.mirror_switches(world.serving.journal(migration.name))
    fail_at(f"{place}.mirrored")
    observe.follow_journal(migration, world, state, by, reason)
    fail_at(f"{place}.advanced")


def _wrong_after_switch(migration: Migration, world: World, by: Actor) -> list[Blocker]:
    observed = observe.measured(migration, world, by)
    if not observed.served_by_stream:
        seen = ", ".join(f"{route.kpi}: {route.source}" for route in observed.routes) or "no routes"
        raise Permanent(
            f"readers of {migration.name} don't get the stream ({seen}); trigger the cutover again"
        )
    return [*_stray_blockers(migration, world), *_job_blockers(observed)]


def _soak(migration: Migration, world: World, by: Actor, since: datetime) -> None:
    until = max(since, world.clock.now()) + migration.contract.cutover.soak
    well_at = world.clock.now()
    while True:
        routes = world.serving.routes(list(migration.kpis))
        if any(route.source is not Source.CANARY for route in routes):
            raise Permanent(
                f"the canary of {migration.name} was ended by somebody else; see the switch journal"
            )
        observed = observe.measured(migration, world, by)
        found = [*_stray_blockers(migration, world), *_job_blockers(observed)]
        now = world.clock.now()
        if not found:
            well_at = now
            if now >= until:
                return
        elif not passing(found) or now - well_at >= _BACK_WITHIN:
            restore(migration, world, by, f"the canary failed: {found[0].what}")
            raise Refused(f"the canary of {migration.name}", found)
        world.clock.pause(min(until - now, _LOOK_EVERY) if now < until else _LOOK_EVERY)


def _state_blockers(observed: Observed) -> list[Blocker]:
    facts = observed.facts
    moved = facts.state in (State.SWITCHED, State.COMPLETED)  # to another revision than the deployed one
    if facts.state in _READY or moved:
        return []
    needed = f"{State.ELIGIBLE} or {State.ARMED}"
    fix = next_step(facts.migration, facts.state, ())
    return [Blocker("wrong_state", f"{facts.migration} is not ready", str(facts.state), needed, fix)]


def _job_blockers(observed: Observed) -> list[Blocker]:
    codes = ("job_not_running", "job_coming_back")
    return [blocker for blocker in live_blockers(observed.facts) if blocker.code in codes]


def _stray_blockers(migration: Migration, world: World) -> list[Blocker]:
    return [
        Blocker(
            "wrong_rows",
            f"Readers of {each.kpi} get rows that its route does not give",
            f"{each.strays} rows",
            "0 rows",
            f"trigger {migration.name}.rollback, then look at the view serving.{each.kpi}",
        )
        for each in world.serving.served(migration)
        if each.strays
    ]


def _lock_blockers(migration: Migration, world: World) -> list[Blocker]:
    try:
        with world.ledger.lock(migration.name):
            return []
    except LockHeld as error:
        return [
            Blocker(
                "lock_held",
                "Something else works on this migration",
                str(error),
                "nobody else at work",
                "wait until it has ended, then try again",
            )
        ]


def _canary_blockers(migration: Migration, observed: Observed) -> list[Blocker]:
    """A contract with canary steps wants the last of them served for its soak, not only marked as done."""
    steps = migration.contract.cutover.canary
    if not steps or all(route.source is Source.STREAM for route in observed.routes):
        return []
    fix = f"trigger {migration.name}.cutover again, and let its canary tasks run"
    last = _plain(steps[-1])
    for route in observed.routes:
        if route.source is not Source.CANARY or _plain(route.canary) != last:
            return [
                Blocker(
                    "canary_missing",
                    "The last canary step is not served",
                    f"readers of {route.kpi} get {_served(route.source, route.canary)}",
                    _served(Source.CANARY, steps[-1]),
                    fix,
                )
            ]
    since = max(row.at for row in observed.journal)
    soaked, soak = observed.facts.now - since, migration.contract.cutover.soak
    if soaked < soak:
        return [
            Blocker(
                "canary_too_short",
                "The canary was not watched long enough",
                f"watched for {rough_span(soaked)}",
                rough_span(soak),
                fix,
            )
        ]
    return []


def _steps(migration: Migration, observed: Observed) -> list[str]:
    digest = short(observed.newest.digest) if observed.newest else ""
    steps = [f"wait for sign-offs of {', '.join(observed.facts.demands.sign_offs)} on {digest}"]
    soak = rough_span(migration.contract.cutover.soak)
    for segments in migration.contract.cutover.canary:
        told = ", ".join(f"{name} {' '.join(values)}" for name, values in segments.items())
        steps.append(f"serve {told} from the stream and watch for {soak}")
    for route in observed.routes:
        steps.append(f"switch {route.kpi} from {route.source} to revision {observed.facts.revision}, ")
        steps[-1] += f"days from {route.from_period} on (epoch {route.epoch} or later)"
    return steps


def _served(source: Source, canary: Mapping[str, Sequence[str]]) -> str:
    told = ", ".join(f"{name} {' '.join(values)}" for name, values in canary.items())
    return f"{told} from the stream, the rest from batch" if source is Source.CANARY else f"all from {source}"


def _plain(segments: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: list(values) for name, values in segments.items()}
