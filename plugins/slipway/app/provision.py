"""Makes what a migration needs before any job runs; run again, it changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slipway.app import adopted, provision_look
from slipway.app.provision_steps import (
    AdoptContract,
    Advance,
    ChangeField,
    ConfigureTopic,
    CreateLakeTable,
    CreateTopic,
    DrainTopic,
    InstallServing,
    Refused,
    RegisterSchema,
    RememberCluster,
    ReplicateTopic,
    ResetTopic,
    Safety,
    SetCompatibility,
    SetTableProperties,
    Step,
)
from slipway.app.saved_plan import SavedPlan, refuse_if_moved, save
from slipway.domain.contract import Migration
from slipway.domain.shared_topics import disagreements
from slipway.errors import Permanent, Retryable
from slipway.faults import fail_at
from slipway.ports import Actor, ConnectionSeen, ConnectionState, World

WIDEST = 48
"""Characters to which a plan's column is padded at most."""


def plan(migration: Migration, world: World) -> tuple[Step, ...]:
    """Return what has to change, in order, refused steps included; nothing is touched."""
    return provision_look.steps(migration, world)


def apply(
    migration: Migration,
    shown: Sequence[Step] | SavedPlan,
    world: World,
    by: Actor,
    *,
    confirmed: bool = False,
) -> tuple[Step, ...]:
    """Carry out a plan that was shown, and return the steps that were done.

    shown: steps of `plan`, or a plan that was kept; what is done is planned anew under the lock, and must
    stand in it. A run that was interrupted is finished by applying again. Permanent, before anything is
    changed, when the world or the contract has moved since, when a step is refused, or when one needs a
    confirmation that was not given.
    """
    saved = shown if isinstance(shown, SavedPlan) else save(migration, shown)
    with world.ledger.lock(migration.name):
        steps = plan(migration, world)
        refuse_if_moved(saved, save(migration, steps))
        _refuse_unsafe(steps, confirmed)
        for step in steps:
            fail_at(f"provision.{type(step).__name__}")
            _carry_out(step, migration, world, by)
            fail_at(f"provision.{type(step).__name__}.done")
    return steps


def refuse_connections(seen: Sequence[ConnectionSeen]) -> None:
    """Raise unless every connection is well, with a line for each that is not.

    Retryable when the systems only do not answer, Permanent when somebody must change something.
    """
    bad = [one for one in seen if one.state is not ConnectionState.OK]
    if not bad:
        return
    told = "nothing can be planned before these connections are well:\n" + "\n".join(
        f"  {one.conn_id}: {one.state.value}: {one.seen}; wanted {one.wanted}; {one.fix}" for one in bad
    )
    if all(one.state is ConnectionState.UNREACHABLE for one in bad):
        raise Retryable(told)
    raise Permanent(told)


def refuse_disagreements(migration: Migration, all_of_them: Iterable[Migration]) -> None:
    """Raise Permanent when another contract wants one of the migration's topics in another way."""
    others = (one for one in all_of_them if one.name != migration.name)
    found = [line for other in others for line in disagreements((migration, other))]
    if found:
        raise Permanent("nothing can be planned before the contracts agree:\n  " + "\n  ".join(found))


def connections_table(seen: Sequence[ConnectionSeen]) -> str:
    """Return a line for each connection."""
    width = max((len(one.conn_id) for one in seen), default=0)
    return "\n".join(f"{one.conn_id.ljust(width)}  {one.state.value}: {one.seen}" for one in seen)


def table(steps: Sequence[Step]) -> str:
    """Return the plan as a person reads it."""
    if not steps:
        return "nothing to do: all that the contract needs is there"
    rows = [("what", "seen", "wanted", "safety", "because")]
    rows += [(step.what, step.seen, step.wanted, step.safety.value, step.reason) for step in steps]
    # A long cell runs over; were all padded to it, no line of a plan would fit a screen.
    widths = [max(min(len(row[column]), WIDEST) for row in rows) for column in range(4)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        for row in rows
    ]
    advice = [f"{step.what}: {step.advice}" for step in steps if step.advice]
    if advice:
        lines += ["", "what you can do", *advice]
    return "\n".join(lines)


def _refuse_unsafe(steps: Sequence[Step], confirmed: bool) -> None:
    refused = [step for step in steps if step.safety is Safety.REFUSED]
    if refused:
        raise Permanent(
            "nothing was changed, for the plan has steps that are refused:\n" + "\n".join(map(_line, refused))
        )
    unconfirmed = [step for step in steps if step.safety is Safety.CONFIRM]
    if unconfirmed and not confirmed:
        raise Permanent(
            "nothing was changed, for the plan has steps that need confirmation "
            "(`slipway apply --confirm`, or the DAG's param `confirm`):\n"
            + "\n".join(map(_line, unconfirmed))
        )


def _line(step: Step) -> str:
    return f"  {step.what}: {step.seen} -> {step.wanted}; {step.reason}. {step.advice}"


def _carry_out(step: Step, migration: Migration, world: World, by: Actor) -> None:
    match step:
        case AdoptContract(contract=contract, parity=parity):
            # The text first: a digest in the ledger whose text nobody has could not be compared with.
            adopted.keep(migration, world)
            world.ledger.adopt(migration.name, contract, parity, by)
        case RememberCluster(cluster_id=cluster_id):
            world.ledger.remember_cluster(migration.name, cluster_id, by)
        case CreateTopic(topic=topic):
            world.topics.create(topic)
        case ConfigureTopic(topic=topic, config=config):
            world.topics.configure(topic, config)
        case ResetTopic(topic=topic, config=config):
            world.topics.reset(topic, tuple(config))
        case SetCompatibility(subject=subject, level=level):
            world.schemas.set_compatibility(subject, level)
        case RegisterSchema(subject=subject, schema=schema):
            world.schemas.register(subject, schema)
        case CreateLakeTable(table=table):
            world.lake.ensure(table)
        case SetTableProperties(table=table, properties=properties):
            world.lake.set_properties(table, properties)
        case InstallServing():
            world.serving.install()
            world.amendments.install()
            world.serving.publish(migration, ())
        case Advance(to=to, reason=reason):
            world.ledger.advance(migration.name, to, by, reason)
        case ChangeField() | DrainTopic() | ReplicateTopic():
            pass  # said for the person who confirms; the contract's adoption, or a person, carries them out
        case Refused():
            raise Permanent(_line(step))
