"""Bringing a world up and down: order, readiness and clean-up around supervisord."""

from __future__ import annotations

import fcntl
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from local import postgres
from local.components import BY_NAME, CHORES, COMPONENTS, STOP_ORDER, Chore, Component
from local.errors import StackError
from local.paths import World
from local.settings import HOST, Settings, decide, recall
from local.supervisor import State, Supervisor

Tell = Callable[[str], None]


def up(world: World, tell: Tell) -> Settings:
    """Start what does not run and wait until everything is ready; returns the settings in force.

    Where it fails or is interrupted, what this call started is stopped again.
    """
    with locked(world, tell):
        supervisor = Supervisor(world)
        ours = not supervisor.answers()
        if ours:
            # Before ports are chosen: who was left running may still hold one.
            supervisor.shutdown()
            shutil.rmtree(world.tmp, ignore_errors=True)
            settings = decide(world)
            settings.write()
            supervisor.start(component.program(settings) for component in COMPONENTS)
        else:
            settings = recall(world)
            settings.write()
            supervisor.write_programs(component.program(settings) for component in COMPONENTS)
        begun = time.monotonic()
        try:
            _Start(settings, supervisor, tell).run()
        except BaseException:
            if ours:
                tell("stopping what was started")
                _stop(supervisor)
            raise
        seconds = time.monotonic() - begun
        tell(f"world {world.name} is up after {seconds:.1f} s: Airflow {settings.airflow_url}")
        return settings


def down(world: World, tell: Tell) -> None:
    """Stop everything of this world; its data stays."""
    if not world.home.exists():
        return
    with locked(world, tell):
        _down(world, tell)


def remove(world: World, tell: Tell) -> None:
    """Stop this world and remove its data, logs, ports and passwords."""
    if not world.home.exists():
        return
    with locked(world, tell):
        _down(world, tell)
        postgres.remove_data(world)
        shutil.rmtree(world.short_run, ignore_errors=True)
        shutil.rmtree(world.home)


def restart(world: World, names: Iterable[str], tell: Tell) -> None:
    """Restart these components and wait until they are ready."""
    chosen = list(names)
    with locked(world, tell):
        settings, supervisor = recall(world), Supervisor(world)
        if not supervisor.answers():
            raise StackError(f"world {world.name!r} is not up: python -m local.stack --world {world.name} up")
        supervisor.stop_programs(chosen)
        _Start(settings, supervisor, tell, only=chosen).run()


def is_ready(settings: Settings, supervisor: Supervisor, component: Component) -> bool:
    """Whether the component's process runs and its probe succeeds."""
    state = supervisor.states().get(component.name)
    return state is not None and serves(settings, state, component)


def serves(settings: Settings, state: State, component: Component) -> bool:
    """The same for a state that was just asked for."""
    return state.word == "RUNNING" and state.process is not None and component.ready(settings, state.process)


@contextmanager
def locked(world: World, tell: Tell) -> Iterator[None]:
    """One command at a time for a world; the lock ends with the process, however it ends."""
    world.lock_file.parent.mkdir(parents=True, exist_ok=True)
    with world.lock_file.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"waiting for another command that works on world {world.name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tail(file: Path, lines: int) -> list[str]:
    """The last lines of a log; empty when there is none."""
    try:
        with file.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 400 * lines))
            return log.read().decode("utf-8", "replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def _down(world: World, tell: Tell) -> None:
    supervisor = Supervisor(world)
    if supervisor.pid() is None:
        supervisor.shutdown()
        return
    begun = time.monotonic()
    _stop(supervisor)
    tell(f"world {world.name} is down after {time.monotonic() - begun:.1f} s")


def _stop(supervisor: Supervisor) -> None:
    if supervisor.answers():
        for together in STOP_ORDER:
            supervisor.stop_programs(together)
    supervisor.shutdown()


class _Start:
    """One `up`: every step runs as soon as what it needs is done."""

    def __init__(
        self, settings: Settings, supervisor: Supervisor, tell: Tell, only: Iterable[str] | None = None
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._tell = tell
        self._stop = threading.Event()
        chosen = set(only) if only is not None else set(BY_NAME)
        steps: list[Component | Chore] = [*CHORES, *(c for c in COMPONENTS if c.name in chosen)]
        self._steps = {step.name: step for step in steps}

    def run(self) -> None:
        """Run all steps; the first failure stops the waiting of the others and is raised."""
        done: set[str] = set()
        pending = dict(self._steps)
        with ThreadPoolExecutor(len(self._steps)) as pool:
            running: dict[Future[None], str] = {}
            try:
                while pending or running:
                    for name, step in list(pending.items()):
                        if {need for need in step.needs if need in self._steps} <= done:
                            running[pool.submit(self._do, step)] = name
                            del pending[name]
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        future.result()
                        done.add(running.pop(future))
            except BaseException:
                self._stop.set()
                raise

    def _do(self, step: Component | Chore) -> None:
        begun = time.monotonic()
        if isinstance(step, Chore):
            step.do(self._settings)
            seconds = time.monotonic() - begun
            if seconds > 1:
                self._tell(f"{step.name:<17} done     {seconds:5.1f} s")
            return
        if self._supervisor.states()[step.name].process is None:
            step.prepare(self._settings)
            self._supervisor.start_program(step.name)
        self._await(step)
        step.finish(self._settings)
        where = f"   {HOST}:{self._settings.ports[step.port]}" if step.port else ""
        self._tell(f"{step.name:<17} ready    {time.monotonic() - begun:5.1f} s{where}")

    def _await(self, component: Component) -> None:
        """Poll until ready: none of these servers tells by itself when it is."""
        log = self._settings.world.logs / f"{component.name}.log"
        deadline = time.monotonic() + component.patience
        while True:
            state = self._supervisor.states().get(component.name)
            if state is not None and serves(self._settings, state, component):
                return
            word = "unknown, supervisord does not answer" if state is None else state.word
            if word == "FATAL" or time.monotonic() > deadline:
                last = "\n  ".join(tail(log, 15)) or "(empty)"
                raise StackError(
                    f"{component.name} is not ready after {component.patience:.0f} s, its state is {word}. "
                    f"The end of {log}:\n  {last}"
                )
            if self._stop.wait(0.25):
                raise StackError(f"{component.name}: given up, since another component failed")


def known(name: str) -> Component:
    """The component called `name`; StackError with the names there are."""
    try:
        return BY_NAME[name]
    except KeyError:
        raise StackError(f"no component {name!r}; there are: {', '.join(BY_NAME)}") from None
