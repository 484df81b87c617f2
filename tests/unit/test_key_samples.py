"""A sample says what the source holds: partitions by size, ids from the values, keys as may be shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipway.adapters import key_samples
from slipway.adapters.contracts import load_migration
from slipway.adapters.key_samples import from_file, from_topic, id_in_avro, id_in_json
from slipway.app.explain import Explained, explain
from slipway.domain.contract import Migration
from slipway.domain.skew import KeySample, partition_of, skew
from slipway.errors import Permanent
from tests.fakes.control import CONTRACT


@pytest.fixture
def flights() -> Migration:
    return load_migration(CONTRACT)


@dataclass(frozen=True)
class Given:
    at: int
    keyed: bytes | None
    held: bytes

    def error(self) -> None:
        return None

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.keyed

    def value(self) -> bytes:
        return self.held


class Topic:
    """A consumer of one topic whose records are made as they are read."""

    def __init__(self, ends: Mapping[int, int], keys: Mapping[int, bytes], values: Any) -> None:
        self._ends, self._keys, self._values = ends, keys, values
        self._left: Iterator[Given] = iter(())

    def __call__(self, settings: Mapping[str, str], logger: object) -> Topic:
        return self

    def list_topics(self, topic: str, timeout: float) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions=dict(self._ends))})

    def get_watermark_offsets(self, place: Any, timeout: float) -> tuple[int, int]:
        return 0, self._ends[place.partition]

    def assign(self, places: list[Any]) -> None:
        number = places[0].partition
        self._left = (
            Given(at, self._keys[number], self._values(number, at)) for at in range(self._ends[number])
        )

    def consume(self, most: int, timeout: float) -> list[Given]:
        return list(islice(self._left, most))

    def close(self) -> None:
        pass


def value(partition: int, at: int) -> bytes:
    return json.dumps({"event_id": f"{partition}-{at // 2}"}).encode()


@pytest.fixture
def full_and_light(monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, bytes]:
    keys = [f"k{number}".encode() for number in range(50)]
    first = next(key for key in keys if partition_of(key, 2) == 0)
    other = next(key for key in keys if partition_of(key, 2) == 1)
    monkeypatch.setattr(key_samples, "Consumer", Topic({0: 353_000, 1: 47_000}, {0: first, 1: other}, value))
    monkeypatch.setattr(key_samples, "MOST", 20_000)
    return first, other


def told(found: Explained) -> str:
    return " ".join(found.assumptions)


def test_a_full_partition_weighs_what_it_holds_though_only_its_beginning_is_read(
    full_and_light: tuple[bytes, bytes],
) -> None:
    sample = from_topic("raw-flight-status", {})

    found = skew(sample, 2, ("flight_id",))
    assert found.by_partition == pytest.approx((353 / 400, 47 / 400))
    assert found.imbalance == pytest.approx(1.765) and not found.even
    assert (found.records, found.read) == (400_000, 20_000)


def test_ids_are_read_from_the_values_and_not_taken_for_keys(
    full_and_light: tuple[bytes, bytes], flights: Migration
) -> None:
    found = explain(flights, sample=from_topic("raw-flight-status", {}, id_in_json("event_id")))

    assert "50% of the records bring a new id, as in the sample: 10,000 ids in 20,000 records" in told(found)
    assert found.skew is not None and found.skew.strays == 0


def test_without_ids_every_record_is_taken_to_bring_one_unless_the_key_is_the_id(flights: Migration) -> None:
    sample = KeySample("raw-flight-status", {b"a": 60, b"b": 40})
    assert "every record brings a new id, for the sample shows keys and no ids" in told(
        explain(flights, sample=sample)
    )
    events = flights.contract.events.model_copy(update={"key": ("event_id",)})
    keyed = replace(flights, contract=flights.contract.model_copy(update={"events": events}))
    assert "2% of the records bring a new id, which is the key" in told(explain(keyed, sample=sample))


def test_keys_of_a_topic_that_the_contract_does_not_describe_are_masked(
    full_and_light: tuple[bytes, bytes], flights: Migration
) -> None:
    found = explain(flights, sample=from_topic("raw-patients", {}, foreign=True))

    assert found.skew is not None and found.skew.largest_key == "(masked)"


def test_the_id_is_read_from_avro_with_the_schema_that_wrote_it() -> None:
    text = json.dumps(
        {
            "type": "record",
            "name": "e",
            "fields": [{"name": "n", "type": "long"}, {"name": "id", "type": "string"}],
        }
    )
    schemas: Any = SimpleNamespace(text=lambda number: text if number == 7 else None)
    read = id_in_avro("id", schemas)

    assert read(b"\0\0\0\0\x07\x02\x04ab") == "ab"
    assert read(b"\0\0\0\0\x08\x02\x04ab") is None and read(b"{}") is None and read(None) is None
    assert read(b"\0\0\0\0\x07\x02\x99") is None


def test_a_key_that_is_the_id_can_not_be_made_finer(flights: Migration) -> None:
    events = flights.contract.events.model_copy(update={"key": ("event_id",)})
    keyed = replace(flights, contract=flights.contract.model_copy(update={"events": events}))

    found = explain(keyed, sample=KeySample("t", {b"a": 90, b"b": 10})).skew

    assert found is not None and [way.name for way in found.ways_out] == ["fewer versions", "more partitions"]


def test_half_a_surrogate_pair_in_a_sample_is_told_with_its_line(flights: Migration, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event_id": "1", "flight_id": "\\ud800"}\n')

    with pytest.raises(Permanent, match=r"events\.jsonl:1: flight_id holds half a surrogate pair"):
        from_file(flights, path)
    path.write_text("[" * 100_000)
    with pytest.raises(Permanent, match=r"events\.jsonl:1: not JSON"):
        from_file(flights, path)
