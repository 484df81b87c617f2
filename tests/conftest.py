"""Fixtures for every kind of test; the local stack's world `test` is brought up once a session."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.stack import Stack

REPO = Path(__file__).resolve().parent.parent
# The fast kinds first: who broke a rule hears of it before any server has started.
_KINDS = ("unit", "contract", "dags", "integration", "e2e", "ui")
_MARKED = {"integration": "integration", "e2e": "e2e", "ui": "ui"}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_configure(config: pytest.Config) -> None:
    """Airflow decides where it lives when it is imported: not in the home of whoever runs the tests.

    A busy machine fails no property; in CI the examples are the same every time, elsewhere they are new ones.
    """
    settings.register_profile(
        "slipway",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=os.environ.get("CI") == "true",
    )
    settings.load_profile("slipway")
    home = REPO / ".local" / "test-airflow"
    home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("AIRFLOW_HOME", str(home))
    os.environ |= {
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPO / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPO / "plugins"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "SLIPWAY_HOME": str(REPO),
    }


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder and put the fast folders first."""
    kinds = {item: item.path.relative_to(REPO / "tests").parts[0] for item in items}
    for item, kind in kinds.items():
        if kind in _MARKED:
            item.add_marker(_MARKED[kind])
    items.sort(key=lambda item: _KINDS.index(kinds[item]) if kinds[item] in _KINDS else 0)


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """The running world `test`, empty at the session's start and stopped at its end.

    SLIPWAY_TEST_KEEP=1 keeps it running and takes it as it is: quick, for one who writes a test.
    """
    from local import lifecycle
    from local.paths import this_installation
    from tests.e2e.case_runner import every_case, install
    from tests.stack import Stack

    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def tell(line: str) -> None:
        """Past pytest's capture: a wait of half a minute should explain itself."""
        with capture.global_and_fixture_disabled():
            print(f"[stack] {line}", flush=True)

    world = this_installation().world("test")
    keep = os.environ.get("SLIPWAY_TEST_KEEP") == "1"
    world.installation.worlds.mkdir(parents=True, exist_ok=True)
    with (world.installation.worlds / ".test.session").open("a") as session:
        fcntl.flock(session, fcntl.LOCK_EX)  # a second session waits for its turn
        if not keep:
            lifecycle.remove(world, tell)
        # Before Airflow starts: the end-to-end cases lie beside the checkout's own migrations.
        install(every_case(), REPO, world.home / "project")
        settings = lifecycle.up(world, tell)
        try:
            yield Stack(settings)
        finally:
            if not keep:
                lifecycle.down(world, tell)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; skips where there is none."""
    for name in _BROWSERS:
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("no Chromium: install Debian's package `chromium` (make test does it when run as root)")
