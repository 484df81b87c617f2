"""Dead letters: the list says why, and what is sent again is sent once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any, cast

import fastavro
import pytest

from slipway.app import dead_letters
from slipway.app.dead_letters import REPLAY_OF, Wanted
from slipway.domain.contract import Migration
from slipway.errors import Permanent, Retryable
from slipway.faults import InjectedFault
from slipway.ports import Actor, DeadLetter, TopicSpec, World
from tests.decoder_cases import migration
from tests.fakes.control import Absent, FakeClock
from tests.fakes.dead_letters import PRESENT, FakeDeadLetters
from tests.fakes.ledger import FakeLedger
from tests.fakes.schemas import FakeSchemas
from tests.fakes.topics import FakeTopics

RITA = Actor("rita", authenticated=True, dag_run="manual__1")
GOOD: dict[str, Any] = {"event_id": "e1", "kind": "D", "event_time": "2026-11-21T05:00:00Z"}
RAW, DEAD = "raw-cases", "dlq-cases"
ALL = Wanted()
PRICE = Decimal("1.500")


@dataclass
class Case:
    """A migration with a raw topic and its dead letters."""

    migration: Migration
    clock: FakeClock
    ledger: FakeLedger
    topics: FakeTopics
    letters: FakeDeadLetters
    schemas: FakeSchemas
    world: World

    def refuse(self, event: Any, reason: str, **more: Any) -> DeadLetter:
        value = event if isinstance(event, bytes) else json.dumps(event).encode()
        return self.letters.put(DEAD, value, {"reason": reason.encode(), "stage": b"decode"}, **more)

    def raw(self) -> list[DeadLetter]:
        return list(self.letters.read(RAW))

    def replay(self, wanted: Wanted = ALL, **more: Any) -> dead_letters.Replayed:
        return dead_letters.replay(self.migration, wanted, "the schema was mended", self.world, RITA, **more)


def made(**events: Any) -> Case:
    clock, topics = FakeClock(PRESENT), FakeTopics()
    ledger, letters = FakeLedger(clock.now), FakeDeadLetters(topics)
    for name in (RAW, DEAD):
        topics.create(TopicSpec(name, 1, 1, {}))
    schemas = FakeSchemas()
    names = set(World.__dataclass_fields__) - {"clock", "ledger", "topics", "dead_letters", "schemas"}
    others = cast(Any, {name: Absent() for name in names})
    world = World(clock=clock, ledger=ledger, topics=topics, dead_letters=letters, schemas=schemas, **others)
    return Case(migration(**events), clock, ledger, topics, letters, schemas, world)


@pytest.fixture
def case() -> Case:
    return made()


def test_the_list_counts_by_stage_and_reason_without_the_values(case: Case) -> None:
    case.refuse({}, "dep_delay: 'x' is not an integer", at=PRESENT - timedelta(hours=2))
    case.refuse({}, "dep_delay: 'y' is not an integer")
    case.refuse(b"", "empty value")

    first, second = dead_letters.overview(case.migration, ALL, case.world)

    assert (first.reason, first.count, first.example) == ("dep_delay: '...' is not an integer", 2, "0:0")
    assert (first.first, first.last) == (PRESENT - timedelta(hours=2), PRESENT)
    assert (second.stage, second.reason, second.count) == ("decode", "empty value", 1)


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (Wanted(reason="empty"), ["0:1"]),
        (Wanted(stage="produce"), []),
        (Wanted(since=PRESENT), ["0:1"]),
        (Wanted(until=PRESENT), ["0:0"]),
        (Wanted(places=["0:0"]), ["0:0"]),
    ],
)
def test_dead_letters_are_chosen_by_what_is_known_of_them(
    case: Case, wanted: Wanted, places: list[str]
) -> None:
    case.refuse(GOOD, "missing field gate", at=PRESENT - timedelta(seconds=1))
    case.refuse(b"", "empty value")

    groups = dead_letters.overview(case.migration, wanted, case.world)

    assert [group.example for group in groups] == places


def test_a_mended_dead_letter_is_sent_once_however_often_it_is_asked_for(case: Case) -> None:
    letter = case.refuse(GOOD, "missing field gate", key=b"e1")

    first, second = case.replay(), case.replay()

    assert (first.sent, first.already) == (("0:0",), 0)
    assert (second.sent, second.already) == ((), 1)
    (record,) = case.raw()
    assert (record.key, record.value) == (b"e1", letter.value)
    assert record.headers == {REPLAY_OF: b"0:0", "slipway_replay": b"1"}
    (kept,) = case.ledger.replays("cases")
    assert (kept.by, kept.authenticated, kept.reason, kept.state) == (
        "rita",
        True,
        "the schema was mended",
        "done",
    )
    assert dead_letters.overview(case.migration, ALL, case.world)[0].replayed == 1


def test_what_would_be_refused_again_stays_and_is_told(case: Case) -> None:
    case.refuse({**GOOD, "dep_delay": "x"}, "dep_delay: 'x' is not an integer")
    case.refuse(GOOD, "missing field gate")

    found = case.replay()

    assert (found.sent, found.refused) == (("0:1",), (("0:0", "dep_delay: 'x' is not an integer"),))
    assert "1 would be refused again: dep_delay: '...' is not an integer" in str(found)


def test_a_dry_run_sends_and_records_nothing(case: Case) -> None:
    case.refuse(GOOD, "missing field gate")

    found = dead_letters.replay(case.migration, ALL, "", case.world, RITA, dry_run=True)

    assert found.sent == ("0:0",) and "1 dead letter of cases would be sent" in str(found)
    assert case.raw() == [] and case.ledger.replays("cases") == []


def test_a_replay_without_a_reason_is_refused(case: Case) -> None:
    with pytest.raises(Permanent, match="needs a reason"):
        dead_letters.replay(case.migration, ALL, "  ", case.world, RITA)


def test_a_place_without_a_dead_letter_is_told(case: Case) -> None:
    with pytest.raises(Permanent, match="dlq-cases has no record at 0:9"):
        case.replay(Wanted(places=["0:9"]))
    with pytest.raises(Permanent, match=r"'nine' is no place .* such as 2:17"):
        dead_letters.find(case.migration, "nine", case.world)


def test_another_value_is_judged_keyed_and_marked_as_such(case: Case) -> None:
    case.refuse({**GOOD, "event_id": ""}, "event_id: '' is no identity", key=b"")
    mended = json.dumps({**GOOD, "event_id": "e9"}).encode()

    still_wrong = case.replay(Wanted(places=["0:0"]), value=b"{}")
    found = case.replay(Wanted(places=["0:0"]), value=mended)

    assert still_wrong.refused == (("0:0", "missing field event_id"),)
    assert found.sent == ("0:0",)
    (record,) = case.raw()
    assert (record.key, record.value) == (b"e9", mended)
    assert case.ledger.replays("cases")[0].edited
    with pytest.raises(Permanent, match="for one dead letter only"):
        case.replay(value=mended)


@pytest.mark.parametrize(("place", "there"), [("dlq.decided", 0), ("dlq.sent", 1)])
def test_a_crash_between_topic_and_ledger_is_settled_without_doubling(
    case: Case, place: str, there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.refuse(GOOD, "missing field gate")
    monkeypatch.setenv("SLIPWAY_FAIL_AT", place)
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    with pytest.raises(InjectedFault):
        case.replay()
    monkeypatch.delenv("SLIPWAY_FAIL_AT")
    assert len(case.raw()) == there

    again = case.replay()

    assert len(case.raw()) == 1
    assert again.settled == (("0:0",) if there else ())
    assert case.clock.now() == PRESENT + dead_letters.SETTLED_AFTER
    assert [one.state for one in case.ledger.replays("cases")] == ["done"] * (2 - there)


def test_records_that_kafka_did_not_confirm_are_looked_for_by_the_next_call(case: Case) -> None:
    for number in range(4):
        case.refuse({**GOOD, "event_id": f"e{number}"}, "missing field gate")
    case.letters.lost = 1
    with pytest.raises(Retryable, match="1 of 4 records"):
        case.replay()

    again = case.replay()

    assert (again.settled, again.sent) == (("0:0", "0:1", "0:2"), ("0:3",))
    marks = [record.headers[REPLAY_OF] for record in case.raw()]
    assert marks == [b"0:0", b"0:1", b"0:2", b"0:3"]


def test_in_a_topic_of_history_a_replay_arrives_with_the_newest_record() -> None:
    case, newest = made(arrival="producer"), datetime(2013, 3, 9, tzinfo=UTC)
    case.letters.put(RAW, b"{}", {}, at=newest)
    case.refuse({**GOOD, "event_time": "2013-03-08T11:00:00Z"}, "missing field gate")

    case.replay()

    assert case.raw()[-1].at == newest


def test_letters_of_a_topic_that_was_made_anew_are_new_ones(case: Case) -> None:
    case.refuse(GOOD, "missing field gate", at=PRESENT - timedelta(days=1))
    case.replay()
    case.topics.delete(DEAD)
    case.topics.create(TopicSpec(DEAD, 1, 1, {}))
    case.letters.records[DEAD].clear()
    case.refuse({**GOOD, "event_id": "e2"}, "missing field gate")

    assert dead_letters.overview(case.migration, ALL, case.world)[0].replayed == 0
    found = case.replay()

    assert (found.sent, found.already) == (("0:0",), 0)
    assert [json.loads(record.value or b"")["event_id"] for record in case.raw()] == ["e1", "e2"]


def test_dead_letters_are_chosen_by_a_reason_as_it_is_listed(case: Case) -> None:
    case.refuse({}, "dep_delay: 'x' is not an integer")
    (listed,) = dead_letters.overview(case.migration, ALL, case.world)

    (found,) = dead_letters.overview(case.migration, Wanted(reason=listed.reason), case.world)

    assert found == listed


def test_avro_is_judged_by_the_contract_of_today_as_the_stream_does() -> None:
    case = made(format="avro")
    schema = case.migration.schema.text
    number = case.schemas.register("raw-cases-value", schema)
    event = avro(schema, number)
    case.refuse(event, "missing field gate", key=None)
    case.refuse(event + b"x", "bytes after the avro record")
    case.refuse(event[:-2], "the value ends within a record of schema id 1")
    case.refuse(avro(schema, number, event_id=""), "event_id: '' is no identity")
    case.refuse(b"\0\0\0\0\x07rest", "unknown schema id 7")
    case.refuse(GOOD, "missing field gate")

    found = case.replay()

    assert found.sent == ("0:0",)
    assert [record.key for record in case.raw()] == [b"e1"]
    reasons = dict(found.refused)
    assert reasons["0:1"] == "bytes after the avro record"
    assert reasons["0:2"] == "the value ends within a record of schema id 1"
    assert reasons["0:3"] == "event_id: '' is no identity"
    assert reasons["0:4"] == "unknown schema id 7"
    assert reasons["0:5"].startswith("no schema id: the first byte is 0x7b")


def test_what_another_schema_wrote_means_what_its_writer_meant() -> None:
    case = made(format="avro")
    schema = json.loads(case.migration.schema.text)
    fields = {field["name"]: field for field in schema["fields"]}
    fields["event_time"]["type"] = {"type": "long", "logicalType": "timestamp-micros"}
    fields["price"]["type"] = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}
    schema["fields"].append({"name": "colour", "type": "string"})
    number = case.schemas.register("raw-cases-value", json.dumps(schema))
    text = json.dumps(schema)
    late = avro(text, number, event_time=datetime(2099, 3, 8, 11, tzinfo=UTC), colour="red", price=PRICE)
    fine = avro(text, number, colour="red", price=Decimal("1.001"))
    case.refuse(avro(text, number, colour="red", price=PRICE), "missing field gate")
    case.refuse(late, "too early")
    case.refuse(fine, "too exact")

    found = case.replay()

    assert found.sent == ("0:0",)
    reasons = dict(found.refused)
    assert reasons["0:1"] == "event_time is more than 24 h ahead of its arrival"
    assert reasons["0:2"].startswith("price: '1.001' does not fit into decimal(")


def avro(schema: str, number: int, **more: Any) -> bytes:
    out = BytesIO(b"\0" + number.to_bytes(4, "big"))
    out.seek(5)
    event = {**GOOD, "event_time": datetime(2026, 11, 21, 5, tzinfo=UTC), **more}
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(schema)), event)
    return out.getvalue()
