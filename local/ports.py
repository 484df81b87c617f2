"""Free ports on 127.0.0.1, the same ones at every start as long as they are free."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from local.errors import StackError
from local.paths import write_private

NAMES = ("postgres", "kafka", "kafka_controller", "registry", "flink", "flink_rpc", "airflow")
# Below Linux's ephemeral ports (32768 on), so that no outgoing connection takes one between two starts.
_FIRST, _LAST = 20000, 32000


def choose(file: Path, is_free: Callable[[int], bool] | None = None) -> dict[str, int]:
    """A free port for each name, remembered in `file`.

    A remembered port that is taken by now is replaced, and so is a `file` that cannot be read.
    """
    free = is_free or is_free_port
    remembered = _read(file)
    ports: dict[str, int] = {}
    for name in NAMES:
        wanted = remembered.get(name)
        if wanted is not None and wanted not in ports.values() and free(wanted):
            ports[name] = wanted
    taken = set(ports.values())
    for name in NAMES:
        if name not in ports:
            ports[name] = _another(taken, free)
            taken.add(ports[name])
    ordered = {name: ports[name] for name in NAMES}
    if ordered != remembered:
        write_private(file, json.dumps(ordered, indent=2) + "\n")
    return ordered


def is_free_port(port: int) -> bool:
    """Whether a server can listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _another(taken: set[int], free: Callable[[int], bool]) -> int:
    candidates = random.SystemRandom().sample(range(_FIRST, _LAST), 200)
    for port in candidates:
        if port not in taken and free(port):
            return port
    raise StackError(f"none of 200 ports tried between {_FIRST} and {_LAST} is free on 127.0.0.1")


def _read(file: Path) -> Mapping[str, int]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: port for name, port in found.items() if name in NAMES and isinstance(port, int)}
