"""What tests see of the running local stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any

import psycopg

from local import lifecycle
from local.settings import HOST, Settings, base_env
from local.supervisor import Supervisor


class Stack:
    """A world that is up. env: what `python -m local.stack env` prints; ports: by component."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.env: Mapping[str, str] = settings.env()
        self.ports: Mapping[str, int] = settings.ports
        self.supervisor = Supervisor(settings.world)

    def conn(self, name: str) -> dict[str, Any]:
        """The Airflow connection slipway_<name> as a dictionary, e.g. `conn("lake")["password"]`."""
        found: dict[str, Any] = json.loads(self.env[f"AIRFLOW_CONN_SLIPWAY_{name.upper()}"])
        return found

    def postgres(self, database: str, user: str = "slipway", **options: Any) -> psycopg.Connection:
        """A connection to one of the databases, as the superuser unless a role is named."""
        return psycopg.connect(
            host=HOST,
            port=self.ports["postgres"],
            dbname=database,
            user=user,
            password=self.settings.secrets[user],
            **options,
        )

    def pid(self, component: str) -> int:
        """The pid of a component's main process."""
        process = self.supervisor.states()[component].process
        assert process is not None, f"{component} does not run"
        return process.pid

    def kill(self, component: str) -> int:
        """SIGKILL the component's main process, as a crash would end it; returns the pid it had."""
        pid = self.pid(component)
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_ready(self, component: str, seconds: float = 60.0, not_pid: int | None = None) -> float:
        """Wait until it is ready, under another pid than `not_pid`; returns the seconds it took."""
        begun = time.monotonic()
        wanted = lifecycle.known(component)
        while time.monotonic() - begun < seconds:
            state = self.supervisor.states().get(component)
            another = state is not None and state.process is not None and state.process.pid != not_pid
            if another and lifecycle.is_ready(self.settings, self.supervisor, wanted):
                return time.monotonic() - begun
            time.sleep(0.1)
        log = "\n".join(lifecycle.tail(self.settings.world.logs / f"{component}.log", 20))
        raise AssertionError(f"{component} is not ready after {seconds} s; the end of its log:\n{log}")

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """A command in the world's environment; AssertionError with its output when it fails."""
        done = subprocess.run(
            command,
            env=base_env(self.settings.world) | dict(self.env) | env,
            cwd=self.settings.world.installation.repo,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done
