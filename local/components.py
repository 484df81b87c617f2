"""The components of a world, in the order in which they need each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from local import airflow, flink, kafka, postgres, registry
from local.settings import Process, Program, Settings


def _nothing(_: Settings) -> None:
    """For a component that needs no preparation."""


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the stack and how to bring it up.

        needs: components that must be ready before `prepare` runs; patience: seconds from start to ready;
    ready: whether the process given serves; finish: done each time once it is ready.
    """

    name: str
    program: Callable[[Settings], Program]
    ready: Callable[[Settings, Process], bool]
    port: str | None = None
    needs: tuple[str, ...] = ()
    prepare: Callable[[Settings], None] = _nothing
    finish: Callable[[Settings], None] = _nothing
    patience: float = 180.0


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to be done once between two components, a step of `up` like theirs."""

    name: str
    needs: tuple[str, ...]
    do: Callable[[Settings], None]


def _whenever(probe: Callable[[Settings], bool]) -> Callable[[Settings, Process], bool]:
    return lambda settings, _process: probe(settings)


def _airflow(name: str, port: str | None = None) -> Component:
    return Component(
        name,
        partial(airflow.program, name=name),
        lambda settings, process: airflow.is_ready(settings, name, process),
        port=port,
        needs=("airflow-database",),
        patience=240.0,
    )


COMPONENTS = (
    Component(
        "postgres",
        postgres.program,
        _whenever(postgres.is_ready),
        port="postgres",
        prepare=postgres.prepare,
        finish=postgres.create_roles_and_databases,
    ),
    Component("kafka", kafka.program, _whenever(kafka.is_ready), port="kafka", prepare=kafka.prepare),
    Component(
        "registry",
        registry.program,
        _whenever(registry.is_ready),
        port="registry",
        needs=("postgres",),
        finish=registry.set_default_compatibility,
    ),
    Component(
        "jobmanager",
        flink.jobmanager,
        _whenever(flink.jobmanager_is_ready),
        port="flink",
        needs=("flink-files",),
    ),
    Component("taskmanager", flink.taskmanager, flink.taskmanager_is_ready, needs=("flink-files",)),
    _airflow("api-server", port="airflow"),
    _airflow("scheduler"),
    _airflow("dag-processor"),
    _airflow("triggerer"),
)
CHORES = (
    Chore("flink-files", (), flink.prepare),
    Chore("airflow-database", ("postgres",), airflow.prepare),
)
BY_NAME = {component.name: component for component in COMPONENTS}
# Stopped together, in this order: nobody loses what it stands on before it has stopped.
STOP_ORDER = (
    ("scheduler", "dag-processor", "triggerer", "api-server", "taskmanager", "jobmanager"),
    ("kafka", "registry"),
    ("postgres",),
)
