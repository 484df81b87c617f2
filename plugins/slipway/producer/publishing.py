"""The producer: routes, checks, keys and sends events, and says of each what became of it."""

from __future__ import annotations

import ctypes
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MethodType, TracebackType
from typing import Any, Literal, Self, cast, get_args

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from slipway.domain.contract import Migration
from slipway.domain.event_values import Refused
from slipway.domain.instants import zulu
from slipway.errors import Permanent, SlipwayError
from slipway.ports import Schemas
from slipway.producer.answers import OnResult, delivery, put, told
from slipway.producer.arguments import arrival, kinds, listed
from slipway.producer.events import Counters, Event, Result, UnknownType, general
from slipway.producer.routes import Route, routes_of
from slipway.producer.settings import Profile, patience, settings
from slipway.producer.unheard import Unheard

OnInvalid = Literal["return", "dlq"]
STAGE = "produce"
"""The stage that dead letters of a producer name; those of the ingest job name `decode`."""

_GRACE = 10.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_HERE: weakref.WeakSet[EventProducer] = weakref.WeakSet()


def _forked() -> None:
    for producer in _HERE:
        producer.leave_to_parent()


os.register_at_fork(after_in_child=_forked)


class EventProducer:
    """Publishes events of several contracts. Its methods may be called from several threads.

    contracts: contracts, their files, or folders of them. config: librdkafka's settings. profile: durable
    sends at once, throughput gathers. registry: where schemas have their ids; needed for `format: avro`.
    on_invalid: `return` sends nothing, `dlq` sends the event to its contract's dead letters. now: epoch
    seconds. Permanent when one of them is not as it must be. A forked process needs a producer of its own.
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
        if on_invalid not in get_args(OnInvalid):
            raise Permanent(f"on_invalid is {on_invalid!r}; known are {', '.join(get_args(OnInvalid))}")
        configuration = settings(profile, config)
        self.patience = patience(configuration)
        self._dead = on_invalid == "dlq"
        self._now = now
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._unheard = Unheard()
        self.counters = Counters()
        self._routes = routes_of(contracts, registry, self._note_unknown)
        try:
            self._producer = Producer(configuration)
        except KafkaException as error:
            told = error.args[0].str() if error.args else error
            raise Permanent(f"Kafka's client refuses the configuration: {told}") from error

        _HERE.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except SlipwayError as failed:
            if error is None:
                raise
            error.add_note(str(failed))  # it must not stand in for the application's own

    def publish(self, event: Event) -> Result:
        """Publish one event and wait for Kafka's answer; at most the time that Kafka takes to give up."""
        return self.publish_batch([event])[0]

    def publish_batch(self, events: Iterable[Event]) -> Sequence[Result]:
        """Publish events and wait until Kafka has answered for each; results in the order of the events.

        UnknownType, before anything is sent, when no contract takes one of them, and Permanent when one is no
        Event. Never hangs: what Kafka does not confirm in time has failed.
        """
        self._check_process()
        events = listed(events)
        routes = {kind: self.route(kind) for kind in kinds(events)}
        results: list[Result | None] = [None] * len(events)
        elsewhere: dict[int, str] = {}
        arrived_at = self._millis()
        ways = {
            kind: (
                route,
                route.topic,
                route.encoding.encode,
                route.encoding.latest(arrived_at),
                delivery(results, route.topic, route.migration.name),
            )
            for kind, route in routes.items()
        }
        send, poll, unconfirmed = self._producer.produce, self._producer.poll, 0
        for index, event in enumerate(events):
            route, topic, encode, latest, delivered = ways[event.type]
            if route.from_producer or event.at is not None:
                elsewhere[index] = self._send(route, event, arrived_at, partial(put, results, index))
                continue
            try:
                key, value = encode(event.value, arrived_at, latest)
            except Refused as refused:
                keep = partial(put, results, index)
                elsewhere[index] = self._refuse(route, event, str(refused), arrived_at, keep)
                continue
            done = MethodType(delivered, index)  # half the cost of a partial
            try:
                send(topic, value, key, on_delivery=done)
            except (BufferError, KafkaException):
                self._enqueue(topic, value, key, done, None, None)
            unconfirmed += 1
            if unconfirmed % 512 == 0:
                poll(0)
        return self._answered(results, lambda at: elsewhere.get(at) or routes[events[at].type].topic)

    def send(self, event: Event, on_result: OnResult | None = None) -> None:
        """Publish one event without waiting; on_result is called from a later call of the producer.

        UnknownType when no contract takes it. Waits only while the local queue is full. What fails and has
        no on_result is raised by close; so is what on_result itself raises, which is logged, too.
        """
        self._check_process()
        (kind,) = kinds(listed([event]))
        route = self.route(kind)

        def hear(result: Result) -> None:
            self._count(int(result.ok), () if result.ok else (result,))
            self._unheard.tell(result, on_result)

        self._send(route, event, self._millis(), hear)
        self._producer.poll(0)

    def flush(self) -> int:
        """Wait for everything that was sent; return how many events Kafka has not answered for in time."""
        self._check_process()
        return int(self._producer.flush(self.patience + _GRACE))

    def close(self) -> None:
        """Flush; says what nobody has been told yet.

        Retryable when events have no answer, or have failed and were sent without on_result; Permanent when
        one of those was invalid or can't be sent at all, or when an on_result has raised.
        """
        left = self.flush()
        error = self._unheard.taken(left)
        if error is not None:
            raise error

    def route(self, kind: str) -> Route:
        """Return where a type goes; UnknownType names the known ones."""
        found = self._routes.get(kind)
        if found is None:
            known = ", ".join(sorted(self._routes))
            raise UnknownType(f"no contract takes events of type {kind!r}; this producer knows {known}")
        return found

    def leave_to_parent(self) -> None:
        """Keep the client for good in a forked process: to free it waits for threads that stayed behind."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise Permanent(
                f"this EventProducer belongs to process {self._process}: its threads did not come along into"
                " the forked one; make another there"
            )

    def _send(self, route: Route, event: Event, now: int, on_result: OnResult) -> str:
        """Send an event; return the topic that it goes to."""
        try:
            arrived_at = arrival(route, event, now)
            latest = route.encoding.latest(arrived_at)
            key, value = route.encoding.encode(event.value, arrived_at, latest)
        except Refused as refused:
            return self._refuse(route, event, str(refused), now, on_result)
        at = arrived_at if route.from_producer else None
        answered = partial(told, on_result, route.topic, route.migration.name, "delivered", "")
        self._enqueue(route.topic, value, key, answered, at, None)
        return route.topic

    def _refuse(self, route: Route, event: Event, reason: str, now: int, on_result: OnResult) -> str:
        if not self._dead:
            on_result(Result("invalid", reason=reason))
            return ""
        headers = {
            "reason": reason,
            "stage": STAGE,
            "source_topic": route.topic,
            "source_time": _iso(now),
            "schema_id": "" if route.schema_id is None else str(route.schema_id),
            "time": _iso(now),
        }
        self._enqueue(
            route.dead_letters,
            route.encoding.dead_value(event.value),
            route.encoding.dead_key(event.value),
            partial(told, on_result, route.dead_letters, route.migration.name, "dead_letter", reason),
            None,
            [(name, text.encode("utf-8", "replace")) for name, text in headers.items()],
        )
        return route.dead_letters

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

    def _answered(self, results: list[Result | None], topic: Callable[[int], str]) -> list[Result]:
        """Wait until no result is missing, or Kafka has had the time to give up; count them."""
        deadline = time.monotonic() + self.patience + _GRACE
        others = [result for result in results if result is None or result.status != "delivered"]
        while None in others and time.monotonic() < deadline:
            self._producer.flush(0.5)
            others = [result for result in results if result is None or result.status != "delivered"]
        if None in others:
            late = f"not confirmed within {self.patience:.0f} s"
            for at, result in enumerate(results):
                results[at] = result or Result("failed", topic(at), error=late, retriable=True)
            others = [result for result in results if result is None or result.status != "delivered"]
        self._count(len(results) - len(others), cast(list[Result], others))
        return cast(list[Result], results)

    def _count(self, delivered: int, others: Iterable[Result]) -> None:
        with self._lock:
            self.counters.delivered += delivered
            for result in others:
                if result.status == "failed":
                    self.counters.failed[result.error] += 1
                    continue
                self.counters.invalid[general(result.reason)] += 1
                self.counters.dead_letters += result.status == "dead_letter"

    def _note_unknown(self, fields: Iterable[str]) -> None:
        with self._lock:
            self.counters.unknown_fields.update(fields)

    def _millis(self) -> int:
        return int(self._now() * 1000)


def _iso(millis: int) -> str:
    return zulu(_EPOCH + timedelta(milliseconds=millis), "milliseconds")
