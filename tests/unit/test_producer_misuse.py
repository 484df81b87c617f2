"""The producer in the hands of an application that errs, or away from its cluster: nothing is lost unsaid."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from slipway.errors import Permanent, Retryable, SlipwayError
from slipway.producer import Event, EventProducer, Result, publishing
from tests.decoder_cases import migration
from tests.unit.test_producer import ARRIVED, GOOD, NOWHERE, REPO, FakeClient, client_of, producer

INVALID = {**GOOD, "dep_delay": "x"}
EVENT = Event("Status", GOOD)


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(publishing, "Producer", FakeClient)
    yield


def failing(made: EventProducer, code: int) -> EventProducer:
    """Let Kafka refuse everything."""
    client = client_of(made)

    def flush(seconds: float) -> int:
        for on_delivery, _ in client.waiting:
            on_delivery(KafkaError(code), None)
        client.waiting.clear()
        return 0

    client.flush = flush  # type: ignore[method-assign]
    return made


def test_events_that_were_sent_unheard_and_failed_are_told_at_the_end() -> None:
    with (
        pytest.raises(
            Retryable, match=r"^2 events that were sent without `on_result` were not published: 2 x "
        ),
        failing(producer(), KafkaError._MSG_TIMED_OUT) as made,
    ):
        made.send(EVENT)
        made.send(EVENT)
    made.close()


def test_an_invalid_event_that_was_sent_unheard_is_told_for_good() -> None:
    made = producer()
    made.send(Event("Status", INVALID))

    with pytest.raises(Permanent, match=r"not published: 1 x dep_delay: \.\.\. is not an integer"):
        made.close()


def test_a_dead_letter_and_what_somebody_was_told_are_not_lost() -> None:
    dead, heard = producer(on_invalid="dlq"), failing(producer(), KafkaError._MSG_TIMED_OUT)
    told: list[Result] = []
    dead.send(Event("Status", INVALID))
    heard.send(EVENT, told.append)

    dead.close()
    heard.close()

    assert [(result.status, result.topic) for result in told] == [("failed", "raw-cases")]


def test_the_applications_own_error_comes_first() -> None:
    with pytest.raises(KeyError) as raised, failing(producer(), KafkaError._MSG_TIMED_OUT) as made:
        made.send(EVENT)
        raise KeyError("its own")
    assert any("not published" in note for note in raised.value.__notes__)


def test_an_on_result_that_raises_breaks_no_other_call_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    made = producer()

    def careless(result: Result) -> None:
        raise LookupError(f"no {result.status}")

    made.send(EVENT, careless)
    made.send(Event("Status", INVALID), careless)
    results = made.publish_batch([EVENT, EVENT])

    assert [result.status for result in results] == ["delivered", "delivered"]
    assert caplog.text.count("on_result failed") == 2
    with pytest.raises(Permanent, match="`on_result` failed 2 times, first with LookupError: no invalid"):
        made.close()
    made.close()


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([EVENT, {"type": "Status"}], r"given as Event\(type, value\), not as dict"),
        ([EVENT, Event(["Status"], GOOD)], "unhashable type: 'list'"),  # type: ignore[arg-type]
        (EVENT, "events are given as a list, not as Event"),
        (5, "events are given as a list, not as int"),
    ],
)
def test_what_is_no_event_is_refused_before_anything_is_sent(events: Any, told: str) -> None:
    made = producer()

    with pytest.raises(Permanent, match=told):
        made.publish_batch(events)
    assert client_of(made).records == []


def test_a_generator_of_events_is_a_batch() -> None:
    made = producer()

    assert [result.ok for result in made.publish_batch(EVENT for _ in range(2))] == [True, True]
    with pytest.raises(Permanent, match="not as dict"):
        made.send({"type": "Status"})  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [5, "2013-03-08T11:00:01Z", datetime(1969, 12, 31, tzinfo=UTC), datetime.max])  # noqa: DTZ901
def test_an_arrival_that_is_no_instant_makes_the_event_invalid(at: Any) -> None:
    good = datetime(2013, 3, 8, 11, 0, 1, tzinfo=UTC)
    made = producer(migration(arrival="producer"))

    results = made.publish_batch([Event("Status", GOOD, good), Event("Status", GOOD, at)])

    assert [result.status for result in results] == ["delivered", "invalid"]
    assert made.publish(Event("Status", GOOD, datetime(9999, 12, 31, tzinfo=UTC))).status == "invalid"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: producer(on_invalid="dlqq"), "on_invalid is 'dlqq'; known are return, dlq"),
        (lambda: EventProducer("flights.yaml", NOWHERE), "contracts are given as a list"),  # type: ignore[arg-type]
        (lambda: EventProducer(Path("x"), NOWHERE), "contracts are given as a list"),  # type: ignore[arg-type]
        (lambda: EventProducer(migration(), NOWHERE), "given as a list; put 'cases'"),  # type: ignore[arg-type]
        (lambda: producer("flights.yaml"), r"Path of its file or folder, not 'flights.yaml' \(str\)"),
        (lambda: timed("abc"), "delivery.timeout.ms is 'abc'; expected whole milliseconds"),
        (lambda: timed(0), "delivery.timeout.ms is '0'; .*0 waits for ever"),
        (lambda: timed(-5), "delivery.timeout.ms is '-5'"),
    ],
)
def test_arguments_that_mean_something_else_are_refused(make: Callable[[], EventProducer], told: str) -> None:
    with pytest.raises(Permanent, match=told):
        make()


def timed(millis: object) -> EventProducer:
    return EventProducer([migration()], {**NOWHERE, "delivery.timeout.ms": millis})


def test_a_configuration_that_kafkas_client_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(configuration: object) -> FakeClient:
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG, 'No such configuration property: "x"'))

    monkeypatch.setattr(publishing, "Producer", refusing)

    with pytest.raises(Permanent, match="Kafka's client refuses the configuration: No such configuration"):
        producer()


def test_a_failed_result_names_its_topic_and_what_to_do_when_there_is_none() -> None:
    made = failing(producer(), KafkaError._UNKNOWN_TOPIC)
    dead = failing(producer(on_invalid="dlq"), KafkaError._UNKNOWN_TOPIC)

    result, letter = made.publish(EVENT), dead.publish(Event("Status", INVALID))

    assert result.error == "there is no topic raw-cases; run the DAG `cases.provision` first"
    assert (result.status, result.topic, letter.topic) == ("failed", "raw-cases", "dlq-cases")


def test_what_was_never_answered_names_the_topic_it_was_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_GRACE", 0.0)
    made = EventProducer(
        [migration()], {**NOWHERE, "delivery.timeout.ms": 50}, on_invalid="dlq", now=lambda: ARRIVED / 1000
    )
    monkeypatch.setattr(client_of(made), "flush", lambda seconds: 0)

    results = made.publish_batch([EVENT, Event("Status", INVALID)])

    assert [(one.status, one.topic) for one in results] == [("failed", "raw-cases"), ("failed", "dlq-cases")]


def test_a_forked_process_ends_though_its_producer_came_along() -> None:
    script = """
import os
from slipway.producer import EventProducer
from tests.decoder_cases import migration
made = EventProducer([migration()], {"bootstrap.servers": "127.0.0.1:1", "log_level": "0"})
child = os.fork()
if child:
    print(os.waitpid(child, 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": f"{REPO / 'plugins'}:{REPO}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == "0\n"


def test_a_forked_process_is_refused_at_once() -> None:
    made = producer()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        told = b""
        for call in (lambda: made.publish(EVENT), lambda: made.send(EVENT), made.flush):
            try:
                call()
            except SlipwayError as error:
                told += str(error).encode() + b"\n"
        os.write(writing, told)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()

    assert len(lines) == 3
    assert all(f"belongs to process {os.getpid()}" in line and "make another there" in line for line in lines)
    assert made.publish(EVENT).ok
