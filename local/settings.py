"""What a world's components are told: ports, secrets, and the environment built from them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from local import credentials, ports
from local.errors import StackError
from local.paths import World, write_private

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Settings:
    """One world, fully decided: everything that the components' configurations are rendered from."""

    world: World
    ports: Mapping[str, int]
    secrets: Mapping[str, str]

    @property
    def kafka_bootstrap(self) -> str:
        return f"{HOST}:{self.ports['kafka']}"

    @property
    def registry_url(self) -> str:
        return f"http://{HOST}:{self.ports['registry']}"

    @property
    def flink_url(self) -> str:
        return f"http://{HOST}:{self.ports['flink']}"

    @property
    def airflow_url(self) -> str:
        return f"http://{HOST}:{self.ports['airflow']}"

    def env(self) -> dict[str, str]:
        """What a shell, a test or Airflow needs to reach this world and to import the product."""
        return product_env(self) | airflow_env(self)

    def write(self) -> None:
        """Write `env` and `stack.json` of the world, both mode 0600."""
        lines = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.env().items())]
        write_private(self.world.env_file, "\n".join(lines) + "\n")
        write_private(self.world.stack_json, json.dumps(self.summary(), indent=2) + "\n")

    def summary(self) -> dict[str, object]:
        """The world for programs that don't want to read an environment: the content of stack.json."""
        logins = ("slipway", "airflow", "slipway_ledger", "slipway_warehouse", "slipway_lake", "reader")
        return {
            "world": self.world.name,
            "home": str(self.world.home),
            "ports": dict(self.ports),
            "urls": {"airflow": self.airflow_url, "flink": self.flink_url, "registry": self.registry_url},
            "kafka": self.kafka_bootstrap,
            "postgres": {
                "host": HOST,
                "port": self.ports["postgres"],
                "passwords": {user: self.secrets[user] for user in logins},
            },
            "users": {user: self.secrets[f"user:{user}"] for user in credentials.AIRFLOW_USERS},
            "lake": str(self.world.lake),
            "evidence": str(self.world.evidence),
        }


@dataclass(frozen=True, slots=True)
class Process:
    """A component that runs. since: its start, UTC, cut to the second."""

    pid: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Program:
    """How supervisord runs one component; uid and gid are set where privileges are dropped."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    uid: int | None = None
    gid: int | None = None


def decide(world: World) -> Settings:
    """Choose or recall the world's ports and secrets; writes both below the world."""
    world.make_folders()
    chosen = ports.choose(world.home / "ports.json")
    return Settings(world, chosen, credentials.load(world.home / "secrets.json"))


def recall(world: World) -> Settings:
    """The settings of a world that has been started before; StackError when it never was."""
    try:
        chosen = json.loads((world.home / "ports.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StackError(
            f"world {world.name!r} does not exist; start it: python -m local.stack --world {world.name} up"
        ) from None
    return Settings(world, chosen, credentials.load(world.home / "secrets.json"))


def base_env(world: World) -> dict[str, str]:
    """The little that every component gets from the caller's environment."""
    passed = {name: os.environ[name] for name in ("JAVA_HOME", "TMPDIR", "TZ") if name in os.environ}
    return passed | {
        "PATH": f"{world.installation.venv / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": os.environ.get("HOME", str(world.home)),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
    }


def java() -> str:
    """The `java` to run; StackError when there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        where = f"below JAVA_HOME={home}" if home else "on PATH"
        raise StackError(f"no java {where}: install OpenJDK 17 (Debian: openjdk-17-jdk-headless)")
    return found


def product_env(settings: Settings) -> dict[str, str]:
    """Where the product finds its code and, as Airflow connections, its systems."""
    world, repo, secrets = settings.world, settings.world.installation.repo, settings.secrets

    def postgres(user: str, database: str, **extra: str) -> dict[str, object]:
        found: dict[str, object] = {
            "conn_type": "postgres",
            "host": HOST,
            "port": settings.ports["postgres"],
            "login": user,
            "password": secrets[user],
            "schema": database,
        }
        return found | ({"extra": extra} if extra else {})

    connections: dict[str, dict[str, object]] = {
        "KAFKA": {"conn_type": "kafka", "extra": {"bootstrap.servers": settings.kafka_bootstrap}},
        "REGISTRY": {
            "conn_type": "http",
            "host": f"http://{HOST}",
            "port": settings.ports["registry"],
            "schema": "",
            "extra": {"path": "/apis/ccompat/v7"},
        },
        "FLINK": {
            "conn_type": "http",
            "host": f"http://{HOST}",
            "port": settings.ports["flink"],
            "login": "",
            "password": secrets["flink_writer"],
        },
        "WAREHOUSE": postgres("slipway_warehouse", "warehouse"),
        "LEDGER": postgres("slipway_ledger", "ledger"),
        "LAKE": postgres(
            "slipway_lake", "lake", warehouse=f"file://{world.lake}", evidence=str(world.evidence)
        ),
    }
    env = {f"AIRFLOW_CONN_SLIPWAY_{name}": json.dumps(value) for name, value in connections.items()}
    return env | {
        "PYTHONPATH": f"{repo / 'plugins'}:{repo}",
        "SLIPWAY_HOME": str(project_of(world)),
        "SLIPWAY_WORLD": str(world.home),
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GX_ANALYTICS_ENABLED": "false",
    }


def project_of(world: World) -> Path:
    """Where the world's contracts and dbt models lie: the checkout, or a folder `project` of the world's own.

    The tests make one, so that migrations of theirs run beside those of the checkout.
    """
    own = world.home / "project"
    return own if own.is_dir() else world.installation.repo


def airflow_env(settings: Settings) -> dict[str, str]:
    """Airflow's settings: Postgres metadata, three workers, and what makes it quick on a small machine."""
    world, secrets, url = settings.world, settings.secrets, settings.airflow_url
    repo = world.installation.repo
    database = f"{HOST}:{settings.ports['postgres']}/airflow"
    users = ",".join(f"{name}:{role}" for name, role in credentials.AIRFLOW_USERS.items())
    return {
        "AIRFLOW_HOME": str(world.home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(repo / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(repo / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "3",
        "AIRFLOW__CORE__FERNET_KEY": secrets["fernet_key"],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": users,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(world.home / "airflow-users.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://airflow:{secrets['airflow']}@{database}",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(settings.ports["airflow"]),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__SECRET_KEY": secrets["api_secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets["jwt_secret"],
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # A killed scheduler's tasks are taken up again after seconds, not after five minutes.
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(world.logs / "airflow"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
