"""The command line answers with exit codes that scripts can use, and with errors a person can act on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway import bootstrap, cli
from slipway.errors import Retryable

REPO = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(REPO / "include" / "migrations", tmp_path / "include" / "migrations")
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    return tmp_path


def test_valid_contracts_are_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "--json"]) == cli.DONE
    assert json.loads(capsys.readouterr().out) == {"valid": ["flights"], "complaints": []}


def test_a_broken_contract_is_told_with_its_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "include" / "migrations" / "flights.yaml"
    path.write_text(path.read_text().replace("ahead_at_most", "ahead_at_mots"))
    assert cli.main(["validate"]) == cli.NO
    assert "flights.yaml:17:3: events.ahead_at_mots: unknown key" in capsys.readouterr().err


def test_an_unknown_migration_is_told_with_the_known_ones(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "trains"]) == cli.NO
    assert "known are flights" in capsys.readouterr().err


def test_a_digest_of_the_wrong_length_is_refused_before_anything_is_read(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "world", lambda: pytest.fail("a system was asked"))
    assert cli.main(["verify", "flights", "abc"]) == cli.NO
    assert "64 hexadecimal digits" in capsys.readouterr().err


def test_a_system_that_is_away_has_an_exit_code_of_its_own(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise Retryable("the warehouse at 127.0.0.1:1 can't be reached")

    monkeypatch.setattr(bootstrap, "world", away)
    assert cli.main(["history", "flights"]) == cli.UNREACHABLE
    assert "can't be reached" in capsys.readouterr().err


def test_the_schema_for_editors_names_the_keys_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == cli.DONE
    schema = json.loads(capsys.readouterr().out)
    assert {"migration", "owners", "events", "parity", "kpis", "gates"} <= set(schema["properties"])
    assert "from" in schema["$defs"]["Parity"]["properties"]


def test_who_interrupts_the_imports_is_told_in_a_line() -> None:
    broken = (
        "import builtins, sys\n"
        "real = builtins.__import__\n"
        "def held(name, *rest):\n"
        "    if name == 'pydantic':\n"
        "        raise KeyboardInterrupt\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = held\n"
        "from slipway import cli\n"
        "sys.exit(cli.main(['validate']))\n"
    )

    env = {**os.environ, "PYTHONPATH": str(REPO / "plugins")}
    done = subprocess.run(
        [sys.executable, "-c", broken], env=env, check=False, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stderr.count("\n")) == (130, 1), done.stderr
