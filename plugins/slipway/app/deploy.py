"""Has a migration's jobs run: the ingest job, and the revision that the contract describes."""

from __future__ import annotations

from slipway.app.attempts import Deployed, Job, NothingToGoOnFrom, have_running
from slipway.app.balance import absent_of_bronze, count_records
from slipway.app.tables import bronze_table, revision_tables
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.states import State
from slipway.errors import Permanent
from slipway.faults import fail_at
from slipway.ports import Actor, Standing, World


def deploy_ingest(migration: Migration, world: World, by: Actor) -> Deployed:
    """Have the ingest job run and through its gate; a changed script goes on where the old one stood."""
    with world.ledger.lock(migration.name):
        cluster_id = _provisioned(migration, world, by)
        subject = names.value_subject(migration.contract.events.topic)
        schema_id = world.schemas.identify(subject, migration.schema.text)
        if schema_id is None:
            raise Permanent(
                f"the registry does not hold the contract's schema for {subject}; "
                f"trigger {migration.name}.provision"
            )
        world.lake.ensure(bronze_table(migration))
        bronze = names.bronze(migration.name)
        job = Job(
            migration=migration,
            kind="ingest",
            revision=0,
            name=names.ingest_job(migration.name),
            digest=world.scripts.ingest_digest(migration),
            lake_tables=(bronze,),
            writes=(),
            reads=(),
            script=lambda _: world.scripts.ingest(migration, schema_id),
            missing=lambda ends: absent_of_bronze(migration, ends, world),
        )
        return have_running(job, cluster_id, world)


def deploy_revision(migration: Migration, world: World, by: Actor) -> Deployed:
    """Have the contract's revision run and through its gate.

    What gives rows another meaning is a new revision with tables of its own, beside the one that runs; the
    same revision only ever goes on.
    """
    with world.ledger.lock(migration.name):
        cluster_id = _provisioned(migration, world, by)
        revision = _revision_of(migration, world)
        try:
            deployed = _have_revision(migration, revision, cluster_id, world, by)
        except NothingToGoOnFrom:
            # Its checkpoints are gone. The last resort: everything again, from the topic, into new tables.
            deployed = _have_revision(migration, revision + 1, cluster_id, world, by)
        # Only now: a revision that fails its gate leaves the current one what it is.
        world.ledger.make_current(migration.name, deployed.job.revision)
        fail_at("deploy.revision_current")
        standing = world.ledger.standing(migration.name)
        if standing is not None and standing.state is State.PROVISIONED:
            reason = f"revision {deployed.job.revision} runs and has every record in its place"
            world.ledger.advance(migration.name, State.HYDRATING, by, reason)
        return deployed


def _have_revision(migration: Migration, revision: int, cluster_id: str, world: World, by: Actor) -> Deployed:
    digest = world.scripts.revision_digest(migration)
    # Before its tables exist: a number must never come to mean two things.
    world.ledger.remember_revision(migration.name, revision, digest, by)
    fail_at("deploy.revision_recorded")
    tables = revision_tables(migration, revision)
    for table in tables:
        world.lake.ensure(table)
    world.serving.publish(migration, sorted(world.ledger.revisions(migration.name)))
    job = Job(
        migration=migration,
        kind="revision",
        revision=revision,
        name=names.revision_job(migration.name, revision),
        digest=digest,
        lake_tables=tuple(table.full_name for table in tables),
        writes=tuple(f"stream.{names.stream_table(kpi, revision)}" for kpi in migration.kpis),
        reads=tuple(dimension.relation for dimension in migration.contract.dimensions.values()),
        script=lambda writer: world.scripts.revision(migration, revision, writer),
        missing=lambda ends: count_records(migration, revision, ends, world).missing,
    )
    return have_running(job, cluster_id, world)


def _provisioned(migration: Migration, world: World, by: Actor) -> str:
    """Return the cluster's id; Permanent unless this very contract was provisioned on it."""
    standing = world.ledger.standing(migration.name)
    fix = f"trigger {migration.name}.provision first"
    if standing is None or standing.cluster_id is None:
        raise Permanent(f"{migration.name} is not provisioned; {fix}")
    if standing.state in (State.DRAFT, State.CONTRACTED, State.ABORTED):
        raise Permanent(f"{migration.name} is {standing.state}, so nothing can be deployed; {fix}")
    if standing.contract_digest != migration.contract_digest:
        raise Permanent(f"the contract of {migration.name} has changed since it was provisioned; {fix}")
    cluster_id = world.topics.cluster_id()
    if cluster_id != standing.cluster_id:
        raise Permanent(
            f"{migration.name} was provisioned on Kafka cluster {standing.cluster_id}, but slipway_kafka "
            f"leads to {cluster_id}; point the connection back"
        )
    _same_topic(migration, standing, world, by)
    return cluster_id


def _same_topic(migration: Migration, standing: Standing, world: World, by: Actor) -> None:
    """Remember the topic that the first job reads; Permanent when it was deleted and made again since."""
    topic = migration.contract.events.topic
    identity = world.topics.identity(topic)
    if identity is None:
        raise Permanent(f"there is no topic {topic}; trigger {migration.name}.provision")
    if standing.topic_id != identity:
        world.ledger.remember_topic(migration.name, identity, by)


def _revision_of(migration: Migration, world: World) -> int:
    """Return the newest revision when it means the same as the contract, else the next number."""
    known = world.ledger.revisions(migration.name)
    if not known:
        return 1
    newest = max(known)
    return newest if known[newest] == world.scripts.revision_digest(migration) else newest + 1
