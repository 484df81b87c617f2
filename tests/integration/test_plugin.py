"""The plugin inside Airflow: what it loads, what it costs, and who may do what through the real login."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.stack import Stack

REPO = Path(__file__).parents[2]

_LOADED = """
import json, sys
before = set(sys.modules)
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
heavy = [name for name in ("fastapi", "duckdb", "pyiceberg", "great_expectations", "slipway.ui.app", "jinja2")
         if name in set(sys.modules) - before]
ours = [plugin for plugin in plugins if plugin.name == "slipway"]
stems = ("app", "ports", "kafka", "postgres", "cli", "errors")
loaded = sorted(name for name in sys.modules if name in stems)
print("FOUND" + json.dumps({
    "plugins": len(ours), "errors": errors, "loaded": loaded,
    "heavy": [name for name in heavy if name.startswith("slipway") or name in ("duckdb", "pyiceberg")],
    "views": [view["name"] for plugin in ours for view in plugin.external_views],
    "listeners": [listener.__name__ for plugin in ours for listener in plugin.listeners],
}))
"""


def loaded_with(plugins: Path) -> dict[str, object]:
    import os

    done = subprocess.run(
        [sys.executable, "-c", _LOADED],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
            "PYTHONPATH": f"{REPO / 'plugins'}:{REPO}",
        },
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND"))
    found: dict[str, object] = json.loads(line.removeprefix("FOUND"))
    return found


def test_airflow_loads_the_plugin_and_none_of_the_packages_modules() -> None:
    found = loaded_with(REPO / "plugins")

    assert found == {
        "plugins": 1,
        "errors": {},
        "loaded": [],
        "heavy": [],
        "views": ["Slipway"],
        "listeners": ["slipway.orchestration.run_origin"],
    }


def test_without_the_ignore_file_airflow_would_run_them(tmp_path: Path) -> None:
    (tmp_path / "slipway").mkdir()
    (tmp_path / "slipway" / "ports.py").write_text("raise RuntimeError('I was run as a plugin')")
    without = loaded_with(tmp_path)
    (tmp_path / ".airflowignore").write_text((REPO / "plugins" / ".airflowignore").read_text())

    assert "I was run" in str(without["errors"])
    assert "I was run" not in str(loaded_with(tmp_path)["errors"])


@pytest.fixture(scope="module")
def airflow(stack: Stack) -> str:
    stack.run(sys.executable, "-m", "slipway.cli", "ledger", "upgrade")
    return f"http://127.0.0.1:{stack.ports['airflow']}"


def login(airflow: str, stack: Stack, user: str) -> dict[str, str]:
    body = {"username": user, "password": stack.settings.secrets[f"user:{user}"]}
    answer = httpx.post(f"{airflow}/auth/token", json=body, timeout=30)
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


SIGN = "/slipway/api/migrations/flights/sign-offs"
WORD = {"role": "data_owner", "decision": "approve", "evidence": "a" * 64, "comment": "seen"}


def test_nobody_gets_in_without_a_login(airflow: str) -> None:
    for path in (
        "/slipway/",
        "/slipway/migrations/flights",
        "/slipway/api/migrations",
        "/slipway/static/slipway.css",
    ):
        assert httpx.get(airflow + path, timeout=30).status_code == 401
    assert httpx.post(airflow + SIGN, json=WORD, timeout=30).status_code == 401


def test_a_viewer_reads_the_page_and_cannot_sign(airflow: str, stack: Stack) -> None:
    vic = login(airflow, stack, "vic")
    assert "flights" in httpx.get(f"{airflow}/slipway/", headers=vic, timeout=30).text

    answer = httpx.post(airflow + SIGN, json=WORD, headers=vic, timeout=30)

    assert answer.status_code == 403
    assert "does not hold the role data_owner" in answer.json()["detail"]


def test_an_owner_is_told_why_this_evidence_cannot_be_signed(airflow: str, stack: Stack) -> None:
    answer = httpx.post(airflow + SIGN, json=WORD, headers=login(airflow, stack, "ana"), timeout=30)
    assert answer.status_code == 409
    assert "flights" in answer.json()["detail"] or "evidence" in answer.json()["detail"]


def test_the_page_stands_in_airflows_menu(airflow: str, stack: Stack) -> None:
    answer = httpx.get(f"{airflow}/api/v2/plugins", headers=login(airflow, stack, "admin"), timeout=30)
    views = [view for plugin in answer.json()["plugins"] for view in plugin["external_views"]]
    assert ("Slipway", "nav") in [(view["name"], view["destination"]) for view in views]
