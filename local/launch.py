"""Becomes one component of a world: supervisord starts every component through this.

`python -S -m local.launch PROGRAMS_JSON NAME`, in the repository. Before it turns into the component it ends
what an earlier, killed incarnation left behind, writes down who it is, drops privileges where asked, and
asks the kernel to end the component should supervisord be killed. Standard library only: it runs at
every restart, and environments with secrets stay off command lines.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

from local import processes

_PR_SET_PDEATHSIG = 1


def main(programs_file: str, name: str) -> None:
    """Exec the program `name` of `programs_file`; never returns."""
    supervisor = os.getppid()
    programs = Path(programs_file)
    program = json.loads(programs.read_text(encoding="utf-8"))[name]
    run = programs.parent

    survivors = processes.end(processes.orphans(os.getsid(0), supervisor))
    if survivors:
        pids = [process.pid for process in survivors]
        sys.exit(f"{name}: processes {pids} of an earlier start do not end: kill them by hand")

    me = processes.Record.of(os.getpid())
    if me is not None:
        me.write(run / f"{name}.pid")
    os.chdir(program["cwd"])
    os.umask(0o077)
    if program["uid"] is not None:
        os.setgroups([])
        os.setgid(program["gid"])
        os.setuid(program["uid"])
    # After setuid, which would clear it. Without it a killed supervisord leaves all components running.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"{name}: prctl(PR_SET_PDEATHSIG) failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != supervisor:
        sys.exit(f"{name}: supervisord is gone")
    os.execve(program["argv"][0], program["argv"], program["env"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
