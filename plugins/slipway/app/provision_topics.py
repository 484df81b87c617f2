"""How the topics of a migration differ from what its contract wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from slipway.app.provision_steps import (
    ConfigureTopic,
    CreateTopic,
    Refused,
    ReplicateTopic,
    ResetTopic,
    Safety,
    Step,
    pairs,
)
from slipway.domain import derive, names
from slipway.domain.contract import Migration
from slipway.domain.contract_file import Events
from slipway.domain.spans import spoken_span
from slipway.ports import TopicSpec, World

UNWANTED = {"retention.bytes": "-1"}
"""What a topic must not have, for it deletes records whatever their age; set where it is otherwise."""

HARMLESS = (
    "compression.",
    "file.delete.",
    "flush.",
    "follower.replication.throttled.",
    "index.interval.",
    "leader.replication.throttled.",
    "preallocate",
    "segment.",
)
"""Beginnings of keys that change neither which records there are nor what they mean: an operator's own."""

RETENTION, ISR, LARGEST = "retention.ms", "min.insync.replicas", "max.message.bytes"

_RAW_KEPT_BY = frozenset({"retention.raw", "parity.accept_late"})
_DEAD_KEPT_BY = frozenset({"retention.dlq"})

_WHY = {
    "cleanup.policy": "records go by age only; compaction would drop all but the last of a key",
    ISR: "one of the topic's replicas may be away, no more",
    LARGEST: "refused records as large as a broker takes them fit into it",
    "message.timestamp.type": "it says whose clock a record's timestamp is (arrival: {arrival})",
    "retention.bytes": "the broker would delete records by size, whatever their age",
    RETENTION: "how long the broker keeps a record: replays and repairs need it",
}

_BY_HAND = "to have them deleted, set it with Kafka's own tools"


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
    # Another topic in the contract is told as a drain, which says what becomes of the records.
    holds = _holds_records(migration, world) and "events.topic" not in changed
    for topic, role in ((raw, "the raw topic"), (dead, "refused records, with their reasons")):
        seen = world.topics.describe(topic.name)
        if seen is None:
            fresh = CreateTopic(topic, f"{role}; partitions = {wanted.rule}")
            yield _made_again(fresh, migration.name, is_raw=topic is raw) if holds else fresh
            continue
        if seen.partitions != partitions:
            yield _other_partitions(seen, partitions, events)
        if seen.replication < replication:
            yield ReplicateTopic(topic.name, seen.replication, replication, brokers)
        key = "retention.raw" if topic is raw else "retention.dlq"
        adopt = None if topic is raw and events.arrival == "producer" else key
        ours = bool(changed & (_RAW_KEPT_BY if topic is raw else _DEAD_KEPT_BY))
        config = _for_replicas(seen, topic, brokers)
        yield from _other_config(seen, replace(topic, config=config), events.arrival, adopt, ours=ours)
        yield from _foreign(seen, topic)


def _holds_records(migration: Migration, world: World) -> bool:
    bronze = names.bronze(migration.name)
    return world.lake.exists(bronze) and world.lake.snapshot(bronze) is not None


def _made_again(fresh: CreateTopic, migration: str, *, is_raw: bool) -> Step:
    """Return what is said of a topic that is gone though the lake has records of it."""
    if is_raw:
        return Refused(
            fresh.what,
            f"absent, though {names.bronze(migration)} holds its records",
            "the topic that those records came from",
            "a new one counts its offsets from 0 again, and its records would be taken for those that the "
            "lake has",
            "bring it back with its offsets (from a mirror or a backup), and apply again; else start a "
            "migration and KPIs with names of their own on a new topic, and retire this one",
        )
    return replace(
        fresh,
        reason="the old one is gone, and its letters with it",
        safety=Safety.CONFIRM,
        advice="bring it back from a mirror or a backup; or apply with confirmation: the letters that it "
        "had are gone from it, and can no longer be shown or replayed",
    )


def _for_replicas(seen: TopicSpec, wanted: TopicSpec, brokers: int) -> dict[str, str]:
    """Return the configuration for the replicas that the topic really has, not for the brokers of now."""
    enough = int(str(derive.min_in_sync(seen.replication).value))
    config = dict(wanted.config)
    if brokers < enough:
        del config[ISR]  # too few are up to say anything; raising it now would stop writers
    else:
        config[ISR] = str(enough)
    return config


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


def _other_config(
    seen: TopicSpec, wanted: TopicSpec, arrival: str, adopt: str | None, *, ours: bool
) -> Iterator[Step]:
    """Return steps for the keys that the contract owns.

    adopt: the contract's key for the retention, None when it is not free; ours: whether that was changed.
    """
    differing = {key: value for key, value in wanted.config.items() if seen.config.get(key) != value}
    differing |= {key: new for key, new in UNWANTED.items() if seen.in_force(key) not in (None, new)}
    losing = sorted(key for key in differing if _deletes(key, seen, wanted))
    for key in losing:
        if key == RETENTION and ours:
            yield _shortened(seen, differing[key])
            continue
        how = f"put the time into the contract ({adopt})" if key == RETENTION and adopt else None
        yield Refused(
            f"topic {seen.name}: {key}",
            _shown(seen, key),
            f"{key}={differing[key]}",
            "the broker would delete records at once",
            f"to adopt it {how}; {_BY_HAND}" if how else f"it can't be adopted: {_derived(key)}; {_BY_HAND}",
        )
    # What the contract changed; and a key that nobody set and whose value in force loses nothing: the topic
    # was made by an older version, or the broker's own value is the one that is wanted.
    fresh = {
        key: differing[key]
        for key in differing
        if key not in losing and ((key == RETENTION and ours) or _unset(key, seen, differing[key]))
    }
    if fresh:
        if RETENTION in fresh and ours:
            why = "as the contract now says"
        else:
            lost = [_WHY[key] for key in UNWANTED if key in fresh]
            why = lost[0] if lost else "derived from the cluster"
        yield ConfigureTopic(seen.name, fresh, _all_shown(seen, fresh), why, Safety.SAFE, "")
    rest = {key: value for key, value in differing.items() if key not in losing and key not in fresh}
    if rest:
        why = "; ".join(_WHY[key].format(arrival=arrival) for key in sorted(rest))
        free = adopt is not None and RETENTION in rest
        how = f"to adopt {RETENTION} put it into the contract ({adopt}); " if free else ""
        fixed = [key for key in sorted(rest) if not (free and key == RETENTION)]
        how += f"{' and '.join(fixed)} can't be adopted; " if fixed else ""
        advice = f"{how}to revert it apply with confirmation"
        yield ConfigureTopic(seen.name, rest, _all_shown(seen, rest), why, Safety.CONFIRM, advice)


def _unset(key: str, seen: TopicSpec, new: str) -> bool:
    if key in seen.config:
        return False
    return seen.in_force(key) == new or key not in ("message.timestamp.type", RETENTION)


def _derived(key: str) -> str:
    return "the contract knows no compaction" if key == "cleanup.policy" else "it follows from events.arrival"


def _shortened(seen: TopicSpec, new: str) -> Step:
    """Return the step for a retention that the contract itself has made shorter."""
    kept, now = seen.in_force(RETENTION), _span(new)
    before = "all that there are" if kept in (None, "-1") else f"those of the last {_span(str(kept))}"
    return ConfigureTopic(
        seen.name,
        {RETENTION: new},
        _shown(seen, RETENTION),
        f"as the contract now says; the broker deletes every record older than {now} at once, and it keeps "
        f"{before} now",
        Safety.CONFIRM,
        "apply with confirmation to have them deleted, which nothing brings back; or put the longer time "
        "back into the contract",
    )


def _span(millis: str) -> str:
    return spoken_span(timedelta(milliseconds=int(millis)))


def _deletes(key: str, seen: TopicSpec, wanted: TopicSpec) -> bool:
    """Say whether setting the key lets the broker delete records that it keeps now."""
    kept = seen.in_force(key)
    if kept is None:
        return False
    match key:
        case "retention.ms":
            new = int(wanted.config[key])
            return new != -1 and (int(kept) == -1 or int(kept) > new)
        case "cleanup.policy":
            return "delete" not in kept and wanted.config.get(RETENTION) != "-1"
        case _:
            return False


def _foreign(seen: TopicSpec, wanted: TopicSpec) -> Iterator[Step]:
    """Return a step for keys that somebody set and that the contract knows nothing of."""
    known = wanted.config.keys() | UNWANTED.keys()
    keys = [key for key in sorted(seen.config) if key not in known and not _harmless(key, seen)]
    if keys:
        now = {key: seen.defaults.get(key, "the broker's default") for key in keys}
        yield ResetTopic(seen.name, now, pairs({key: seen.config[key] for key in keys}))


def _harmless(key: str, seen: TopicSpec) -> bool:
    if key.startswith(HARMLESS):
        return True
    default = seen.defaults.get(key)
    if key == LARGEST and default is not None:
        return int(seen.config[key]) >= int(default)  # the contract has no say in how large a record may be
    return seen.config[key] == default


def _shown(seen: TopicSpec, key: str) -> str:
    if key in seen.config:
        return f"{key}={seen.config[key]}"
    default = seen.defaults.get(key)
    return f"{key}=default" if default is None else f"{key}={default} (the broker's default)"


def _all_shown(seen: TopicSpec, keys: dict[str, str]) -> str:
    return ", ".join(_shown(seen, key) for key in sorted(keys))
