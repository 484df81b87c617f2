"""The producer: routes, checks, keys and sends events, and says of each what became of it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MethodType, TracebackType
from typing import Any, Literal, Self, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.domain.event_values import Refused
from slipway.errors import Permanent, Retryable
from slipway.ports import Schemas
from slipway.producer.encoding import Encoding, OnUnknown
from slipway.producer.events import Counters, Event, Result, Status, UnknownType
from slipway.producer.settings import Profile, patience, settings

OnInvalid = Literal["return", "dlq"]
OnResult = Callable[[Result], None]
STAGE = "produce"
"""The stage that dead letters of a producer name; those of the ingest job name `decode`."""

_GRACE = 10.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LASTING = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.INVALID_RECORD,
        KafkaError._INVALID_ARG,
        KafkaError._FATAL,
    }
)
"""Errors of a record that trying again does not mend."""
_QUOTED = re.compile(r"'.*'", re.DOTALL)


class _Route:
    """Where the events of one contract go."""

    def __init__(self, migration: Migration, schema_id: int | None, on_unknown: OnUnknown) -> None:
        self.migration = migration
        self.topic = migration.contract.events.topic
        self.dead_letters = names.dlq_topic(self.topic)
        self.schema_id = schema_id
        self.from_producer = migration.contract.events.arrival == "producer"
        self.encoding = Encoding(migration, schema_id, on_unknown)

    def meaning(self) -> tuple[Any, ...]:
        """Return what two contracts must have in common to share the events of a type."""
        events = self.migration.contract.events
        kept = (events.topic, events.format, events.key, events.id, events.time, events.arrival)
        return (*kept, events.ahead_at_most, self.migration.schema.text)


class EventProducer:
    """Publishes events of several contracts. Its methods may be called from several threads.

    contracts: contracts, their files, or folders of them. config: librdkafka's settings. profile: durable
    sends at once, throughput gathers. registry: where schemas have their ids; needed for `format: avro`.
    on_invalid: `return` sends nothing, `dlq` sends the event to its contract's dead letters. now: epoch
    seconds.
    """

    def __init__(
        self,
        contracts: Iterable[Migration | Path],
        config: Mapping[str, Any],
        profile: Profile = "durable",
        *,
        registry: Schemas | None = None,
        on_invalid: OnInvalid = "return",
        now: Callable[[], float] = time.time,
    ) -> None:
        configuration = settings(profile, config)
        self.patience = patience(configuration)
        self._producer = Producer(configuration)
        self._dead = on_invalid == "dlq"
        self._now = now
        self._lock = threading.Lock()
        self.counters = Counters()
        self._routes = _routes(_loaded(contracts), registry, self._note_unknown)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def publish(self, event: Event) -> Result:
        """Publish one event and wait for Kafka's answer; at most the time that Kafka takes to give up."""
        return self.publish_batch([event])[0]

    def publish_batch(self, events: Sequence[Event]) -> Sequence[Result]:
        """Publish events and wait until Kafka has answered for each; results in the order of the events.

        UnknownType, before anything is sent, when no contract takes one of them. Never hangs: what Kafka
        does not confirm in time has failed.
        """
        routes = {name: self.route(name) for name in {event.type for event in events}}
        results: list[Result | None] = [None] * len(events)
        arrived_at = self._millis()
        ways = {
            name: (
                route,
                route.topic,
                route.encoding.encode,
                route.encoding.latest(arrived_at),
                _delivery(results, route.topic),
            )
            for name, route in routes.items()
        }
        send, poll, unconfirmed = self._producer.produce, self._producer.poll, 0
        for index, event in enumerate(events):
            route, topic, encode, latest, delivered = ways[event.type]
            if route.from_producer or event.at is not None:
                self._send(route, event, arrived_at, partial(_put, results, index))
                continue
            try:
                key, value = encode(event.value, arrived_at, latest)
            except Refused as refused:
                self._refuse(route, event, str(refused), arrived_at, partial(_put, results, index))
                continue
            done = MethodType(delivered, index)  # half the cost of a partial
            try:
                send(topic, value, key, on_delivery=done)
            except (BufferError, KafkaException):
                self._enqueue(topic, value, key, done, None, None)
            unconfirmed += 1
            if unconfirmed % 512 == 0:
                poll(0)
        return self._answered(results)

    def send(self, event: Event, on_result: OnResult | None = None) -> None:
        """Publish one event without waiting; on_result is called from a later call of the producer.

        UnknownType when no contract takes it. Waits only while the local queue is full.
        """
        route = self.route(event.type)

        def told(result: Result) -> None:
            self._count(int(result.ok), () if result.ok else (result,))
            if on_result is not None:
                on_result(result)

        self._send(route, event, self._millis(), told)
        self._producer.poll(0)

    def flush(self) -> int:
        """Wait for everything that was sent; return how many events Kafka has not answered for in time."""
        return int(self._producer.flush(self.patience + _GRACE))

    def close(self) -> None:
        """Flush; Retryable when events are left that Kafka has not answered for."""
        left = self.flush()
        if left:
            raise Retryable(f"{left} events were not confirmed; they may or may not stand in their topics")

    def route(self, kind: str) -> _Route:
        """Return where a type goes; UnknownType names the known ones."""
        found = self._routes.get(kind)
        if found is None:
            known = ", ".join(sorted(self._routes))
            raise UnknownType(f"no contract takes events of type {kind!r}; this producer knows {known}")
        return found

    def _send(self, route: _Route, event: Event, now: int, on_result: OnResult) -> None:
        try:
            arrived_at = _arrival(route, event, now)
            latest = route.encoding.latest(arrived_at)
            key, value = route.encoding.encode(event.value, arrived_at, latest)
        except Refused as refused:
            self._refuse(route, event, str(refused), now, on_result)
            return
        at = arrived_at if route.from_producer else None
        self._enqueue(route.topic, value, key, partial(_told, on_result, "delivered", ""), at, None)

    def _refuse(self, route: _Route, event: Event, reason: str, now: int, on_result: OnResult) -> None:
        if not self._dead:
            on_result(Result("invalid", reason=reason))
            return
        headers = {
            "reason": reason,
            "stage": STAGE,
            "source_topic": route.topic,
            "source_time": _iso(now),
        }
        if route.schema_id is not None:
            headers["schema_id"] = str(route.schema_id)
        self._enqueue(
            route.dead_letters,
            route.encoding.dead_value(event.value),
            route.encoding.dead_key(event.value),
            partial(_told, on_result, "dead_letter", reason),
            None,
            [(name, text.encode("utf-8", "replace")) for name, text in headers.items()],
        )

    def _enqueue(
        self,
        topic: str,
        value: bytes,
        key: bytes | str | None,
        on_delivery: Callable[[KafkaError | None, Message | None], None],
        at: int | None,
        headers: list[tuple[str, bytes]] | None,
    ) -> None:
        """Hand a record to the client; waits while its queue is full, as long as Kafka waits for a broker."""
        more: dict[str, Any] = {} if headers is None else {"headers": headers}
        if at is not None:
            more["timestamp"] = at
        deadline = time.monotonic() + self.patience + _GRACE
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=on_delivery, **more)
                return
            except BufferError:
                with self._lock:
                    self.counters.waited += 1
                if time.monotonic() > deadline:
                    on_delivery(KafkaError(KafkaError._QUEUE_FULL), None)
                    return
                self._producer.poll(0.1)
            except KafkaException as error:
                on_delivery(error.args[0], None)
                return

    def _answered(self, results: list[Result | None]) -> list[Result]:
        """Wait until no result is missing, or Kafka has had the time to give up; count them."""
        deadline = time.monotonic() + self.patience + _GRACE
        others = [result for result in results if result is None or result.status != "delivered"]
        while None in others and time.monotonic() < deadline:
            self._producer.flush(0.5)
            others = [result for result in results if result is None or result.status != "delivered"]
        missing = Result("failed", error=f"not confirmed within {self.patience:.0f} s", retriable=True)
        self._count(len(results) - len(others), [result or missing for result in others])
        if None in others:
            return [missing if result is None else result for result in results]
        return cast(list[Result], results)

    def _count(self, delivered: int, others: Iterable[Result]) -> None:
        with self._lock:
            self.counters.delivered += delivered
            for result in others:
                if result.status == "failed":
                    self.counters.failed[result.error] += 1
                    continue
                self.counters.invalid[_QUOTED.sub("...", result.reason)] += 1
                self.counters.dead_letters += result.status == "dead_letter"

    def _note_unknown(self, fields: Iterable[str]) -> None:
        with self._lock:
            self.counters.unknown_fields.update(fields)

    def _millis(self) -> int:
        return int(self._now() * 1000)


def _put(results: list[Result | None], index: int, result: Result) -> None:
    results[index] = result


def _delivery(results: list[Result | None], topic: str) -> Callable[..., None]:
    """Return what puts Kafka's answer for a record of the topic into its place among the results."""

    def delivered(index: int, error: KafkaError | None, message: Message | None) -> None:
        if error is None and message is not None:  # written out, for it is done for each event of a batch
            results[index] = Result(
                "delivered",
                topic,
                message.partition(),  # type: ignore[arg-type]  # a delivered record has its place
                message.offset(),  # type: ignore[arg-type]
                message.timestamp()[1],
            )
        else:
            results[index] = _failed("", error)

    return delivered


def _told(
    on_result: OnResult, status: Status, reason: str, error: KafkaError | None, message: Message | None
) -> None:
    on_result(_failed(reason, error) if message is None or error else _stands(status, message, reason))


def _stands(status: Status, message: Message, reason: str = "") -> Result:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    return Result(status, topic, partition, offset, message.timestamp()[1], reason)  # type: ignore[arg-type]


def _failed(reason: str, error: KafkaError | None) -> Result:
    told = "no answer" if error is None else str(error.str())
    lasting = error is not None and (error.fatal() or error.code() in _LASTING)
    return Result("failed", reason=reason, error=told, retriable=not lasting)


def _arrival(route: _Route, event: Event, now: int) -> int:
    """Return when a record arrives, epoch milliseconds; Refused when that is not the application's to say."""
    if not route.from_producer:
        if event.at is not None:
            raise Refused(
                f"{route.topic} takes its arrival from the broker (`arrival: broker`): give no `at`"
            )
        return now
    if event.at is None or event.at.utcoffset() is None:
        raise Refused(
            f"{route.topic} needs the instant of arrival (`arrival: producer`): give `at`, with a zone"
        )
    return (event.at - _EPOCH) // timedelta(milliseconds=1)


def _iso(millis: int) -> str:
    return (_EPOCH + timedelta(milliseconds=millis)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _loaded(contracts: Iterable[Migration | Path]) -> Iterable[Migration]:
    from slipway.adapters.contracts import load_all, load_migration

    for contract in contracts:
        if isinstance(contract, Migration):
            yield contract
        elif contract.is_dir():
            yield from load_all(contract).values()
        else:
            yield load_migration(contract)


def _routes(
    migrations: Iterable[Migration], registry: Schemas | None, on_unknown: OnUnknown
) -> Mapping[str, _Route]:
    """Return the route of every type by its name, and by its name with the namespace."""
    routes: dict[str, _Route] = {}
    for migration in migrations:
        route = _Route(migration, _schema_id(migration, registry), on_unknown)
        for kind in _types(migration):
            other = routes.setdefault(kind, route)
            if other.meaning() != route.meaning():
                raise Permanent(
                    f"{other.migration.name} and {migration.name} both take events of type {kind}, but into"
                    f" {other.topic} and {route.topic} or by other rules; give each a producer of its own"
                )
    if not routes:
        raise Permanent("the producer was given no contract")
    return routes


def _types(migration: Migration) -> Iterable[str]:
    declared = json.loads(migration.schema.text)
    yield migration.schema.name
    if declared.get("namespace"):
        yield f"{declared['namespace']}.{migration.schema.name}"


def _schema_id(migration: Migration, registry: Schemas | None) -> int | None:
    events = migration.contract.events
    subject = names.value_subject(events.topic)
    found = None if registry is None else registry.identify(subject, migration.schema.text)
    if found is None and events.format == "avro":
        seen = "no registry was given" if registry is None else f"{subject} does not hold it"
        raise Permanent(
            f"{migration.name} is written in Avro, which needs the id of its schema, but {seen}; give"
            f" `registry`, and run the DAG `{migration.name}.provision` first"
        )
    return found
