"""What runs in a world, as a table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from local import lifecycle, processes
from local.components import COMPONENTS
from local.paths import World
from local.settings import recall
from local.supervisor import State, Supervisor


def table(world: World) -> str:
    """Component, state, pid, port, memory (PSS: shared pages divided among their users) and age."""
    settings, supervisor = recall(world), Supervisor(world)
    states = supervisor.states()
    lines = [f"{'component':<15}{'state':<13}{'pid':>8}{'port':>7}{'PSS MiB':>9}  since"]
    total = 0.0
    for component in COMPONENTS:
        state = states.get(component.name)
        word = "stopped"
        if state is not None and state.process is not None:
            word = "ready" if lifecycle.is_ready(settings, supervisor, component) else "starting"
        elif state is not None and state.word in ("FATAL", "BACKOFF"):
            word = f"down ({state.word})"
        memory = _memory(state)
        total += memory
        port = str(settings.ports[component.port]) if component.port else ""
        pid = str(state.process.pid) if state is not None and state.process else ""
        lines.append(f"{component.name:<15}{word:<13}{pid:>8}{port:>7}{memory:>9.0f}  {_age(state)}")
    own = supervisor.pid()
    memory = pss(own) if own else 0.0
    word = "ready" if states else "stopped"
    lines.append(f"{'supervisord':<15}{word:<13}{own or '':>8}{'':>7}{memory:>9.0f}")
    lines.append(f"{'total':<43}{total + memory:>9.0f}")
    return "\n".join(lines)


def pss(pid: int) -> float:
    """Proportional set size of one process in MiB; 0 when it is gone or may not be looked at."""
    try:
        text = (Path("/proc") / str(pid) / "smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


def _memory(state: State | None) -> float:
    """Of the component with all its children, MiB."""
    if state is None or state.process is None:
        return 0.0
    root = state.process.pid
    below = processes.descendants(root, processes.all_processes())
    return sum(pss(pid) for pid in (root, *(process.pid for process in below)))


def _age(state: State | None) -> str:
    if state is None or state.process is None:
        return ""
    seconds = int((datetime.now(UTC) - state.process.since).total_seconds())
    if seconds >= 3600:
        return f"{seconds // 3600}h {seconds % 3600 // 60}m"
    return f"{seconds // 60}m {seconds % 60}s"
