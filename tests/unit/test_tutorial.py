"""What the tutorial says works: its contract fits the draft of its sample, its messages are real."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slipway import cli
from slipway.cli.verbs import parse

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


def commands() -> Iterator[tuple[str, str]]:
    """Yield the page and each command of `slipway` that stands in it, in a block or in a sentence."""
    for path in [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]:
        page, where = path.read_text(encoding="utf-8"), str(path.relative_to(REPO))
        for block in re.findall(r"^ *```\w*\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE):
            for line in re.findall(r"^ *(?:\./)?slipway +(.+)$", block, re.MULTILINE):
                yield where, line
                verb = " ".join(line.split()[:2])
            for other in re.findall(r"# or (--.+)$", block, re.MULTILINE):
                yield where, f"{verb} {other}"
        for said in re.findall(r"`(?:\./)?slipway +([^`\n]+)`", page):
            # A verb by itself is named, not called.
            yield where, said if " " in said.strip() else f"{said} --help"


@pytest.mark.parametrize(("page", "command"), sorted(set(commands())))
def test_every_command_that_a_page_shows_can_be_given(
    page: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = re.sub(r"<\w+>", "some", command).replace("[", " ").replace("]", " ")
    try:
        parse(cli.parser(), shlex.split(plain, comments=True))
    except SystemExit as end:
        assert end.code == 0, f"{page}: slipway {command}\n{capsys.readouterr().err}"


def test_the_tutorials_commands_are_all_looked_at() -> None:
    shown = [command for page, command in commands() if page == "docs/tutorial/a-new-migration.md"]
    assert len(shown) == PAGE.count("./slipway ") + PAGE.count("# or --")


def test_every_page_that_it_names_is_there() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (REPO / "docs" / "tutorial" / link).resolve().is_file(), link
