"""What is written about the keys of a contract is made from the keys, and every key says what it is for."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from slipway import cli
from slipway.domain.contract_file import Contract
from slipway.domain.contract_reference import markdown

REPO = Path(__file__).parents[2]


def test_the_page_is_what_the_keys_say() -> None:
    """When it fails: `slipway schema --markdown > docs/reference/contract.md`."""
    assert (REPO / "docs" / "reference" / "contract.md").read_text(encoding="utf-8") == markdown()


def test_every_key_has_a_description() -> None:
    schema = Contract.model_json_schema()
    for model in [schema, *schema["$defs"].values()]:
        for name, key in model["properties"].items():
            assert key.get("description"), f"{model['title']}.{name} says nothing"


def plain(value: Any) -> Any:
    """YAML's dates are texts to an editor."""
    match value:
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case date():
            return value.isoformat()
        case _:
            return value


@pytest.mark.parametrize(
    "path", sorted((REPO / "include" / "migrations").glob("*.yaml")), ids=lambda p: p.stem
)
def test_an_editor_finds_nothing_wrong_with_a_contract_that_is_right(path: Path) -> None:
    document = plain(yaml.safe_load(path.read_text()))
    jsonschema.validate(document, Contract.model_json_schema(), format_checker=jsonschema.FormatChecker())
    document["parity"]["accept_late"] = "1 day"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, Contract.model_json_schema())


def test_the_command_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "--markdown"]) == cli.DONE
    assert capsys.readouterr().out == markdown()
