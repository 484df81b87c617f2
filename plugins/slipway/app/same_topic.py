"""Refuses a topic that is not the one which bronze has read, or whose records nobody can account for."""

from __future__ import annotations

from collections.abc import Mapping

from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.errors import Permanent
from slipway.ports import World


def same_topic(migration: Migration, known: str | None, world: World) -> str:
    """Return the topic's id; Permanent unless it is the one that is known, or none is known yet."""
    topic = migration.contract.events.topic
    found = world.topics.identity(topic)
    if found is None:
        raise Permanent(
            f"there is no topic {topic} any more, so nothing can be compared with what bronze has read of it;"
            " is slipway_kafka the right cluster?"
        )
    if known and found != known:
        raise Permanent(
            f"the topic {topic} was deleted and made again: bronze holds records of the topic with Kafka's id"
            f" {known}, and the one that is there now has the id {found}. Their offsets can't be compared."
            f" Give {migration.name} another name, with tables of its own, and let it start anew"
        )
    spec = world.topics.describe(topic)
    policy = (spec.in_force("cleanup.policy") if spec else None) or ""
    if "compact" in policy:
        raise Permanent(
            f"the topic {topic} has cleanup.policy={policy}: Kafka removes older records of a key from it, so"
            " nobody can say which records bronze should hold. Set cleanup.policy=delete"
            f" (`slipway apply {migration.name}`), or let the producers write to another topic"
        )
    return found


def newest_of_bronze(migration: Migration, world: World) -> Mapping[int, int]:
    """Return the largest offset of each partition that bronze holds."""
    table = names.bronze(migration.name)
    snapshot = world.lake.snapshot(table)
    if snapshot is None:
        return {}
    files = world.lake.data_files(table, snapshot)
    return world.comparison.held(migration, files, {}, {}, {}).newest


def refuse_lost_offsets(
    migration: Migration, newest_held: Mapping[int, int], ends: Mapping[int, int]
) -> None:
    """Raise Permanent when bronze holds offsets that the topic, looked at later, has not reached."""
    for partition, newest in sorted(newest_held.items()):
        if newest >= ends.get(partition, 0):
            seen = f"ends at offset {ends[partition]}" if partition in ends else "is not there"
            raise Permanent(
                f"bronze holds offset {newest} of partition {partition}, but that partition of"
                f" {migration.contract.events.topic} {seen}: the topic was made again, or has lost records"
                " that were read from it (an unclean leader election, a restored broker). Their offsets will"
                f" be given to other records. Give {migration.name} another name and let it start anew"
            )
