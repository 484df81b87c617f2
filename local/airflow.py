"""Airflow's four processes, on Postgres."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta

from local import credentials, postgres, rest
from local.errors import StackError
from local.paths import write_private
from local.settings import Process, Program, Settings, base_env

# Component -> arguments. Logs are files on this machine, so nobody needs the log servers, which would
# listen on all interfaces.
_COMMANDS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
_HEALTH_NAMES = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
_MIGRATED = "airflow.migrated"


def program(settings: Settings, name: str) -> Program:
    """One of Airflow's processes as supervisord runs it."""
    return Program(
        name=name,
        argv=(str(settings.world.installation.python), "-m", "airflow", *_COMMANDS[name]),
        env=_env(settings),
        cwd=settings.world.home,
    )


def prepare(settings: Settings) -> None:
    """Users' passwords, folders, and the metadata database, migrated once for each Airflow version."""
    world = settings.world
    users = {name: settings.secrets[f"user:{name}"] for name in credentials.AIRFLOW_USERS}
    write_private(world.home / "airflow-users.json", json.dumps(users))
    (world.home / "airflow").mkdir(mode=0o700, exist_ok=True)
    (world.logs / "airflow").mkdir(mode=0o700, exist_ok=True)
    (world.installation.repo / "dags").mkdir(exist_ok=True)
    mark = world.home / _MIGRATED
    version = _installed_version(settings)
    done = mark.read_text(encoding="utf-8").strip() if mark.exists() else None
    if done == version:
        return
    if done is None:
        # A first migration that was cut short can't be taken up again.
        postgres.recreate_database(settings, "airflow")
    _run(settings, "db", "migrate")
    write_private(mark, version + "\n")


def is_ready(settings: Settings, name: str, process: Process) -> bool:
    """Whether the process serves (api-server) or has sent a heartbeat since its start (the others).

    Airflow calls a component healthy by its last heartbeat, so one just killed still looks well.
    """
    health = rest.get(f"{settings.airflow_url}/api/v2/monitor/health")
    if not isinstance(health, dict):
        return False
    if name == "api-server":
        return bool(health["metadatabase"]["status"] == "healthy")
    key = _HEALTH_NAMES[name]
    beat = (health.get(key) or {}).get(f"latest_{key}_heartbeat")
    return beat is not None and datetime.fromisoformat(beat) >= process.since + timedelta(seconds=1)


def _installed_version(settings: Settings) -> str:
    site = settings.world.installation.venv / "lib"
    found = sorted(site.glob("python3.*/site-packages/apache_airflow_core-*.dist-info"))
    if not found:
        raise StackError(f"no Airflow below {site}: run make setup")
    return found[-1].name.removeprefix("apache_airflow_core-").removesuffix(".dist-info")


def _run(settings: Settings, *arguments: str) -> None:
    command = [str(settings.world.installation.python), "-m", "airflow", *arguments]
    log = settings.world.logs / "airflow-setup.log"
    with log.open("ab") as output:
        done = subprocess.run(
            command, env=_env(settings), cwd=settings.world.home, stdout=output, stderr=output, check=False
        )
    if done.returncode != 0:
        raise StackError(f"airflow {' '.join(arguments)} ended with {done.returncode}: see {log}")


def _env(settings: Settings) -> dict[str, str]:
    return base_env(settings.world) | settings.env()
