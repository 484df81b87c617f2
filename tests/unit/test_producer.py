"""The producer without a broker: what it takes, where it sends it, and what it says of the rest."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.adapters.contracts import load_migration
from slipway.domain.event_values import Refused
from slipway.domain.validity import Validity
from slipway.domain.wire import check_json
from slipway.errors import Permanent
from slipway.producer import Event, EventProducer, UnknownType, publishing
from slipway.producer.encoding import Encoding, NotPlain
from slipway.producer.settings import settings as client_settings
from tests.decoder_cases import cases, migration, table
from tests.fakes.schemas import FakeSchemas

REPO = Path(__file__).parents[2]
NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}
ARRIVED = int(table()["arrived_at_millis"])
GOOD: dict[str, Any] = {"event_id": "e1", "kind": "D", "event_time": "2013-03-08T11:00:00Z"}
ENCODING = Encoding(migration(), None, lambda fields: None)


class FakeClient:
    """What the producer sees of confluent-kafka; answers when flushed. full: how often it has no room."""

    def __init__(self, configuration: Mapping[str, str]) -> None:
        self.configuration = configuration
        self.records: list[dict[str, Any]] = []
        self.waiting: list[Any] = []
        self.full = 0

    def produce(self, topic: str, value: bytes, key: Any, on_delivery: Any, **more: Any) -> None:
        if self.full:
            self.full -= 1
            raise BufferError("the queue is full")
        self.records.append({"topic": topic, "value": value, "key": key, **more})
        self.waiting.append((on_delivery, FakeMessage(topic, len(self.records) - 1)))

    def poll(self, seconds: float) -> int:
        return 0

    def flush(self, seconds: float) -> int:
        for on_delivery, message in self.waiting:
            on_delivery(None, message)
        self.waiting.clear()
        return 0


class FakeMessage:
    """A delivered record."""

    def __init__(self, topic: str, offset: int) -> None:
        self._topic, self._offset = topic, offset

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return (1, ARRIVED)


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(publishing, "Producer", FakeClient)
    yield


def producer(*contracts: Any, **options: Any) -> EventProducer:
    return EventProducer(contracts or [migration()], NOWHERE, now=lambda: ARRIVED / 1000, **options)


def client_of(made: EventProducer) -> FakeClient:
    found = made._producer
    assert isinstance(found, FakeClient)
    return found


def test_a_batch_has_a_result_for_each_event_in_its_order() -> None:
    made = producer()

    results = made.publish_batch(
        [Event("Status", GOOD), Event("Status", {**GOOD, "dep_delay": "x"}), Event("Status", GOOD)]
    )

    assert [result.status for result in results] == ["delivered", "invalid", "delivered"]
    assert results[1].reason == "dep_delay: 'x' is not an integer"
    assert (results[2].topic, results[2].partition, results[2].offset) == ("raw-cases", 0, 1)
    assert made.counters.delivered == 2
    assert made.counters.invalid == {"dep_delay: ... is not an integer": 1}


def test_an_event_goes_to_the_contract_that_takes_its_type_with_or_without_the_namespace() -> None:
    flights = load_migration(REPO / "include" / "migrations" / "flights.yaml")
    made = producer(migration(), flights)

    made.publish(Event("Status", GOOD))

    assert [record["topic"] for record in client_of(made).records] == ["raw-cases"]
    assert made.route("flight_status").topic == made.route("slipway.flights.flight_status").topic
    with pytest.raises(UnknownType, match=r"events of type 'trains'; this producer knows Status, flight_"):
        made.publish_batch([Event("Status", GOOD), Event("trains", {})])
    assert len(client_of(made).records) == 1, "nothing is sent when one of a batch is unknown"


def test_two_contracts_share_a_type_only_when_they_mean_the_same_by_it() -> None:
    again = migration()
    twin = replace(again, contract=again.contract.model_copy(update={"migration": "twin"}))
    assert producer(again, twin).publish(Event("Status", GOOD)).ok

    with pytest.raises(Permanent, match="both take events of type Status, but into raw-cases and raw-other"):
        producer(migration(), migration(topic="raw-other"))


def test_the_key_of_one_text_field_is_its_text_and_of_others_a_json_array() -> None:
    plain, composite = producer(), producer(migration(key=("kind", "dep_delay", "event_time")))

    plain.publish(Event("Status", {**GOOD, "event_id": "Zürich"}))
    composite.publish(Event("Status", {**GOOD, "dep_delay": 7}))
    composite.publish(Event("Status", {**GOOD, "dep_delay": 7, "event_time": "2013-03-08T06:00:00-05:00"}))

    assert client_of(plain).records[0]["key"] in ("Zürich", "Zürich".encode())
    assert {record["key"] for record in client_of(composite).records} == {b'["D",7,"2013-03-08T11:00:00Z"]'}


def test_an_event_whose_key_is_null_would_have_no_order() -> None:
    result = producer(migration(key=("passenger",))).publish(Event("Status", GOOD))

    assert result.reason.startswith("passenger: null can't be a record's key")


def test_a_contract_that_leaves_arrival_to_the_broker_takes_no_instant() -> None:
    result = producer().publish(Event("Status", GOOD, datetime(2013, 3, 8, tzinfo=UTC)))

    assert "takes its arrival from the broker" in result.reason


def test_a_contract_that_replays_history_needs_the_instant_of_arrival() -> None:
    made = producer(migration(arrival="producer"))

    missing = made.publish(Event("Status", GOOD))
    result = made.publish(Event("Status", GOOD, datetime(2013, 3, 8, 11, 0, 1, tzinfo=UTC)))
    ahead = made.publish(Event("Status", GOOD, datetime(2013, 3, 7, 10, 59, tzinfo=UTC)))

    assert "needs the instant of arrival" in missing.reason
    assert result.ok and client_of(made).records[0]["timestamp"] == 1_362_740_401_000
    assert ahead.reason == "event_time is more than 24 h ahead of its arrival"


def test_an_invalid_event_may_go_to_the_dead_letters_with_what_the_ingest_job_would_say() -> None:
    made = producer(on_invalid="dlq")

    result = made.publish(Event("Status", {**GOOD, "dep_delay": "x", "seen_at": {1, 2}}))

    record = client_of(made).records[0]
    assert (result.status, result.topic, result.offset) == ("dead_letter", "dlq-cases", 0)
    assert dict(record["headers"]) == {
        "reason": b"dep_delay: 'x' is not an integer",
        "stage": b"produce",
        "source_topic": b"raw-cases",
        "source_time": b"2013-03-08T12:00:00.000Z",
        "schema_id": b"",
        "time": b"2013-03-08T12:00:00.000Z",
    }
    assert json.loads(record["value"])["dep_delay"] == "x"
    assert record["key"] == b"e1"
    assert made.counters.dead_letters == 1


def test_a_full_queue_makes_the_caller_wait() -> None:
    made = producer()
    client_of(made).full = 2

    assert made.publish(Event("Status", GOOD)).ok
    assert made.counters.waited == 1


def test_what_kafka_refuses_or_never_answers_has_failed_and_the_rest_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "_GRACE", 0.0)
    made = EventProducer([migration()], {**NOWHERE, "delivery.timeout.ms": 50}, now=lambda: ARRIVED / 1000)
    client = client_of(made)

    def answer(seconds: float) -> int:
        if client.waiting:
            (first, message), (second, _), _ = client.waiting
            first(None, message)
            second(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), None)
            client.waiting.clear()
        return 1

    monkeypatch.setattr(client, "flush", answer)
    results = made.publish_batch([Event("Status", GOOD)] * 3)

    assert [result.status for result in results] == ["delivered", "failed", "failed"]
    assert [result.retriable for result in results] == [False, False, True]
    assert results[2].error == "not confirmed within 0 s"
    assert made.counters.delivered == 1
    assert made.counters.failed == {results[1].error: 1, results[2].error: 1}


def test_what_was_sent_without_waiting_is_told_later() -> None:
    made, told = producer(), []

    made.send(Event("Status", GOOD), told.append)
    made.send(Event("Status", {}), told.append)
    assert [result.reason for result in told] == ["missing field event_id"]
    made.close()

    assert [result.status for result in told] == ["invalid", "delivered"]
    assert made.counters.delivered == 1


def test_fields_that_the_schema_does_not_have_are_sent_and_counted() -> None:
    made = producer()

    assert made.publish(Event("Status", {**GOOD, "colour": "red"})).ok

    assert json.loads(client_of(made).records[0]["value"])["colour"] == "red"
    assert made.counters.unknown_fields == {"colour": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [("acks", "1"), ("request.required.acks", 0), ("enable.idempotence", False), ("partitioner", "random")],
)
def test_no_application_may_loosen_a_guarantee(name: str, value: object) -> None:
    with pytest.raises(Permanent, match="a contract needs"):
        client_settings("durable", {**NOWHERE, name: value})


def test_both_profiles_are_idempotent_and_wait_for_all_replicas() -> None:
    for profile in ("durable", "throughput"):
        found = client_settings(profile, {**NOWHERE, "acks": -1})  # type: ignore[arg-type]
        assert (found["enable.idempotence"], found["acks"], found["partitioner"]) == (
            "true",
            "all",
            "murmur2_random",
        )
    with pytest.raises(Permanent, match="known are durable, throughput"):
        client_settings("fast", NOWHERE)  # type: ignore[arg-type]


def test_avro_is_framed_with_the_id_of_its_schema() -> None:
    import fastavro

    contract, registry = migration(format="avro"), FakeSchemas()
    number = registry.register("raw-cases-value", contract.schema.text)
    made = producer(contract, registry=registry)
    event = {**GOOD, "price": Decimal("1.5"), "seen_at": datetime(2013, 3, 8, 11, tzinfo=UTC), "share": 2}

    assert made.publish(Event("Status", event)).ok
    assert made.publish(Event("Status", {**GOOD, "event_time": ARRIVED, "gate": "B\0"})).reason

    value = client_of(made).records[0]["value"]
    assert value[:5] == b"\0" + number.to_bytes(4, "big")
    from io import BytesIO

    found = fastavro.schemaless_reader(BytesIO(value[5:]), json.loads(contract.schema.text))
    assert (found["event_id"], found["price"], found["gate"]) == ("e1", Decimal("1.50"), "none")
    assert (found["seen_at"], found["share"]) == (event["seen_at"], 2.0)


def test_avro_without_a_registered_schema_is_refused_at_once() -> None:
    with pytest.raises(Permanent, match="no registry was given"):
        producer(migration(format="avro"))
    with pytest.raises(Permanent, match=r"raw-cases-value does not hold it; .*cases\.provision"):
        producer(migration(format="avro"), registry=FakeSchemas())


_UNSPEAKABLE = (b"ud800", b"[[[[")
"""What no dictionary can be encoded from: half a surrogate pair, and nesting deeper than Python goes."""


@pytest.mark.parametrize(
    "case",
    [case for case in cases() if case.reason is None and not any(one in case.value for one in _UNSPEAKABLE)],
    ids=lambda case: repr(case.value[:60]),
)
def test_what_the_decoder_takes_the_producer_takes(case: Any) -> None:
    event = json.loads(case.value, parse_float=Decimal)

    _, value = ENCODING.encode(event, ARRIVED, ENCODING.latest(ARRIVED))

    check_json(Validity(migration()), value, ARRIVED)


_WILD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**33), 2**33),
    st.floats(),
    st.decimals(),
    st.decimals(-9999, 9999, places=2),
    st.text(max_size=5),
    st.sampled_from(["D", "A", "2013-03-08", "2013-03-08T11:00:00Z", "2013-03-08 11:00:00Z", "\0", "\ud800"]),
    st.sampled_from([datetime(2013, 3, 8, tzinfo=UTC), datetime(2013, 3, 8), date(2013, 3, 8)]),  # noqa: DTZ001
    st.sampled_from([datetime(2013, 3, 8, tzinfo=timezone(timedelta(seconds=3205))), [1], {"a": 1}, b"x"]),
    st.sampled_from([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), date(9999, 12, 31)]),
)


@settings(max_examples=1500)
@given(st.dictionaries(st.sampled_from([*ENCODING.validity.rules, "other"]), _WILD, max_size=6))
def test_the_quick_way_takes_nothing_that_the_rules_refuse_and_writes_what_they_read(
    changes: dict[str, Any],
) -> None:
    event = {**GOOD, **changes}
    try:
        _, value = ENCODING.encode(event, ARRIVED, ENCODING.latest(ARRIVED))
    except Refused as refused:
        with pytest.raises(Refused) as again:
            ENCODING.carefully(event, ARRIVED)
        assert str(again.value) == str(refused)
        return
    expected = ENCODING.validity.check(event.items(), ARRIVED).values
    read = check_json(ENCODING.validity, value, ARRIVED).values
    for name, wanted in expected.items():
        got = read[name]
        assert got == wanted or (isinstance(wanted, float) and math.isclose(got, wanted)), name


def test_a_plain_event_goes_the_quick_way() -> None:
    assert ENCODING._quickly(GOOD, ENCODING.latest(ARRIVED))[0] == "e1"
    with pytest.raises(NotPlain):
        ENCODING._quickly({**GOOD, "event_time": "2013-03-08t11:00:00z"}, ENCODING.latest(ARRIVED))


def test_an_application_needs_no_airflow_for_it() -> None:
    heavy = ("airflow", "sqlalchemy", "pyiceberg", "duckdb", "pandas", "pyarrow", "great_expectations", "dbt")
    script = f"import sys, slipway.producer; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(REPO / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
