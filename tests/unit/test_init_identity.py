"""`slipway init` takes the id that records have: redeliveries and revisions are no reason to invent one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.adapters.contracts import load_migration
from slipway.adapters.onboarding.files import DraftFiles
from slipway.domain.draft import Draft, draft
from slipway.domain.inference import Guess
from slipway.domain.sample import Record, Sample

BEGAN = datetime(2024, 3, 1, tzinfo=UTC)
TIMESTAMP = {"type": "long", "logicalType": "timestamp-micros"}


def event(number: int, **more: Any) -> dict[str, Any]:
    at = (BEGAN + timedelta(seconds=number)).isoformat()
    return {"event_id": f"e{number}", "shop": f"s{number % 3}", "happened_at": at, **more}


def drafted(rows: list[dict[str, Any]], columns: tuple[Guess, ...] = ()) -> Draft:
    return draft("shop", Sample("a test", tuple(map(Record, rows)), columns=columns), date(2026, 1, 31))


def names(found: Draft) -> set[str]:
    return {field.name for field in found.fields}


def written(tmp_path: Path, found: Draft) -> str:
    (tmp_path / "include" / "migrations").mkdir(parents=True)
    (tmp_path / "dbt").mkdir()
    folder = tmp_path / "include" / "migrations"
    DraftFiles(folder, tmp_path / "dbt").write(found)
    load_migration(folder / "shop.yaml")
    return " ".join((folder / "shop.yaml").read_text().replace("#", " ").split())


@pytest.mark.parametrize("rows", [2, 5, 60])
def test_a_redelivery_that_is_not_the_same_to_the_byte_costs_no_id(tmp_path: Path, rows: int) -> None:
    sample = [event(number, attempt=1) for number in range(rows)]
    found = drafted([*sample, event(0, attempt=2)])
    assert (found.id.value, found.id.sure) == ("event_id", False)
    assert names(found) == {"event_id", "shop", "happened_at", "attempt"}
    text = written(tmp_path, found)
    assert f"DECIDE: {rows + 1} different records of the sample with {rows} ids" in text
    assert "were these delivered again?" in text


def test_every_event_delivered_twice_still_has_its_id() -> None:
    found = drafted([event(number // 2, attempt=number % 2) for number in range(60)])
    assert found.id.value == "event_id"


def test_a_near_unique_id_goes_before_a_unique_text_of_another_name() -> None:
    rows = [event(number, trace=f"t{number}") for number in range(20)]
    assert drafted([*rows, event(0, trace="t99")]).id.value == "event_id"


@pytest.mark.parametrize("name", ["event_id", "reading_id", "id", "uuid"])
def test_revisions_share_an_id_and_the_newest_counts(tmp_path: Path, name: str) -> None:
    rows = [
        {name: f"r{n // 3}", "version": n % 3, "value": n, "happened_at": event(n)["happened_at"]}
        for n in range(60)
    ]
    found = drafted(rows)
    assert (found.id.value, found.id.sure) == (name, False)
    assert "version grows within an id, so the newest counts" in found.id.why
    assert names(found) == {name, "version", "value", "happened_at"}
    written(tmp_path, found)
    events = yaml.safe_load((tmp_path / "include/migrations/shop.yaml").read_text())["events"]
    assert (events["id"], events["keep"], events["version"]) == (name, "latest", "version")


def test_few_revisions_are_revisions_and_no_redeliveries() -> None:
    rows = [event(number, revision=1) for number in range(40)]
    found = drafted([*rows, event(3, revision=2)])
    assert found.version is not None
    assert (found.id.value, found.version.value, found.version.sure) == ("event_id", "revision", True)
    assert found.sums == (), "a sum of revisions means nothing"


def test_a_thing_that_many_events_are_about_is_not_their_id(tmp_path: Path) -> None:
    rows = [{"order_id": f"o{n // 3}", "happened_at": event(n)["happened_at"]} for n in range(60)]
    found = drafted(rows)
    assert found.id.value == "event_id"
    text = written(tmp_path, found)
    assert "DECIDE: no field of the sample identifies an event" in text
    assert "NO RECORD HAS THIS ONE" in text
    assert "order_id has 20 values" in text


def test_an_id_that_one_record_lacks_is_the_id_still() -> None:
    found = drafted([*(event(number) for number in range(30)), event(99) | {"event_id": None}])
    field = next(field for field in found.fields if field.name == "event_id")
    assert (found.id.value, field.nullable) == ("event_id", False)
    assert any("null or missing in 1 record of the sample" in note for note in field.notes)


def test_a_time_that_one_record_lacks_is_the_time_still() -> None:
    found = drafted([*(event(number) for number in range(30)), event(99) | {"happened_at": None}])
    assert found.time.value == "happened_at"
    assert any("null or missing in 1 record, each of which" in line for line in found.decisions)


def test_an_id_of_whole_numbers_is_asked_for_as_text() -> None:
    found = drafted([event(number) | {"event_id": number} for number in range(30)])
    field = next(field for field in found.fields if field.name == "event_id")
    assert (found.id.value, field.kind) == ("event_id", "string")
    assert any("EACH RECORD IS A DEAD LETTER" in line for line in found.decisions)


def test_columns_of_a_model_that_declares_nothing_are_taken_by_their_names() -> None:
    columns = (
        Guess("event_id", "string", "string", True, "d"),
        Guess("event_time", TIMESTAMP, "timestamp", True, "d"),
    )
    found = drafted([], columns)
    assert (found.id.value, found.time.value) == ("event_id", "event_time")
    assert names(found) == {"event_id", "event_time"}
    assert sum("does not say that it is never null" in line for line in found.decisions) == 2
