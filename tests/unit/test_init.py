"""`slipway init` drafts a migration that validates as it is, from whatever people have; no file is lost."""

from __future__ import annotations

import csv
import json
import os
import shutil
import string
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway import cli
from slipway.adapters.contracts import load_migration
from slipway.adapters.onboarding import files
from slipway.adapters.onboarding.files import DraftFiles
from slipway.domain.draft import Draft, draft
from slipway.domain.sample import Record, Sample
from slipway.errors import Permanent

REPO = Path(__file__).parents[2]
TODAY = date(2026, 1, 31)
BEGAN = datetime(2024, 3, 1, tzinfo=UTC)


def order(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "orderId": f"o{number // 3}",
        "status": ("placed", "paid", "sent")[number % 3],
        "amount": f"{number}.50",
        "quantity": number % 5,
        "price": Decimal("9.99"),
        "weight": Decimal("0.125") * number,
        "email": f"ada{number}@example.org",
        "occurred_at": (BEGAN + timedelta(seconds=number)).isoformat(),
        "shipped_on": "2024-03-02",
        "seen_ms": 1_709_251_200_000 + number,
        "seen_time": 1_709_251_200_000 + number,
        "gift": number % 2 == 0,
        "note": None if number % 2 else "x",
        "items": [1],
        "Unit Price": 1,
        "order": "first" if number % 2 else "second",
    }


def drafted(rows: list[dict[str, Any]], **more: Any) -> Draft:
    return draft("orders", Sample("a test", tuple(Record(row, size=100) for row in rows), **more), TODAY)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "include" / "migrations").mkdir(parents=True)
    shutil.copytree(REPO / "dbt_project", tmp_path / "dbt_project", ignore=shutil.ignore_patterns("target"))
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    return tmp_path


def written(home: Path) -> DraftFiles:
    return DraftFiles(home / "include" / "migrations", home / "dbt_project")


def sample_file(home: Path, rows: list[dict[str, Any]]) -> Path:
    path = home / "sample.jsonl"
    path.write_text("\n".join(json.dumps(row, default=float) for row in rows))
    return path


def test_types_are_read_from_the_values() -> None:
    found = drafted([order(number) for number in range(60)])
    kinds = {field.name: (field.kind, field.nullable) for field in found.fields}
    assert kinds == {
        "event_id": ("string", False),
        "orderId": ("string", False),
        "status": ("string", False),
        "amount": ("decimal(18,2)", False),
        "quantity": ("int", False),
        "price": ("decimal(18,2)", False),
        "weight": ("double", False),
        "email": ("string", False),
        "occurred_at": ("timestamp", False),
        "shipped_on": ("date", False),
        "seen_ms": ("long", False),
        "seen_time": ("timestamp", False),
        "gift": ("boolean", False),
        "note": ("string", True),
        "order": ("string", False),
    }
    assert next(f.symbols for f in found.fields if f.name == "status") == ("paid", "placed", "sent")
    assert {field.name for field in found.left_out} == {"items", "Unit Price"}


def test_id_key_and_time_come_with_a_reason() -> None:
    found = drafted([order(number) for number in range(60)])
    assert (found.id.value, found.id.why) == ("event_id", "different in all 60 records of the sample")
    assert (found.key.value, found.key.sure) == ("orderId", False)
    assert "3.0 records each" in found.key.why
    assert found.time.value == "occurred_at"
    assert "others are seen_time" in found.time.why


def test_the_key_of_the_records_themselves_is_better_than_a_guess() -> None:
    records = tuple(Record(order(number), key=f"o{number // 3}") for number in range(30))
    found = draft("orders", Sample("a test", records), TODAY)
    assert (found.key.value, found.key.sure) == ("orderId", True)


def test_traffic_is_measured_where_the_sample_tells() -> None:
    records = tuple(
        Record(order(number), arrived_at=BEGAN + timedelta(seconds=number // 4), size=100 + number)
        for number in range(40)
    )
    found = draft("orders", Sample("a test", records, topic="raw-orders"), TODAY)
    assert (found.traffic.peak_per_second, found.traffic.mean_bytes) == (4, 120)
    assert found.first_day == date(2024, 3, 2)
    assert (found.topic.value, found.topic.sure) == ("raw-orders", True)


def test_what_is_missing_is_asked_of_the_producer() -> None:
    found = drafted(
        [{"colour": "red", "at": "2024-03-01 10:00:00"}, {"colour": "red", "at": "2024-03-01 10:00:00"}]
    )
    assert {field.name for field in found.fields} == {"event_id", "colour", "at", "event_time"}
    assert any("no field of the sample identifies an event" in line for line in found.decisions)
    assert any("at has no offset" in line for line in found.decisions)


def test_a_personal_field_is_marked_and_none_of_its_values_is_shown(home: Path) -> None:
    found = drafted([order(number) | {"customer": f"bob{number}@example.org"} for number in range(30)])
    assert {field.name for field in found.fields if field.personal} == {"email", "customer"}
    for path in written(home).write(found):
        assert "@example.org" not in path.read_text()
    migration = load_migration(home / "include" / "migrations" / "orders.yaml")
    assert {field.name for field in migration.event_fields if field.pii} == {"email", "customer"}


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv"])
def test_a_draft_from_a_file_validates_as_it_is(
    home: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    rows = [order(number) for number in range(40)]
    path = home / f"sample.{suffix}"
    if suffix == "csv":
        with path.open("w", newline="") as file:
            flat = [{k: v for k, v in row.items() if k != "items"} for row in rows]
            writer = csv.DictWriter(file, flat[0])
            writer.writeheader()
            writer.writerows(flat)
    elif suffix == "json":
        path.write_text(json.dumps(rows, default=float))
    else:
        path.write_text("\n".join(json.dumps(row, default=float) for row in rows) + "\nno json\n")
    assert cli.main(["init", "orders", "--from-file", str(path)]) == cli.DONE
    told = capsys.readouterr().out
    assert "orders.yaml" in told
    assert "events.key: 14 values, 2.9 records each; is it what must keep its order?" in told
    assert ("1 more record is no JSON object;" in told) == (suffix == "jsonl")
    assert cli.main(["validate", "orders"]) == cli.DONE
    loaded = yaml.safe_load((home / "include" / "migrations" / "orders.yaml").read_text())
    assert loaded["events"]["id"] == "event_id"
    assert (home / "dbt_project" / "models" / "orders" / "orders_daily.sql").is_file()


def test_a_draft_from_an_avro_file_validates(home: Path) -> None:
    import fastavro

    schema = {"type": "record", "name": "e", "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    ]}  # fmt: skip
    path = home / "sample.avro"
    with path.open("wb") as file:
        rows = [{"event_id": f"e{n}", "at": BEGAN, "amount": Decimal("1.25")} for n in range(20)]
        fastavro.writer(file, schema, rows)
    assert cli.main(["init", "orders", "--from-file", str(path)]) == cli.DONE
    fields = load_migration(home / "include" / "migrations" / "orders.yaml").event_fields
    assert [(f.name, f.type) for f in fields] == [
        ("event_id", "string"), ("at", "timestamp"), ("amount", "decimal(18,2)")
    ]  # fmt: skip


def test_a_draft_from_a_dbt_model_takes_its_columns(home: Path) -> None:
    assert cli.main(["init", "punctuality", "--from-dbt-model", "flight_events"]) == cli.DONE
    found = load_migration(home / "include" / "migrations" / "punctuality.yaml")
    assert found.contract.kpis["punctuality_daily"].batch.events == "flight_events"
    assert found.contract.events.id == "event_id"
    assert "arrived_at" not in {field.name for field in found.event_fields}
    assert not (home / "dbt_project" / "models" / "punctuality" / "sources.yml").exists()


def everything(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_a_drafted_sum_of_money_is_cast_to_the_type_that_dbt_is_told(home: Path) -> None:
    written(home).write(drafted([order(number) for number in range(30)]))
    folder = home / "dbt_project" / "models" / "orders"
    (model,) = [one for one in yaml.safe_load((folder / "orders.yml").read_text())["models"]
                if one["name"] == "orders_daily"]  # fmt: skip
    types = {column["name"]: column["data_type"] for column in model["columns"]}
    selected = (folder / "orders_daily.sql").read_text()

    assert types["amount_total"] == "numeric(38,2)"
    for column in ("amount_total", "price_total", "quantity_total"):
        (line,) = [one for one in selected.splitlines() if one.rstrip(",").endswith(f" as {column}")]
        assert line.strip().startswith("CAST(") and f" AS {types[column]}) as {column}" in line


def test_files_that_are_there_are_never_overwritten(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = sample_file(home, [order(n) for n in range(5)])
    assert cli.main(["init", "orders", "--from-file", str(path)]) == cli.DONE
    before = everything(home)
    assert cli.main(["init", "orders", "--from-file", str(path)]) == cli.NO
    assert "nothing is ever overwritten" in capsys.readouterr().err
    assert everything(home) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("failing", range(6))
def test_a_failure_at_any_file_leaves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, failing: int, error: type[BaseException]
) -> None:
    before = everything(home)
    real, calls = os.link, 0

    def link(source: Path, target: Path) -> None:
        nonlocal calls
        if calls == failing:
            raise error
        calls += 1
        real(source, target)

    monkeypatch.setattr(files.os, "link", link)
    with pytest.raises(error):
        written(home).write(drafted([order(n) for n in range(5)]))
    assert everything(home) == before
    assert not (home / "dbt_project" / "models" / "orders").exists()


def test_an_interrupted_init_ends_with_its_own_exit_code(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("slipway.bootstrap.draft_sample", interrupted)
    assert cli.main(["init", "orders", "--from-topic", "raw-x"]) == cli.INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.parquet", b"", "a file called *.parquet is not known"),
        ("x.jsonl", b"", "it holds no record"),
        ("x.jsonl", b"[[1]\n", "begins like a list of records, but is not JSON"),
        ("x.jsonl", b"1\n\xff\n", "none of its 2 lines is a JSON object"),
        ("x.jsonl", b"no json\n", "its only line is no JSON object"),
        ("x.json", b"[1, 2]", "none of its 2 records is a JSON object"),
        ("x.csv", b"\xff\xfe", "is not UTF-8"),
        ("x.avro", b"no avro", "is not an Avro container file"),
    ],
)
def test_a_file_that_gives_no_sample_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, why: str
) -> None:
    (home / name).write_bytes(content)
    assert cli.main(["init", "orders", "--from-file", str(home / name)]) == cli.NO
    assert why in capsys.readouterr().err
    assert not list((home / "include" / "migrations").iterdir())


@pytest.mark.parametrize("name", ["Orders", "9lives", "a" * 42, "../x", "a-b"])
def test_a_name_that_no_table_can_have_is_refused(home: Path, name: str) -> None:
    assert cli.main(["init", name, "--from-file", "nowhere.jsonl"]) == cli.NO


def test_the_longest_name_that_a_contract_allows_can_be_drafted(home: Path) -> None:
    path = sample_file(home, [order(n) for n in range(5)])
    assert cli.main(["init", "a" * 41, "--from-file", str(path)]) == cli.DONE
    assert cli.main(["validate", "a" * 41]) == cli.DONE


def test_one_object_over_many_lines_is_one_record(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "one.json"
    path.write_text(json.dumps(order(1), default=float, indent=2))
    assert cli.main(["init", "orders", "--from-file", str(path)]) == cli.DONE
    told = capsys.readouterr().out
    assert "Drafted from 1 record of one.json" in told
    assert "events.id: the sample has 1 record only; does it identify the event?" in told
    assert "1 records" not in told
    assert cli.main(["validate", "orders"]) == cli.DONE


def test_an_object_a_line_may_also_be_called_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "many.json"
    path.write_text("\n".join(json.dumps(order(n), default=float) for n in range(4)))
    assert cli.main(["init", "orders", "--from-file", str(path)]) == cli.DONE
    assert "Drafted from 4 records of many.json" in capsys.readouterr().out


WORDS = (
    *("order", "select", "id", "Id", "timestamp", "time", "event_time", "arrived_at", "user", "true", "null"),
    *("on", "business_day", "__x", "a__b", "email", "price", "créé", "day", "case", "end", "events", "9", ""),
)
NAMES = st.sampled_from(WORDS) | st.text(string.ascii_letters + "_ -.9é", max_size=50)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**11, 10**13),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.floats(),
    st.decimals(min_value=0, max_value=10**6, places=2),
    st.text(max_size=20),
    st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat()),
    st.datetimes().map(str),
    st.dates().map(str),
    st.sampled_from(["a", "b", "D", "12.50", "no", "{{ x }}", "it's", "# c", "--", "*/", "a\nb", "%}"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@st.composite
def samples(draw: st.DrawFn) -> list[dict[str, Any]]:
    columns = draw(
        st.dictionaries(NAMES, st.sampled_from(VALUES.original_strategies), min_size=1, max_size=8)
    )
    return draw(st.lists(st.fixed_dictionaries({}, optional=columns), min_size=1, max_size=30))


@settings(max_examples=60)
@given(samples())
def test_whatever_the_sample_the_draft_is_valid(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict]
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "include" / "migrations").mkdir(parents=True)
    written(home).write(drafted(rows))
    assert load_migration(home / "include" / "migrations" / "orders.yaml").kpis
    for path in (home / "dbt_project" / "models" / "orders").glob("*.yml"):
        assert yaml.safe_load(path.read_text())["version"] == 2


def test_a_name_taken_by_a_model_anywhere_in_the_project_is_refused(home: Path) -> None:
    (home / "dbt_project" / "models" / "flights" / "orders_daily.sql").write_text("select 1")
    with pytest.raises(Permanent, match="orders is there already"):
        written(home).write(drafted([order(1)]))
