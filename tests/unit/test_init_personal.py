"""No value that may be somebody's goes into the files of a draft, for they are committed and shared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slipway import cli
from slipway.adapters.contracts import load_migration

SAID = {
    "name": "Bob Muster",
    "vorname": "Roberta",
    "customer": "Muster AG",
    "contact": "+41 79 123 45 67",
    "msisdn": 41791234567,
    "ahv": "756.1234.5678.97",
    "note": "write to bob@example.com",
    "call_back": "ring 079 123 45 67 please",
    "office": "(212) 555-0123",
    "remark": "Bob asked for a refund",
    "reference": 7561234567897,
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the text of every file of a draft, and what was printed."""
    (tmp_path / "include" / "migrations").mkdir(parents=True)
    (tmp_path / "dbt_project" / "models").mkdir(parents=True)
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    rows: list[dict[str, Any]] = [
        {"event_id": f"e{n}", "happened_at": f"2026-01-05T08:00:{n:02}Z", "kind": ("sent", "paid")[n % 2],
         "quantity": 7, "zoe@example.org": n, **SAID}
        for n in range(40)
    ]  # fmt: skip
    sample = tmp_path / "sample.jsonl"
    sample.write_text("\n".join(map(json.dumps, rows)))
    assert cli.main(["init", "shop", "--from-file", str(sample)]) == cli.DONE
    sample.unlink()
    return "\n".join(
        [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] + [capsys.readouterr().out]
    )


def test_no_value_of_a_person_stands_in_any_file(files: str) -> None:
    shown = [value for value in map(str, SAID.values()) if value in files]
    assert shown == []
    assert "zoe@example.org" not in files


def test_enums_numbers_and_times_are_quoted_still(files: str) -> None:
    assert '"symbols": ["paid", "sent"]' in files
    assert "such as 7" in files
    assert "An instant such as" in files


def test_what_looks_personal_is_marked(files: str, tmp_path: Path) -> None:
    fields = load_migration(tmp_path / "include" / "migrations" / "shop.yaml").event_fields
    assert {field.name for field in fields if field.pii} == set(SAID) - {"remark", "reference"}


@pytest.mark.parametrize(
    "value",
    ["2024-03-02 10:00:00", "0f8fad5b-d9cb-469f-a165-70867728950e", "0000000012", "LX-0123-2024", "+1.5"],
)
def test_codes_and_times_are_no_phone_numbers(value: str) -> None:
    from slipway.domain import personal

    assert not personal.holds([value])
