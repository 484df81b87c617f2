"""Processes as /proc tells of them: who lives, who is an orphan, who is somebody else by now.

A pid alone proves nothing, since pids are used again; a pid with its start time and the machine's boot
does. Linux only, standard library only: the launcher imports this before every start.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process of now. started: clock ticks since boot."""

    pid: int
    parent: int
    session: int
    started: int


@dataclass(frozen=True, slots=True)
class Record:
    """A process written down, to be recognised after a crash. session: its session at that time."""

    pid: int
    started: int
    session: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Record | None:
        """The record of a process that runs now, or None."""
        found = look(pid)
        return None if found is None else cls(pid, found.started, found.session, boot_id())

    @classmethod
    def read(cls, file: Path) -> Record | None:
        """The record in `file`; None when there is none or a crash left it unreadable."""
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            return cls(int(found["pid"]), int(found["started"]), int(found["session"]), str(found["boot"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, file: Path) -> None:
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
        draft.replace(file)

    def is_alive(self) -> bool:
        """Whether this very process, not a later one with its pid, still runs."""
        found = look(self.pid)
        return found is not None and found.started == self.started and self.boot == boot_id()


def boot_id() -> str:
    """This boot of the machine."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def look(pid: int) -> Process | None:
    """The process with this pid; None when there is none or it is only a zombie."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in parentheses and may hold anything; the fields after it are numbers.
    state, parent, _group, session, *rest = stat.rpartition(")")[2].split()
    if state in ("Z", "X"):
        return None
    return Process(pid, int(parent), int(session), int(rest[15]))


def all_processes() -> dict[int, Process]:
    """Every process that runs now, by pid."""
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return {found.pid: found for found in map(look, pids) if found is not None}


def descendants(root: int, everyone: dict[int, Process]) -> list[Process]:
    """Children of `root`, their children, and so on."""
    children: dict[int, list[Process]] = {}
    for process in everyone.values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    queue = [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += [process.pid for process in below]
    return found


def orphans(session: int, root: int) -> list[Process]:
    """Processes of `session` that no longer descend from `root`, with all their descendants.

    That is what a component leaves behind that was killed and had children.
    """
    everyone = all_processes()
    kept = {root} | {process.pid for process in descendants(root, everyone)}
    lost = {p.pid: p for p in everyone.values() if p.session == session and p.pid not in kept}
    for process in list(lost.values()):
        lost |= {p.pid: p for p in descendants(process.pid, everyone)}
    return list(lost.values())


def leftovers(records: Iterable[Record]) -> list[Process]:
    """What still runs of the sessions that these components belonged to, once the session's leader is dead.

    The kernel gives nobody a pid that is still in use as a session, so a living leader means that the
    session is whole, or that nothing of the old one is left and its number belongs to somebody else.
    """
    earliest: dict[int, int] = {}
    for record in records:
        if record.boot == boot_id() and look(record.session) is None:
            earliest[record.session] = min(record.started, earliest.get(record.session, record.started))
    everyone = all_processes()
    members = {
        p.pid: p for p in everyone.values() if p.session in earliest and p.started >= earliest[p.session]
    }
    for process in list(members.values()):
        members |= {p.pid: p for p in descendants(process.pid, everyone)}
    members.pop(os.getpid(), None)
    return list(members.values())


def with_argument(argument: str) -> list[Process]:
    """Processes that were started with exactly this argument, for instance a configuration's path."""
    wanted = os.fsencode(argument)
    found = []
    for process in all_processes().values():
        try:
            arguments = (_PROC / str(process.pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in arguments[1:]:
            found.append(process)
    return found


def end(processes: Iterable[Process], patience: float = 10.0) -> list[Process]:
    """SIGTERM, then SIGKILL after half of `patience` seconds; returns those that outlived it all."""
    deadline = time.monotonic() + patience
    remaining = _signal(processes, signal.SIGTERM)
    killed = False
    while remaining and time.monotonic() < deadline:
        time.sleep(0.05)
        remaining = [p for p in remaining if is_same(p)]
        if not killed and time.monotonic() > deadline - patience / 2:
            remaining = _signal(remaining, signal.SIGKILL)
            killed = True
    return remaining


def _signal(processes: Iterable[Process], number: signal.Signals) -> list[Process]:
    reached = []
    for process in processes:
        if not is_same(process):
            continue
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue
        reached.append(process)
    return reached


def is_same(process: Process) -> bool:
    """Whether this very process still runs."""
    now = look(process.pid)
    return now is not None and now.started == process.started
