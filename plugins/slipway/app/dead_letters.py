"""Dead letters: what was refused and why, and the way back for those that were mended.

A replay sends chosen records to the raw topic again, each with a header that names the dead letter. It is
recorded before the first is sent, and closed when it is known what stands in the topic. A crash in between is
settled by looking: a second call finds the headers above the offsets noted. No transaction of Kafka is used,
because its markers would take offsets of the raw topic, which the account of every record counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from slipway.app.avro_records import AvroRecords
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.event_values import Instant, Refused
from slipway.domain.record_key import is_plain, key_bytes
from slipway.domain.validity import Accepted, Validity
from slipway.domain.wire import check_json
from slipway.errors import Permanent
from slipway.faults import fail_at
from slipway.ports import Actor, DeadLetter, Replay, Resent, World

REPLAY_OF = names.REPLAY_HEADER
REPLAY = "slipway_replay"
"""Header beside it: the number of the replay in the ledger, which says who and why."""

OPEN = "open"
SETTLED_AFTER = timedelta(seconds=25)
"""What a process that died has sent is in the topic after this long: its client gave up after 15 s."""
AT_ONCE = 500
"""Records of one entry in the ledger."""

_QUOTED = re.compile(r"'.*'", re.DOTALL)
_PLACE = re.compile(r"\d+:\d+")

Letters = Sequence[tuple[DeadLetter, Resent]]
"""Dead letters, each with the record that goes back."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters. reason: a part of it; since, until: when they were refused; places: `2:17`."""

    reason: str = ""
    stage: str = ""
    since: datetime | None = None
    until: datetime | None = None
    places: Collection[str] = ()

    def holds(self, letter: DeadLetter) -> bool:
        """Say whether a dead letter is meant."""
        return (
            self._holds_reason(header(letter, "reason"))
            and self.stage in ("", header(letter, "stage"))
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at < self.until)
            and (not self.places or letter.place in self.places)
        )

    def _holds_reason(self, reason: str) -> bool:
        return self.reason in reason or self.reason in _general(reason)  # as it is listed


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters of one stage and reason, values in the reason left out. first, last: when refused, UTC."""

    stage: str
    reason: str
    count: int
    replayed: int
    first: datetime
    last: datetime
    example: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did, or would do. settled: sent by an earlier call that did not live to say so.

    refused: (place, reason) of those that the contract of today refuses as well; they were not sent.
    """

    migration: str
    dry_run: bool
    settled: tuple[str, ...]
    sent: tuple[str, ...]
    already: int
    refused: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        many = len(self.sent) != 1
        verb = "would be sent" if self.dry_run else "were sent" if many else "was sent"
        letters = "dead letters" if many else "dead letter"
        lines = [f"{len(self.sent)} {letters} of {self.migration} {verb} to the topic again"]
        if self.settled:
            lines.append(f"{len(self.settled)} were sent by an earlier call, which is recorded now")
        if self.already:
            lines.append(f"{self.already} had been sent before, and left alone now")
        why = Counter(_general(reason) for _, reason in self.refused)
        lines += [f"{count} would be refused again: {reason}" for reason, count in why.most_common()]
        return "\n".join(lines)


def header(letter: DeadLetter, name: str) -> str:
    """Return a header's text; empty when it is absent."""
    return letter.headers.get(name, b"").decode("utf-8", "replace")


def overview(migration: Migration, wanted: Wanted, world: World) -> Sequence[Group]:
    """Return the dead letters by stage and reason, most frequent first."""
    done = _done(migration, world)
    groups: dict[tuple[str, str], Group] = {}
    for letter in _chosen(migration, wanted, world):
        kind = (header(letter, "stage"), _general(header(letter, "reason")))
        seen = groups.get(kind) or Group(*kind, 0, 0, letter.at, letter.at, letter.place)
        groups[kind] = replace(
            seen,
            count=seen.count + 1,
            replayed=seen.replayed + (letter.identity in done),
            first=min(seen.first, letter.at),
            last=max(seen.last, letter.at),
        )
    return sorted(groups.values(), key=lambda group: (-group.count, group.stage, group.reason))


def find(migration: Migration, place: str, world: World) -> DeadLetter:
    """Return one dead letter; Permanent when there is none at that place."""
    if not _PLACE.fullmatch(place):
        raise Permanent(f"{place!r} is no place of a dead letter; expected partition:offset, such as 2:17")
    partition, offset = map(int, place.split(":"))
    topic = names.dlq_topic(migration.contract.events.topic)
    found = world.dead_letters.get(topic, partition, offset)
    if found is None:
        raise Permanent(f"{topic} has no record at {place}; `slipway dlq list {migration.name}` shows them")
    return found


def replay(
    migration: Migration,
    wanted: Wanted,
    reason: str,
    world: World,
    by: Actor,
    *,
    value: bytes | None = None,
    dry_run: bool = False,
) -> Replayed:
    """Send chosen dead letters to the raw topic again, each once, however often this is called.

    value: another value for the one dead letter that is chosen. Records that the contract would refuse again
    stay where they are. Permanent when no reason is given; Retryable when Kafka does not confirm.
    """
    if not reason.strip() and not dry_run:
        raise Permanent(
            "a replay needs a reason; say in a sentence what was mended, it is kept in the ledger"
        )
    if value is not None and len(wanted.places) != 1:
        raise Permanent("another value can be given for one dead letter only; name its place")
    for place in wanted.places:
        find(migration, place, world)
    with world.ledger.lock(migration.name):
        settled = () if dry_run else tuple(_settle(migration, world))
        done = _done(migration, world)
        at = world.dead_letters.newest_arrival(migration.contract.events.topic)
        sending = _Sending(migration, world, at, value)
        sent: list[str] = []
        letters = _chosen(migration, wanted, world)
        while batch := list(islice(letters, AT_ONCE)):
            records = sending.records([letter for letter in batch if letter.identity not in done])
            sending.already += sum(letter.identity in done for letter in batch)
            if records and not dry_run:
                _send(migration, records, reason.strip(), world, by, edited=value is not None)
            sent += (letter.place for letter, _ in records)
    return Replayed(migration.name, dry_run, settled, tuple(sent), sending.already, tuple(sending.refused))


class _Sending:
    """Judges dead letters by today's contract and makes the records that go back."""

    def __init__(self, migration: Migration, world: World, newest: datetime | None, value: bytes | None):
        self._migration = migration
        self._judged = _judge(migration, world)
        self._value = value
        events = migration.contract.events
        # In a topic of history an arrival must not lie before another's; the present is far behind it all.
        self._at = (newest or world.clock.now()) if events.arrival == "producer" else None
        self._now = self._at or world.clock.now()
        self.refused: list[tuple[str, str]] = []
        self.already = 0

    def records(self, letters: Sequence[DeadLetter]) -> Letters:
        """Return the records to send; what would be refused again is noted."""
        found = []
        for letter in letters:
            try:
                found.append((letter, self._record(letter)))
            except Refused as refused:
                self.refused.append((letter.place, str(refused)))
        return found

    def _record(self, letter: DeadLetter) -> Resent:
        value = letter.value if self._value is None else self._value
        accepted = self._judged(value, round(self._now.timestamp() * 1000))
        key = letter.key if self._value is None and letter.key is not None else self._key(accepted)
        return Resent(key, value or b"", {}, self._at)

    def _key(self, accepted: Accepted) -> bytes | None:
        values = {
            name: one.as_datetime() if isinstance(one, Instant) else one
            for name, one in accepted.values.items()
        }
        names_of_key = self._migration.contract.events.key
        return key_bytes(names_of_key, values, plain=is_plain(self._migration))


def _judge(migration: Migration, world: World) -> Callable[[bytes | None, int], Accepted]:
    validity = Validity(migration)
    if migration.contract.events.format == "avro":
        return AvroRecords(migration, validity, world.schemas).check
    return partial(check_json, validity)


def _chosen(migration: Migration, wanted: Wanted, world: World) -> Iterator[DeadLetter]:
    topic = names.dlq_topic(migration.contract.events.topic)
    return (letter for letter in world.dead_letters.read(topic) if wanted.holds(letter))


def _send(
    migration: Migration,
    records: Letters,
    reason: str,
    world: World,
    by: Actor,
    *,
    edited: bool,
) -> None:
    topic = migration.contract.events.topic
    since = {partition: end for partition, (_, end) in world.topics.bounds(topic).items()}
    decided = world.ledger.open_replay(
        Replay(
            id=0,
            migration=migration.name,
            dead_letters=names.dlq_topic(topic),
            letters=tuple(letter.identity for letter, _ in records),
            sent=(),
            since=since,
            edited=edited,
            state=OPEN,
            by=by.name,
            authenticated=by.authenticated,
            reason=reason,
            dag_run=by.dag_run,
            at=world.clock.now(),
        )
    )
    fail_at("dlq.decided")
    number = str(decided.id).encode()
    world.dead_letters.send(
        topic,
        [
            replace(record, headers={REPLAY_OF: letter.place.encode(), REPLAY: number})
            for letter, record in records
        ],
    )
    fail_at("dlq.sent")
    world.ledger.close_replay(decided.id, decided.letters)


def _settle(migration: Migration, world: World) -> Iterator[str]:
    """Find out what calls that died have sent, and close their entries; yields places of those records."""
    for begun in world.ledger.replays(migration.name):
        if begun.state != OPEN:
            continue
        early = begun.at + SETTLED_AFTER - world.clock.now()
        if early > timedelta(0):
            world.clock.pause(early)
        topic = migration.contract.events.topic
        there = world.dead_letters.marks(topic, begun.since, REPLAY_OF)
        sent = {letter: place for letter in begun.letters if (place := letter.partition("@")[0]) in there}
        world.ledger.close_replay(begun.id, list(sent))
        yield from sent.values()


def _done(migration: Migration, world: World) -> Collection[str]:
    """Return the identities of the dead letters that stand in the raw topic again."""
    topic = names.dlq_topic(migration.contract.events.topic)
    replays = world.ledger.replays(migration.name)
    return {letter for one in replays if one.dead_letters == topic for letter in one.sent}


def _general(reason: str) -> str:
    return _QUOTED.sub("'...'", reason)
