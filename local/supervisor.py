"""supervisord for one world: it starts, watches and restarts; readiness and order are added around it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from local import processes
from local.errors import StackError
from local.paths import World, write_private
from local.settings import Process, Program


@dataclass(frozen=True, slots=True)
class State:
    """What supervisord knows of a component, in its own word; process: None unless it runs."""

    name: str
    word: str
    process: Process | None


class Supervisor:
    """The supervisord of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._conf = world.run / "supervisord.conf"

    def pid(self) -> int | None:
        """The pid of this world's supervisord, None when it does not run."""
        found = processes.with_argument(str(self._conf))
        return found[0].pid if found else None

    def start(self, programs: Iterable[Program]) -> None:
        """Start supervisord with these programs, all stopped; to be called after `shutdown`."""
        listed = list(programs)
        self.write_programs(listed)
        write_private(self._conf, self._render(listed))
        command = [str(self._world.installation.venv / "bin" / "supervisord"), "-c", str(self._conf)]
        log = self._world.logs / "supervisord.out"
        with log.open("wb") as output:
            daemon = subprocess.Popen(
                command,
                cwd=self._world.installation.repo,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if daemon.poll() is not None:
                raise StackError(f"supervisord ended with {daemon.returncode}: see {log}")
            if self.answers():
                return
            time.sleep(0.05)
        raise StackError(f"supervisord did not answer on {self._world.socket} within 20 s: see {log}")

    def write_programs(self, programs: Iterable[Program]) -> None:
        """What the launcher reads at each start of a component."""
        table = {p.name: asdict(p) | {"cwd": str(p.cwd)} for p in programs}
        write_private(self._world.run / "programs.json", json.dumps(table))

    def answers(self) -> bool:
        """Whether supervisord takes orders."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error):
            return False

    def states(self) -> Mapping[str, State]:
        """All components by name; empty when supervisord does not run."""
        try:
            found: Any = self._call("getAllProcessInfo")
        except (OSError, xmlrpc.client.Error):
            return {}
        return {info["name"]: _state(info) for info in found}

    def start_program(self, name: str) -> None:
        """Ask for a start; does nothing when it runs."""
        try:
            self._call("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != Faults.ALREADY_STARTED:
                raise StackError(f"supervisord refused to start {name}: {fault.faultString}") from fault

    def stop_programs(self, names: Iterable[str]) -> None:
        """Stop these at the same time and wait; those that do not run are no error."""
        waiting = set(names)
        for name in sorted(waiting):
            try:
                self._call("stopProcess", name, False)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode not in (Faults.NOT_RUNNING, Faults.BAD_NAME):
                    raise StackError(f"supervisord refused to stop {name}: {fault.faultString}") from fault
                waiting.discard(name)
        # supervisord itself sends SIGKILL after the program's stop_seconds.
        deadline = time.monotonic() + 60
        while waiting and time.monotonic() < deadline:
            states = self.states()
            waiting = {name for name in waiting if name in states and states[name].process is not None}
            time.sleep(0.05)
        if waiting:
            raise StackError(f"{', '.join(sorted(waiting))} did not stop within 60 s: see {self._world.logs}")

    def shutdown(self) -> None:
        """End supervisord, all that it runs and all that a killed one left; by signal where need be."""
        for daemon in processes.with_argument(str(self._conf)):
            try:
                self._call("shutdown")
            except (OSError, xmlrpc.client.Error):
                processes.end([daemon])
            deadline = time.monotonic() + 60
            while processes.is_same(daemon) and time.monotonic() < deadline:
                time.sleep(0.05)
            processes.end([daemon])
        self._clear_leftovers()

    def _clear_leftovers(self) -> None:
        """End what a killed supervisord left running, and remove its socket and records."""
        files = list(self._world.run.glob("*.pid"))
        records = [record for record in map(processes.Record.read, files) if record is not None]
        survivors = processes.end(processes.leftovers(records))
        if survivors:
            raise StackError(
                f"processes {[p.pid for p in survivors]} of an earlier start do not end: kill them by hand"
            )
        for file in files:
            file.unlink(missing_ok=True)
        self._world.socket.unlink(missing_ok=True)
        if self._world.socket.parent != self._world.run:
            shutil.rmtree(self._world.socket.parent, ignore_errors=True)
            self._world.make_folders()

    def _call(self, method: str, *arguments: Any) -> Any:
        """One order; OSError when nobody listens, xmlrpc.client.Fault when it is refused."""
        # A connection for each: a shared one is not safe between threads.
        transport = SupervisorTransport(None, None, f"unix://{self._world.socket}")
        try:
            proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
            return getattr(proxy.supervisor, method)(*arguments)
        finally:
            transport.close()

    def _render(self, programs: Iterable[Program]) -> str:
        run, logs = self._world.run, self._world.logs
        head = [
            "[unix_http_server]",
            f"file={_plain(self._world.socket)}",
            "chmod=0600",
            "[supervisord]",
            "nodaemon=true",
            "silent=true",
            "umask=077",
            f"identifier=slipway-{self._world.name}",
            f"directory={_plain(self._world.installation.repo)}",
            f"logfile={_plain(logs / 'supervisord.log')}",
            "logfile_maxbytes=5MB",
            "logfile_backups=1",
            f"pidfile={_plain(run / 'supervisord.number')}",
            f"childlogdir={_plain(logs)}",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        ]
        return "\n".join(head + [line for program in programs for line in self._section(program)]) + "\n"

    def _section(self, program: Program) -> list[str]:
        python = self._world.installation.python
        programs = self._world.run / "programs.json"
        launcher = [str(python), "-S", "-m", "local.launch", str(programs), program.name]
        return [
            f"[program:{program.name}]",
            f"command={_plain(shlex.join(launcher))}",
            f"directory={_plain(self._world.installation.repo)}",
            "autostart=false",
            "autorestart=true",
            "startsecs=1",
            "startretries=30",
            f"stopsignal={program.stop_signal}",
            f"stopwaitsecs={program.stop_seconds}",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={_plain(self._world.logs / f'{program.name}.log')}",
            "stdout_logfile_maxbytes=20MB",
            "stdout_logfile_backups=1",
        ]


def _state(info: Mapping[str, Any]) -> State:
    pid = info["pid"]
    process = Process(pid, datetime.fromtimestamp(info["start"], UTC)) if pid else None
    return State(info["name"], info["statename"], process)


def _plain(value: Path | str) -> str:
    """A value that supervisord's configuration expands to itself."""
    text = str(value)
    if "\n" in text or " ;" in text:
        raise StackError(f"supervisord's configuration cannot hold the path {text!r}: move the checkout")
    return text.replace("%", "%%")
