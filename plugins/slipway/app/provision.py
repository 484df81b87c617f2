"""Makes what a migration needs before any job runs; run again, it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from slipway.app.provision_steps import (
    AdoptContract,
    Advance,
    ConfigureTopic,
    CreateLakeTable,
    CreateTopic,
    InstallServing,
    RegisterSchema,
    RememberCluster,
    SetCompatibility,
    Step,
    pairs,
)
from slipway.app.tables import bronze_table
from slipway.domain import derive, names
from slipway.domain.contract import Migration
from slipway.domain.states import State
from slipway.errors import Permanent
from slipway.faults import fail_at
from slipway.ports import Actor, Standing, TopicSpec, World

COMPATIBILITY = "BACKWARD"
"""New schemas read old events: a field is added with a default, and none without one goes away."""


def plan(migration: Migration, world: World) -> tuple[Step, ...]:
    """Return what has to change, in order; nothing is touched.

    Permanent when the world can't be changed into what the contract wants without losing something.
    """
    standing = world.ledger.standing(migration.name)
    return tuple(
        step
        for steps in (
            _ledger(migration, world, standing),
            _topics(migration, world),
            _schema(migration, world),
            _tables(migration, world),
            _state(standing),
        )
        for step in steps
    )


def apply(migration: Migration, steps: Sequence[Step], world: World, by: Actor) -> None:
    """Carry out a plan. A run that was interrupted is finished by planning and applying again."""
    with world.ledger.lock(migration.name):
        for step in steps:
            fail_at(f"provision.{type(step).__name__}")
            _carry_out(step, migration, world, by)


def table(steps: Sequence[Step]) -> str:
    """Return the plan as a person reads it."""
    if not steps:
        return "nothing to do: all that the contract needs is there"
    rows = [("what", "seen", "wanted", "because")]
    rows += [(step.what, step.seen, step.wanted, step.reason) for step in steps]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )


def _carry_out(step: Step, migration: Migration, world: World, by: Actor) -> None:
    match step:
        case AdoptContract(contract=contract, parity=parity):
            world.ledger.adopt(migration.name, contract, parity, by)
        case RememberCluster(cluster_id=cluster_id):
            world.ledger.remember_cluster(migration.name, cluster_id, by)
        case CreateTopic(topic=topic):
            world.topics.create(topic)
        case ConfigureTopic(topic=topic, config=config):
            world.topics.configure(topic, config)
        case SetCompatibility(subject=subject, level=level):
            world.schemas.set_compatibility(subject, level)
        case RegisterSchema(subject=subject, schema=schema):
            world.schemas.register(subject, schema)
        case CreateLakeTable(table=table):
            world.lake.ensure(table)
        case InstallServing():
            world.serving.install()
            world.amendments.install()
            world.serving.publish(migration, ())
        case Advance(to=to, reason=reason):
            world.ledger.advance(migration.name, to, by, reason)


def _ledger(migration: Migration, world: World, standing: Standing | None) -> Iterator[Step]:
    known = standing.contract_digest if standing else None
    if (
        standing is None
        or known != migration.contract_digest
        or standing.state in (State.DRAFT, State.ABORTED)
    ):
        yield AdoptContract(
            known[:12] if known else "unknown", migration.contract_digest, migration.parity_digest
        )
    cluster = world.topics.cluster_id()
    recorded = standing.cluster_id if standing else None
    if recorded is None:
        yield RememberCluster(cluster)
    elif recorded != cluster:
        raise Permanent(
            f"{migration.name} was provisioned on Kafka cluster {recorded}, but slipway_kafka leads to "
            f"{cluster}: offsets and checkpoints of one mean nothing in the other. Point the connection "
            "back, or start the migration under another name"
        )


def _topics(migration: Migration, world: World) -> Iterator[Step]:
    brokers = world.topics.brokers()
    events = migration.contract.events
    wanted = derive.partitions(migration)
    partitions = int(str(wanted.value))
    replication = int(str(derive.replication(brokers).value))
    raw = TopicSpec(events.topic, partitions, replication, derive.raw_topic_config(migration, brokers))
    dead = TopicSpec(names.dlq_topic(events.topic), partitions, replication, derive.dlq_topic_config(brokers))
    for topic, role in ((raw, "the raw topic"), (dead, "refused records, with their reasons")):
        seen = world.topics.describe(topic.name)
        if seen is None:
            yield CreateTopic(topic, f"{role}; partitions = {wanted.rule}")
            continue
        if seen.partitions != partitions:
            raise Permanent(
                f"topic {topic.name} has {seen.partitions} partitions, but the contract's traffic asks for "
                f"{partitions}. Its records are ordered by {', '.join(events.key)}, and another count would "
                "send a key to another partition: make a new topic, let the old one be drained, and name it "
                "in the contract; or state the traffic that the topic was made for"
            )
        differing = {key: value for key, value in topic.config.items() if seen.config.get(key) != value}
        if differing:
            now = pairs({key: seen.config.get(key, "default") for key in differing})
            yield ConfigureTopic(topic.name, differing, now, _why(differing, events.arrival))


def _why(differing: Mapping[str, str], arrival: str) -> str:
    if "message.timestamp.type" in differing or "retention.ms" in differing:
        return f"a record's timestamp is its arrival (arrival: {arrival})"
    return "derived from the cluster"


def _schema(migration: Migration, world: World) -> Iterator[Step]:
    subject = names.value_subject(migration.contract.events.topic)
    level = world.schemas.compatibility(subject)
    known = world.schemas.identify(subject, migration.schema.text)
    # The level first: a subject that accepts anything would accept the wrong schema, too.
    if level != COMPATIBILITY:
        yield SetCompatibility(subject, COMPATIBILITY, level or "the registry's default")
    if known is None:
        yield RegisterSchema(
            subject, migration.schema.text, "another version" if world.schemas.latest(subject) else "none"
        )


def _tables(migration: Migration, world: World) -> Iterator[Step]:
    bronze = bronze_table(migration)
    if not world.lake.exists(bronze.full_name):
        yield CreateLakeTable(bronze, "every record as it came, whatever becomes of it")
    routed = _routed(migration, world)
    absent = tuple(kpi for kpi in migration.kpis if kpi not in routed)
    if absent:
        yield InstallServing(absent, "absent")


def _routed(migration: Migration, world: World) -> frozenset[str]:
    try:
        return frozenset(route.kpi for route in world.serving.routes(list(migration.kpis)))
    except Permanent:  # the warehouse has no such table yet
        return frozenset()


def _state(standing: Standing | None) -> Iterator[Step]:
    state = standing.state if standing else State.DRAFT
    if state in (State.DRAFT, State.CONTRACTED, State.ABORTED):
        yield Advance(state.value)
