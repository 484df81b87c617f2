"""Only the registry's own word that a subject is unknown means absent; any other 404 is a wrong URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from slipway import bootstrap, cli
from slipway.adapters.contracts import load_migration
from slipway.adapters.registry import SchemaRegistry
from slipway.errors import Permanent
from tests.fakes.control import CONTRACT
from tests.fakes.schemas import FakeSchemas

CALLS: Mapping[str, Callable[[SchemaRegistry], Any]] = {
    "compatibility": lambda found: found.compatibility("raw-x-value"),
    "latest": lambda found: found.latest("raw-x-value"),
    "versions": lambda found: found.versions("raw-x-value"),
    "accepts": lambda found: found.accepts("raw-x-value", "{}"),
    "identify": lambda found: found.identify("raw-x-value", "{}"),
}


def answering(status: int, **body: Any) -> SchemaRegistry:
    return SchemaRegistry("http://r", transport=httpx.MockTransport(lambda _: httpx.Response(status, **body)))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "body", [{}, {"json": {"error_code": 404, "message": "no such path"}}, {"text": "<html>"}], ids=str
)
def test_a_404_that_is_not_about_the_subject_is_a_wrong_url(
    call: Callable[[SchemaRegistry], Any], body: Mapping[str, Any]
) -> None:
    with pytest.raises(Permanent, match=r"http://r.*404.*is its URL right\?"):
        call(answering(404, **body))


def test_the_registrys_own_word_means_absent() -> None:
    registry = answering(404, json={"error_code": 40401, "message": "no subject"})

    assert registry.versions("x") == [] and registry.latest("x") is None
    assert registry.compatibility("x") is None and registry.identify("x", "{}") is None
    assert registry.accepts("x", "{}")


def test_a_schema_that_the_subject_does_not_hold_has_no_id() -> None:
    assert answering(404, json={"error_code": 40403, "message": "?"}).identify("x", "{}") is None
    assert answering(404, json={"error_code": 40408, "message": "?"}).compatibility("x") is None


def test_a_page_in_place_of_json_is_a_wrong_url() -> None:
    with pytest.raises(Permanent, match=r"no JSON.*URL"):
        answering(200, text="<html>welcome</html>").versions("x")
    with pytest.raises(Permanent, match="URL"):
        SchemaRegistry("no url").versions("x")


def test_check_schema_says_against_how_many_versions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    schemas, path = FakeSchemas(), tmp_path / "new.avsc"
    path.write_text(load_migration(CONTRACT).schema.text)
    monkeypatch.setattr(bootstrap, "registry", lambda url: schemas)

    assert cli.main(["check-schema", "flights", str(path), "--registry"]) == 0
    unknown = capsys.readouterr().out
    schemas.register("raw-flight-status-value", path.read_text())
    assert cli.main(["check-schema", "flights", str(path), "--registry"]) == 0
    known = capsys.readouterr().out
    assert cli.main(["check-schema", "flights", str(path)]) == 0

    assert "the registry does not know raw-flight-status-value" in unknown
    assert "checked against the contract's schema and 1 registered version" in known
    assert "no registry was asked" in capsys.readouterr().out
