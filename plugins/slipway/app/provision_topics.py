"""How the topics of a migration differ from what its contract wants."""

from __future__ import annotations

from collections.abc import Iterator

from slipway.app.provision_steps import ConfigureTopic, CreateTopic, Refused, Safety, Step, pairs
from slipway.domain import derive, names
from slipway.domain.contract import Migration
from slipway.domain.contract_file import Events
from slipway.ports import TopicSpec, World

UNWANTED = {"retention.bytes": "-1"}
"""What a topic must not have, for it deletes records whatever their age; only looked at where it is set."""

_ADOPT = {
    "message.timestamp.type": "events.arrival",
    "retention.ms": "retention.raw (retention.dlq for the dead-letter topic)",
}


_KEPT_BY = frozenset({"retention.raw", "retention.dlq", "parity.accept_late"})

_DERIVED = "it can't be adopted, for it is derived; "


def topic_steps(migration: Migration, world: World, changed: frozenset[str]) -> Iterator[Step]:
    """Return what is to be done with the raw and the dead-letter topic.

    changed: paths of the contract that are not as they were adopted, so that nobody's hand is suspected.
    """
    brokers, events = world.topics.brokers(), migration.contract.events
    wanted = derive.partitions(migration)
    partitions, replication = int(str(wanted.value)), int(str(derive.replication(brokers).value))
    raw = TopicSpec(events.topic, partitions, replication, derive.raw_topic_config(migration, brokers))
    dead_config = derive.dlq_topic_config(migration, brokers)
    dead = TopicSpec(names.dlq_topic(events.topic), partitions, replication, dead_config)
    for topic, role in ((raw, "the raw topic"), (dead, "refused records, with their reasons")):
        seen = world.topics.describe(topic.name)
        if seen is None:
            yield CreateTopic(topic, f"{role}; partitions = {wanted.rule}")
            continue
        if seen.partitions != partitions:
            yield _other_partitions(seen, partitions, events)
        ours = {"retention.ms"} if changed & _KEPT_BY else set()
        yield from _other_config(seen, topic, events.arrival, ours)


def _other_partitions(seen: TopicSpec, wanted: int, events: Events) -> Step:
    return Refused(
        f"topic {seen.name}: partitions",
        f"{seen.partitions} partitions",
        f"{wanted} partitions",
        f"its records are ordered by {', '.join(events.key)}, and another count would send a key to another "
        "partition",
        "make a new topic, let the old one be drained, and name it in the contract (events.topic); or state "
        "the traffic that the topic was made for",
    )


def _other_config(seen: TopicSpec, wanted: TopicSpec, arrival: str, ours: set[str]) -> Iterator[Step]:
    differing = {key: value for key, value in wanted.config.items() if seen.config.get(key) != value}
    differing |= {key: new for key, new in UNWANTED.items() if seen.config.get(key, new) != new}
    losing = {key for key in differing if _deletes(key, seen, wanted)}
    for key in sorted(losing):
        yield Refused(
            f"topic {seen.name}: {key}",
            f"{key}={seen.config[key]}",
            f"{key}={differing[key]}",
            "the broker would delete records at once",
            f"to adopt it put it into the contract ({_ADOPT.get(key, 'no key of it says this')}); to have "
            "them deleted, set it with Kafka's own tools",
        )
    # What the contract changed; and a key that nobody set and that changes no record's meaning: the topic
    # was made by an older version.
    fresh = {
        key: differing[key]
        for key in differing
        if key not in losing and (key in ours or (key not in seen.config and key not in _ADOPT))
    }
    if fresh:
        now = pairs({key: seen.config.get(key, "default") for key in fresh})
        why = "as the contract now says" if ours & set(fresh) else "derived from the cluster"
        yield ConfigureTopic(seen.name, fresh, now, why, Safety.SAFE, "")
    rest = {key: value for key, value in differing.items() if key not in losing and key not in fresh}
    if rest:
        now = pairs({key: seen.config.get(key, "default") for key in rest})
        keys = [f"{key} by {_ADOPT[key]}" for key in sorted(rest) if key in _ADOPT]
        adopt = f"to adopt it put it into the contract ({', '.join(keys)}); " if keys else _DERIVED
        yield ConfigureTopic(
            seen.name,
            rest,
            now,
            _why(rest, arrival),
            Safety.CONFIRM,
            f"{adopt}to revert it apply with confirmation",
        )


def _deletes(key: str, seen: TopicSpec, wanted: TopicSpec) -> bool:
    """Say whether setting the key lets the broker delete records that it keeps now."""
    kept = seen.config.get(key)
    if kept is None:
        return False
    match key:
        case "retention.ms":
            new = int(wanted.config[key])
            return new != -1 and (int(kept) == -1 or int(kept) > new)
        case "cleanup.policy":
            return "delete" not in kept and wanted.config.get("retention.ms") != "-1"
        case _:
            return False


def _why(differing: dict[str, str], arrival: str) -> str:
    if "message.timestamp.type" in differing or "retention.ms" in differing:
        return f"a record's timestamp is its arrival (arrival: {arrival})"
    if set(differing) <= set(UNWANTED):
        return "the broker would delete records by size, whatever their age"
    return "derived from the cluster"
