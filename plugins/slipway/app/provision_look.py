"""Looks at the world and says, step by step, how it differs from what the contract wants."""

from __future__ import annotations

from collections.abc import Iterator

from slipway.app import adopted
from slipway.app.provision_steps import (
    AdoptContract,
    Advance,
    ChangeField,
    CreateLakeTable,
    DrainTopic,
    InstallServing,
    Refused,
    RegisterSchema,
    RememberCluster,
    Safety,
    SetCompatibility,
    SetTableProperties,
    Step,
    pairs,
)
from slipway.app.provision_topics import topic_steps
from slipway.app.tables import bronze_table, revision_tables
from slipway.domain import names, schema_change, schema_effects
from slipway.domain.changes import Change, Effect, compare, worst
from slipway.domain.contract import Migration
from slipway.domain.derive import RETENTION_PROPERTY
from slipway.domain.states import State
from slipway.ports import LakeTable, Published, Source, Standing, World

COMPATIBILITY = "BACKWARD_TRANSITIVE"
"""The newest schema reads events of every version: bronze keeps them all, and replays decode them all."""


def steps(migration: Migration, world: World) -> tuple[Step, ...]:
    """Return every step, in the order in which they are carried out."""
    standing = world.ledger.standing(migration.name)
    before = adopted.document(standing, world)
    changes = compare(before, migration.document) if before is not None else ()
    adoption = [*_adoption(migration, standing, known=before is not None)]
    found: list[Step] = [
        *(ChangeField(change) for change in changes),
        # A changed contract is adopted when the world fits it: a run that broke off still sees the changes.
        *([] if changes else adoption),
        *_retired(changes, world),
        *_drained(migration, standing, changes, world),
    ]
    paths = frozenset(change.path for change in changes)
    cluster, recorded = world.topics.cluster_id(), standing.cluster_id if standing else None
    if recorded is None or recorded == cluster:
        found += [RememberCluster(cluster)] if recorded is None else []
        found += topic_steps(migration, world, paths)
    else:
        # Nothing is planned for a cluster that is not the migration's own.
        found.append(_other_cluster(recorded, cluster))
    found += _schema(migration, world)
    found += _tables(migration, standing, world, changes)
    found += _serving(migration, world)
    found += adoption if changes else []
    found += _state(standing)
    return tuple(found)


def _adoption(migration: Migration, standing: Standing | None, *, known: bool) -> Iterator[Step]:
    digest = standing.contract_digest if standing else None
    fresh = standing is None or standing.state in (State.DRAFT, State.ABORTED)
    if fresh or digest != migration.contract_digest or not known:
        safety, advice = Safety.SAFE, ""
        if digest not in (None, migration.contract_digest) and not known:
            safety = Safety.CONFIRM
            advice = (
                "the text of the adopted contract is not in the evidence store, so nobody can say what "
                "changed; compare with a file (`slipway diff --against`), then apply with confirmation"
            )
        yield AdoptContract(
            digest[:12] if digest else "unknown",
            migration.contract_digest,
            migration.parity_digest,
            safety=safety,
            advice=advice,
        )


def _retired(changes: tuple[Change, ...], world: World) -> Iterator[Step]:
    gone = [change.path.removeprefix("kpis.") for change in changes if _is_retired(change)]
    for route in world.serving.routes(gone) if gone else ():
        if route.source is not Source.BATCH:
            yield Refused(
                f"serving.{route.kpi}",
                f"served from {route.source}",
                "served from batch",
                "its readers would be left on a table that no job fills any more",
                "move its readers to batch first (the rollback DAG), or keep the KPI in the contract",
            )


def _is_retired(change: Change) -> bool:
    return change.path.startswith("kpis.") and change.path.count(".") == 1 and change.after == "absent"


def _drained(
    migration: Migration, standing: Standing | None, changes: tuple[Change, ...], world: World
) -> Iterator[Step]:
    moved = next((change for change in changes if change.path == "events.topic"), None)
    if moved is None or world.topics.describe(moved.before) is None:
        return
    jobs = [names.ingest_job(migration.name)]
    if standing and standing.revision:
        jobs.append(names.revision_job(migration.name, standing.revision))
    unread = [world.topics.unread(moved.before, job) for job in jobs]
    told = [count for count in unread if count is not None]
    empty = all(first == end for first, end in world.topics.bounds(moved.before).values())
    complete = empty or len(told) == len(jobs)
    bronze = names.bronze(migration.name)
    ingested = world.lake.exists(bronze) and world.lake.snapshot(bronze) is not None
    yield DrainTopic(moved.before, moved.after, sum(told) if complete else None, ingested)
    if ingested:
        yield Refused(
            f"lake table {bronze}",
            f"records of {moved.before}",
            f"records of {moved.after}",
            "its records are counted by partition and offset, and those of two topics would be taken for "
            "each other",
            "give the new topic a migration and KPIs with names of their own, reconcile them beside the old "
            "ones, and move readers view by view; then retire the old migration",
        )


def _other_cluster(recorded: str, cluster: str) -> Step:
    return Refused(
        "Kafka cluster",
        cluster,
        recorded,
        "the migration was provisioned on another cluster than slipway_kafka leads to, and offsets and "
        "checkpoints of one mean nothing in the other",
        "point the connection slipway_kafka back, or start the migration under another name",
    )


def _schema(migration: Migration, world: World) -> Iterator[Step]:
    subject, text = names.value_subject(migration.contract.events.topic), migration.schema.text
    level = world.schemas.compatibility(subject)
    # The level first: a subject that accepts anything would accept the wrong schema, too.
    if level != COMPATIBILITY:
        laxer = level not in (None, "BACKWARD")
        yield SetCompatibility(
            subject,
            COMPATIBILITY,
            level or "the registry's default",
            Safety.CONFIRM if laxer else Safety.SAFE,
            "it can't be adopted: replays decode events of every version. Apply with confirmation to set it "
            "back"
            if laxer
            else "",
        )
    if world.schemas.identify(subject, text) is not None:
        return
    versions = world.schemas.versions(subject)
    breaking = [
        f"version {number}: {change.field}: {change.why}"
        for number, version in enumerate(versions, start=1)
        for change in schema_change.changes(version, text)
        if not change.compatible
    ]
    if not breaking and not world.schemas.accepts(subject, text):
        breaking = ["the registry finds it incompatible, and says no more"]
    if breaking:
        yield Refused(
            f"subject {subject}: schema",
            f"{len(versions)} version{'s' if len(versions) > 1 else ''}",
            "the contract's schema",
            "; ".join(breaking),
            f"`slipway check-schema {migration.name} <file>` shows each field and what it does to each KPI",
        )
    else:
        newest = schema_change.changes(versions[-1], text) if versions else ()
        used = [
            f"{one.field} ({one.part}): {one.effect}" for one in schema_effects.effects(migration, newest)
        ]
        reason = "; ".join(["producers and jobs agree on one schema", *used])
        yield RegisterSchema(subject, text, f"{len(versions)} other" if versions else "none", reason)


def _tables(
    migration: Migration, standing: Standing | None, world: World, changes: tuple[Change, ...]
) -> Iterator[Step]:
    effect, kept = worst(changes), any(change.path.startswith("retention.") for change in changes)
    purpose = "every record as it came, whatever becomes of it"
    yield from _table(bronze_table(migration), world, purpose, retention_changed=kept)
    # A contract that needs a new revision wants other tables than those of the revision that runs.
    if standing and standing.revision and effect not in (Effect.REVISION, Effect.REFUSED):
        for table in revision_tables(migration, standing.revision):
            if world.lake.exists(table.full_name):
                yield from _table(table, world, "", retention_changed=kept)


def _table(wanted: LakeTable, world: World, purpose: str, *, retention_changed: bool) -> Iterator[Step]:
    drift = world.lake.drift(wanted)
    if drift is None:
        yield CreateLakeTable(wanted, purpose)
        return
    if drift.columns:
        yield Refused(
            f"lake table {wanted.full_name}: columns",
            "; ".join(drift.columns),
            f"{len(wanted.columns)} columns as the contract makes them",
            "rows are in it, and no step of a plan rewrites or drops them",
            "put the columns back by hand (ALTER TABLE), or let the change be a new revision, which gets "
            "tables of its own",
        )
    ours = {
        key: (seen, new)
        for key, (seen, new) in drift.properties.items()
        if seen is None or (retention_changed and key == RETENTION_PROPERTY)
    }
    other = {key: pair for key, pair in drift.properties.items() if key not in ours}
    if ours:
        yield SetTableProperties(
            wanted.full_name,
            {key: new for key, (_, new) in ours.items()},
            pairs({key: seen or "not set" for key, (seen, _) in ours.items()}),
            "how the table is kept and written",
            Safety.SAFE,
            "",
        )
    if other:
        adopt = (
            "to adopt it put it into the contract (`retention`)"
            if set(other) == {RETENTION_PROPERTY}
            else "it can't be adopted: jobs and maintenance count on these settings"
        )
        yield SetTableProperties(
            wanted.full_name,
            {key: new for key, (_, new) in other.items()},
            pairs({key: str(seen) for key, (seen, _) in other.items()}),
            "changed by hand",
            Safety.CONFIRM,
            f"{adopt}; to revert it apply with confirmation",
        )


def _serving(migration: Migration, world: World) -> Iterator[Step]:
    found = world.serving.published(migration)
    yield from (step for one in found for step in _unfit(one, migration.name))
    absent = tuple(one.kpi for one in found if one.owner is None)
    if absent:
        yield InstallServing(absent, "absent")
    dropped = tuple(one.kpi for one in found if one.owner == migration.name and not one.view)
    if dropped:
        yield InstallServing(
            dropped,
            "a route without its view",
            "the view was dropped by hand; its route says what readers get",
            Safety.CONFIRM,
            "to adopt it take the KPI out of the contract; to revert it apply with confirmation",
        )


def _unfit(found: Published, migration: str) -> Iterator[Step]:
    if found.owner not in (None, migration):
        yield Refused(
            f"serving.{found.kpi}",
            f"belongs to the migration {found.owner}",
            f"belongs to {migration}",
            "names of KPIs are unique in a warehouse",
            "give the KPI another name in one of the two contracts",
        )
    if found.wrong:
        yield Refused(
            f"batch.{found.kpi}: columns",
            "; ".join(found.wrong),
            "columns as the contract makes them",
            "the view has one shape for both sides",
            "change the dbt model or the contract; or drop the table while nothing reads it, and apply again",
        )


def _state(standing: Standing | None) -> Iterator[Step]:
    state = standing.state if standing else State.DRAFT
    if state in (State.DRAFT, State.CONTRACTED, State.ABORTED):
        yield Advance()
