"""What the tutorial says works: its contract fits the draft of its sample, its messages are real."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slipway import cli

REPO = Path(__file__).parents[2]
PAGE = (REPO / "docs" / "tutorial" / "a-new-migration.md").read_text(encoding="utf-8")
KINDS = ("placed", "paid", "refunded")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the tutorial has no {language}"
    return found[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "include" / "migrations").mkdir(parents=True)
    (tmp_path / "dbt_project" / "models").mkdir(parents=True)
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    sample = json.loads(block("json"))
    began = datetime(2026, 1, 5, 8, tzinfo=UTC)
    rows = [
        {**sample, "event_id": f"o{n // 3}:{n % 3}", "order_id": f"o{n // 3}", "kind": KINDS[n % 3],
         "shop": ("bern", "wien", "berlin")[n // 3 % 3], "happened_at": f"{began + timedelta(0, n):%FT%TZ}"}
        for n in range(90)
    ]  # fmt: skip
    (tmp_path / "orders.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_the_contract_fits_the_draft_of_the_sample(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "shop_orders", "--from-file", str(home / "orders.jsonl")]) == cli.DONE
    told = capsys.readouterr().out
    for line in (
        "field shop: 3 values seen;",
        "field email: looks personal",
        "is it what must keep its order?",
    ):
        assert line in told
        assert line in PAGE
    contract = home / "include" / "migrations" / "shop_orders.yaml"
    contract.write_text(block("yaml"))
    assert cli.main(["validate", "shop_orders"]) == cli.DONE

    contract.write_text(block("yaml").replace("kind = 'paid'", "knd = 'paid'", 1))
    capsys.readouterr()
    assert cli.main(["validate", "shop_orders"]) == cli.NO
    assert capsys.readouterr().err.strip().replace(f"{home}/", "") in PAGE


def test_every_page_and_verb_that_it_names_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (REPO / "docs" / "tutorial" / link).resolve().is_file(), link
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    verbs = capsys.readouterr().out
    for verb in set(re.findall(r"^\./slipway (\S+)", PAGE, re.MULTILINE)):
        assert verb in verbs, verb
