"""Apicurio, the schema registry, with its storage in Postgres."""

from __future__ import annotations

from local import rest
from local.errors import StackError
from local.settings import HOST, Program, Settings, base_env, java


def program(settings: Settings) -> Program:
    """The registry as supervisord runs it."""
    folder = settings.world.installation.jars / "registry"
    runner = next(iter(sorted(folder.glob("apicurio-registry-app-*-runner.jar"))), None)
    if runner is None:
        raise StackError(f"no registry below {folder}: run make setup")
    return Program(
        name="registry",
        argv=(
            java(),
            "-Xmx144m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Djava.io.tmpdir={settings.world.tmp}",
            "-jar",
            str(runner),
        ),
        env=base_env(settings.world)
        | {
            "QUARKUS_HTTP_HOST": HOST,
            "QUARKUS_HTTP_PORT": str(settings.ports["registry"]),
            "APICURIO_STORAGE_KIND": "sql",
            "APICURIO_STORAGE_SQL_KIND": "postgresql",
            "APICURIO_DATASOURCE_URL": f"jdbc:postgresql://{HOST}:{settings.ports['postgres']}/registry",
            "APICURIO_DATASOURCE_USERNAME": "registry",
            "APICURIO_DATASOURCE_PASSWORD": settings.secrets["registry"],
            "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "2",
            "APICURIO_DATASOURCE_JDBC_MAX_SIZE": "10",
        },
        cwd=settings.world.home,
    )


def is_ready(settings: Settings) -> bool:
    """Whether the Confluent-compatible API answers from its storage."""
    return isinstance(rest.get(f"{settings.registry_url}/apis/ccompat/v7/subjects"), list)


def set_default_compatibility(settings: Settings) -> None:
    """Out of the box the registry accepts any change of a schema; ours starts from BACKWARD."""
    rest.put(f"{settings.registry_url}/apis/ccompat/v7/config", {"compatibility": "BACKWARD"})
