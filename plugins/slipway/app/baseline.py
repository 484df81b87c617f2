"""Build the batch side as of an instant, and write down which build its tables hold."""

from __future__ import annotations

from datetime import datetime

from slipway.domain.contract import Migration
from slipway.errors import Permanent
from slipway.ports import Actor, BaselineRun, World


def baseline(migration: Migration, as_of: datetime, world: World, by: Actor) -> BaselineRun:
    """Build models and tests; a failing one makes `ok` False and leaves the reason in `nodes`.

    Permanent when as_of lies beyond what has arrived: a later reconciliation would count what is still to
    come as missing. Retryable when the warehouse is away.
    """
    _refuse_the_future(migration, as_of, world)
    # The operational tables are read directly, so they are complete up to the instant that is built for.
    run_id = world.baseline.begin(
        migration.name, as_of, loaded_through=as_of, at=world.clock.now(), by=by.name
    )
    run = world.baseline.build(migration.name, as_of, run_id)
    world.baseline.finish(run, world.clock.now())
    return run


def table(run: BaselineRun) -> str:
    """Return the nodes of a run as a table that a person can read, failures first and with their messages."""
    ordered = sorted(run.nodes, key=lambda node: (node[1] not in ("fail", "error"), node[0]))
    width = max((len(name) for name, *_ in ordered), default=0)
    lines = [
        f"{status:<8} {seconds:6.2f} s  {name:<{width}}  {message}"
        for name, status, seconds, message in ordered
    ]
    verdict = "built" if run.ok else "FAILED"
    return "\n".join([f"batch side {verdict} as of {run.as_of.isoformat()}, run {run.run_id}", *lines])


def _refuse_the_future(migration: Migration, as_of: datetime, world: World) -> None:
    if as_of.tzinfo is None:
        raise Permanent(
            f"as_of {as_of.isoformat()} has no time zone; write one, such as 2013-03-01T06:00-05:00"
        )
    if migration.contract.events.arrival == "broker":
        now = world.clock.now()
        if as_of > now:
            raise Permanent(f"as_of {as_of.isoformat()} lies in the future; it is {now.isoformat()}")
        return
    through = world.facts.replayed_through(migration.contract.events.topic)
    if through is None or as_of > through:
        seen = (
            "nothing has been replayed"
            if through is None
            else f"history is replayed through {through.isoformat()}"
        )
        raise Permanent(
            f"{migration.name} can't be built as of {as_of.isoformat()}: {seen};"
            f" replay further (python -m demo.replay --to {as_of.isoformat()}),"
            " or build as of an earlier instant"
        )
