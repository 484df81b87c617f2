"""What people are told when something is wrong, in one file that is read by people.

tests/unit/golden/messages.md holds every kind of message. A change of wording shows in it, and who changes it
reads how it sounds: what was seen, what was expected, what to do. SLIPWAY_GOLDEN=write writes it anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from slipway import cli
from slipway.adapters.avro_compatibility import refusals
from slipway.adapters.contracts import load_migration
from slipway.app import provision
from slipway.app.check_schema import check_schema
from slipway.app.saved_plan import SavedPlan, save
from slipway.app.tables import bronze_table
from slipway.domain.changes import compare
from slipway.errors import SlipwayError
from slipway.ports import TopicSpec
from slipway.producer.settings import settings
from tests.decoder_cases import cases
from tests.fakes.deploying import OPERATOR, Yard
from tests.unit import message_scenes

REPO = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden" / "messages.md"
MIGRATIONS = REPO / "include" / "migrations"
HEAD = """# Every message that a person can meet when something is not right
Made and compared by tests/unit/test_messages.py; `SLIPWAY_GOLDEN=write` writes it anew. Read what you change:
what was seen, what was expected, what to do.
"""

GRAIN = "{flight_date: day(event_time), origin: origin, carrier: carrier}"
CONTRACT = [
    ("ahead_at_most: 24h", "ahead_at_mots: 24h"),
    ("  topic:", "  topics:"),
    ("events:\n", "events: [1]\nevent:\n"),
    ("kpis:\n", "kpi:\n"),
    ("description: Daily punctuality of the three New York airports\n", ""),
    ("description: Daily punctuality of the three New York airports\n", "description:\n"),
    ("description: Daily punctuality of the three New York airports\n", "description: 5\n"),
    ("migration: flights", "migration: Flights"),
    ("migration: flights", "migration: trains"),
    ("topic: raw-flight-status", "topic: Flights"),
    ("flight_status.avsc ", "flights.avsc "),
    ("format: json", "format: xml"),
    ("key: [flight_id]", "key: flight_id"),
    ("key: [flight_id]", "key: []"),
    ("key: [flight_id]", "key: [fligth_id]"),
    ("id: event_id", "id: eventid"),
    ("id: event_id", "id: distance"),
    ("id: event_id", "id: tailnum"),
    ("keep: first", "keep: latest"),
    ("keep: first", "keep: first\n  version: distance"),
    ("keep: first", "keep: latest\n  version: origin"),
    ("keep: first", "keep: latest\n  version: dep_delay"),
    ("time: event_time", "time: flight_date"),
    ("peak_per_second: 2000", "peak_per_second: 0"),
    ("peak_per_second: 2000", "peak_per_second: 2.5"),
    ("yearly_growth: 1.5", "yearly_growth: 0.5"),
    ("yearly_growth: 1.5", "yearly_growth: much"),
    ("timezone: America/New_York", "timezone: America/NewYork"),
    ("accept_late: 24h", "accept_late: 1 day"),
    ("accept_late: 24h", "accept_late: 24"),
    ("from: 2013-02-25", "from: 2013-02-31"),
    ("from: 2013-02-25", "from: yesterday"),
    ("relation: ops.planes", "relation: planes"),
    ("key: tailnum", "key: tail"),
    ("fields: {seats: int}", "fields: {seats: integer}"),
    (GRAIN, "{}"),
    (GRAIN, "{origin: origin}"),
    (GRAIN, "{flight_date: day(event_time), hour: hour(event_time), origin: origin, carrier: carrier}"),
    ("flight_date: day(event_time)", "flight_date: decade(event_time)"),
    ("flight_date: day(event_time)", "flight_date: day(evnt_time)"),
    ("flight_date: day(event_time)", "flight_date: day(origin)"),
    ("flight_date: day(event_time)", "flight_date: minutes(7, event_time)"),
    ("flight_date: day(event_time)", "Flight-Date: day(event_time)"),
    ("segments: [origin, carrier]", "segments: [origin, dest]"),
    ("segments: [origin, carrier]", "segments: [origin, carrier]\n    segments: [origin]"),
    ("count_distinct: tailnum,", "count_distinct: tailnum, sum: distance,"),
    ("arrived: {count: \"*\", where", "arrived: {where"),
    ("tolerance: {relative: 0.001}", "tolerance: {relative: tiny}"),
    ("tolerance: {relative: 0.001}", "tolerance: {relative: -1}"),
    ("scheduled: {count", "origin: {count"),
    ("model: flights_daily,", "model: flights-daily,"),
    ("closed_days: 5", "closed_days: five"),
    ("including: [month_end]", "including: [easter]"),
    ("sign_offs: {data_owner: 1,", "sign_offs: {data_owner: 2,"),
    ("sign_offs: {data_owner: 1,", "sign_offs: {boss: 1,"),
    ("consumer: [carla]", "consumer: []"),
    ("canary: [{origin: [LGA]}]", "canary: [{dest: [LGA]}]"),
    ("[ana]", "[ana"),
    ("migration: flights", "\tmigration: flights"),
    ("data_owner: [ana]", "data_owner: &o [ana]\n  other: *o"),
]  # fmt: skip
EXPRESSIONS = [
    "dep_dely", "planes.seat", "dep_delay <", "dep_delay 15", "(dep_delay", "'abc", "dep_delay < 'x'",
    "origin + 1", "dep_delay", "not dep_delay", "lower(dep_delay) = 'x'", "abs(origin) = 1",
    "coalesce(origin, 1) = 'x'",
    "origin in (dep_delay)", "origin in ()", "dep_delay is true", "case origin when 'x' then true end",
    "case when dep_delay then true end", "count(*) > 1", "length(origin) = 3", "dep_delay = (select 1)",
    "origin like 'L%'", "event_time > '2013-01-01'", "distance / 1.5 % 2 = 0", "origin || dest = 'x'",
    "dep_delay = 1; drop table x", "cast(origin as text[]) = 'x'", "sum(dep_delay) over () = 1",
    "dep_delay = 99999999999999999999999999999999999999999",
]  # fmt: skip
ARGUMENTS = [
    ("sum", "tailnum"), ("avg", "tailnum"), ("sum", "*"), ("min", "tailnum"), ("max", "planes.seats > 1"),
    ("count", "nothing"), ("sum", ""),
]  # fmt: skip
FIELD = '{"name": "distance", "type": "int", "doc": "Distance between the airports, miles"}'
SCHEMAS = [
    (FIELD, '{"name": "distance", "type": "int"}'),
    (FIELD, '{"name": "distance", "type": "float", "doc": "x"}'),
    (FIELD, '{"name": "distance", "type": ["int", "string"], "doc": "x"}'),
    (FIELD, '{"name": "distance", "type": {"type": "array", "items": "int"}, "doc": "x"}'),
    (FIELD, '{"name": "distance", "doc": "x"}'),
    (FIELD, '{"name": "arrived_at", "type": "int", "doc": "x"}'),
    (FIELD, f"{FIELD}, {FIELD}"),
    (FIELD, f"{FIELD}, {FIELD.replace('distance', 'Distance')}"),
    (FIELD, FIELD.replace("distance", "distance in miles")),
    (FIELD, FIELD[:-2]),
    ('"type": "record"', '"type": "enum"'),
]


def complaint(changed: Callable[[str], str], file: str = "flights.yaml") -> str:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(MIGRATIONS, folder, dirs_exist_ok=True)
        path = Path(folder) / file
        before = path.read_text()
        after = changed(before)
        assert after != before, "the mistake is none: the contract is not what it was"
        path.write_text(after)
        try:
            load_migration(Path(folder) / "flights.yaml")
        except SlipwayError as error:
            return str(error).replace(f"{folder}/", "")
    return "(nothing: it is valid)"


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def contracts() -> Iterator[tuple[str, str]]:
    for old, new in CONTRACT:
        shown = f"`{old.strip()}` -> `{new.strip() or '(left out)'}`".replace("\n", "⏎").replace("\t", "⇥")
        yield shown, complaint(replaced(old, new))
    yield "an empty file", complaint(lambda _: "")
    yield "a list instead of keys", complaint(lambda _: "- a\n")


def expressions() -> Iterator[tuple[str, str]]:
    for text in EXPRESSIONS:
        where = json.dumps(text)
        yield f"`where: {text}`", complaint(replaced("where: \"kind = 'X'\"", f"where: {where}"))
    for function, argument in ARGUMENTS:
        changed = replaced("count_distinct: tailnum", f"{function}: {json.dumps(argument)}")
        yield f"`{function}: {json.dumps(argument)}`", complaint(changed)


def schemas() -> Iterator[tuple[str, str]]:
    for old, new in SCHEMAS:
        yield f"`{new}`", complaint(replaced(old, new), "flight_status.avsc")


def changes() -> Iterator[tuple[str, str]]:
    before = load_migration(MIGRATIONS / "flights.yaml").document
    for old, new in [
        ("soak: 10s", "soak: 20s"),
        ("America/New_York", "UTC"),
        ("accept_late: 24h", "accept_late: 48h"),
        ("dep_delay < 15", "dep_delay < 16"),
        ("key: [flight_id]", "key: [origin]"),
        ("relative: 0.001", "relative: 0.002"),
        ("peak_per_second: 2000", "peak_per_second: 90000"),
        ("topic: raw-flight-status", "topic: raw-flights"),
        ("from: 2013-02-25", "from: 2013-02-26"),
    ]:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(MIGRATIONS, folder, dirs_exist_ok=True)
            path = Path(folder) / "flights.yaml"
            path.write_text(path.read_text().replace(old, new, 1))
            found = compare(before, load_migration(path).document)
        told = [
            f"{one.path}: {one.effect.value}: {one.why}{f'; {one.advice}' if one.advice else ''}"
            for one in found
        ]
        yield f"`{old}` -> `{new}`", "\n".join(told)


def new_schemas() -> Iterator[tuple[str, str]]:
    flights = load_migration(MIGRATIONS / "flights.yaml")
    for what, change in {
        "a field more, without a default": lambda f: f.append(
            {"name": "gate", "type": "string", "doc": "Gate"}
        ),
        "a field less, that measures use": lambda f: f.pop(11),
        "a field less, that none uses": lambda f: f.pop(9),
        "another type": lambda f: f[9].update(type="string"),
        "null where it was not": lambda f: f[7].update(type=["null", "string"]),
        "a symbol less": lambda f: f[2]["type"].update(symbols=["D", "A"]),
    }.items():
        raw = json.loads(flights.schema.text)
        change(raw["fields"])
        found = check_schema(flights, json.dumps(raw), {}, refusals)
        lines = [line for held in found.held for line in held.refused] or ["compatible"]
        lines += [f"{effect.part}: {effect.effect}" for effect in found.effects]
        yield what, "\n".join([*lines, *([found.compiles] if found.compiles else [])])


def _refused(yard: Yard, plan: Any, *, confirmed: bool) -> str:
    try:
        provision.apply(yard.migration, plan, yard.world, OPERATOR, confirmed=confirmed)
    except SlipwayError as error:
        return str(error)
    return "(nothing: it was done)"


def provisioning(folder: Path) -> Iterator[tuple[str, str]]:
    def fresh(name: str, *, done: bool) -> Yard:
        (folder / name).mkdir()
        yard = Yard(folder / name)
        if done:
            provision.apply(yard.migration, provision.plan(yard.migration, yard.world), yard.world, OPERATOR)
        return yard

    def planned(yard: Yard) -> Any:
        return provision.plan(yard.migration, yard.world)

    yield "nothing to do", provision.table(planned(fresh("whole", done=True)))
    yard = fresh("drift", done=True)
    yard.topics.configure("raw-flight-status", {"retention.ms": "1000"})
    yield "a topic that was changed by hand, in the plan", provision.table(planned(yard))
    yield "the same, applied without a word", _refused(yard, planned(yard), confirmed=False)
    yard.topics.configure("raw-flight-status", {"max.message.bytes": "100"})
    yard.topics.reset("dlq-flight-status", ["retention.ms"])
    yard.topics._brokers = 3
    yield "settings made by hand, in a cluster that has grown", provision.table(planned(yard))
    yard = fresh("gone", done=True)
    columns = dict.fromkeys(column for column, _, _ in bronze_table(yard.migration).columns)
    yard.lake.append("bronze.flights", [{**columns, "arrived_on": date(2013, 3, 8)}])
    yard.topics.delete("raw-flight-status")
    yard.topics.delete("dlq-flight-status")
    yield "topics that are gone, with records of them in the lake", provision.table(planned(yard))
    yard = fresh("shorter", done=True)
    contract = yard.migration.contract
    shorter = contract.retention.model_copy(update={"dlq": timedelta(days=8)})
    yard.migration = replace(yard.migration, contract=contract.model_copy(update={"retention": shorter}))
    yield "a retention that the contract makes shorter", provision.table(planned(yard))
    yard = fresh("partitions", done=False)
    yard.topics.create(TopicSpec("raw-flight-status", 5, 1, {}))
    yield "a topic with another partition count", _refused(yard, planned(yard), confirmed=True)
    yard = fresh("cluster", done=True)
    yard.topics.id = "cluster-2"
    yield "another cluster", _refused(yard, planned(yard), confirmed=True)
    yard = fresh("moved", done=False)
    saved = save(yard.migration, planned(yard))
    yard.topics.create(TopicSpec("raw-flight-status", 2, 1, {"retention.ms": "-1"}))
    yield "a kept plan, when the world has moved", _refused(yard, saved, confirmed=True)
    for what, document in (
        ("a kept plan that was edited", {**saved.to_json(), "steps": []}),
        ("a file that is no plan", {"steps": []}),
    ):
        try:
            SavedPlan.from_json(json.loads(json.dumps(document)))
        except SlipwayError as error:
            # What a plan's content comes to changes with every key that contracts are given.
            yield what, re.sub(r"\b[0-9a-f]{12}\b", "<digest>", str(error))


def reasons() -> Iterator[tuple[str, str]]:
    """One reason of each kind: those that differ by the field and the value only are the same kind."""
    kinds: dict[str, str] = {}
    for case in cases():
        if case.reason is not None:
            kind = re.sub(r"^\w+: |'.*'|\d+", "", re.sub(r"field \w+", "field", case.reason), flags=re.DOTALL)
            kinds.setdefault(kind, case.reason)
    for reason in sorted(kinds.values()):
        yield "", reason.encode("unicode_escape").decode()


def commands(capsys: pytest.CaptureFixture[str], home: Path) -> Iterator[tuple[str, str]]:
    (home / "sample.parquet").write_bytes(b"")
    (home / "empty.jsonl").write_bytes(b"")
    (home / "text.jsonl").write_bytes(b"hello\nworld\n")
    (home / "good.jsonl").write_text('{"event_id": "e1", "at": "2024-03-01T00:00:00Z"}\n')
    for line in (
        "validate trains",
        "plan trains",
        "verify flights abc",
        "init flights --from-file good.jsonl",
        "init Flights --from-file good.jsonl",
        "init shop --from-file absent.jsonl",
        "init shop --from-file sample.parquet",
        "init shop --from-file empty.jsonl",
        "init shop --from-file text.jsonl",
        "init shop --from-dbt-model absent",
        "check-schema flights absent.avsc",
        "diff flights --against absent.yaml",
        "apply flights --plan absent.json",
    ):
        capsys.readouterr()
        arguments = [
            str(home / word) if "." in word and not word.startswith("-") else word for word in line.split()
        ]
        try:
            code = cli.main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr().err.replace(f"{home}/", "").strip()
        yield f"`slipway {line}` (exit code {code})", told


def client() -> Iterator[tuple[str, str]]:
    servers = {"bootstrap.servers": "b:9092"}
    for profile, given in (
        ("fast", servers),
        ("durable", {}),
        ("durable", {**servers, "acks": "1"}),
        ("durable", {**servers, "enable.idempotence": "false"}),
    ):
        try:
            settings(profile, given)  # type: ignore[arg-type]
        except SlipwayError as error:
            yield f"`EventProducer(..., {given}, profile={profile!r})`", str(error)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(MIGRATIONS, tmp_path / "include" / "migrations")
    shutil.copytree(REPO / "dbt_project" / "models", tmp_path / "dbt_project" / "models")
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(parts: dict[str, Any]) -> str:
    lines = [HEAD]
    for title, found in parts.items():
        lines.append(f"## {title}\n")
        for what, told in found:
            lines.append(f"{what}\n```\n{told}\n```\n" if what else f"* {told}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def test_every_message_is_as_people_have_read_it(
    capsys: pytest.CaptureFixture[str],
    home: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = written(
        {
            "A contract that is not right": contracts(),
            "Expressions": expressions(),
            "The Avro schema": schemas(),
            "A changed contract (`slipway diff`, and the plan)": changes(),
            "A changed schema (`slipway check-schema`)": new_schemas(),
            "Plan and apply": provisioning(tmp_path_factory.mktemp("yards")),
            "Why a record is no event (dead letters, the producer)": reasons(),
            "The command line": commands(capsys, home),
            "The producer library": (*client(), *message_scenes.publishing_events(monkeypatch)),
            "Dead letters (`slipway dlq`)": message_scenes.dead_letters(capsys, monkeypatch, home),
            "Why readers are not moved yet (status, the page, the DAG cutover)": message_scenes.gates(),
            "Cutover and sign-offs refused": message_scenes.cutting_over(),
            "A system is away": message_scenes.away(capsys, monkeypatch),
        }
    )
    if os.environ.get("SLIPWAY_GOLDEN") == "write":
        GOLDEN.write_text(made, encoding="utf-8")
    assert made == GOLDEN.read_text(encoding="utf-8")


def test_no_message_speaks_of_code(home: Path) -> None:
    text = GOLDEN.read_text(encoding="utf-8")
    for word in (
        "Error(",
        "Traceback",
        "<class",
        "NoneType",
        "pydantic",
        "sqlglot",
        "Input should",
        "__",
        "ValidationError",
    ):
        assert word not in text.replace("planes__seats", ""), word
    assert "(nothing: it is valid)" not in text
