"""`make drill`: the demo, while its servers are killed in turn with SIGKILL, and its driver at the end.

Each comes back by itself, and the demo goes on: that is what is tried. The last kill ends the demo's own
driver; a second demo must then start as if nothing had been.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from local.paths import this_installation
from local.supervisor import Supervisor

REPO = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill a component some seconds after the demo has printed a text."""

    component: str
    after: str
    seconds: float


KILLS = [
    Kill("taskmanager", "28 February, 06:00: replay", 2.0),
    Kill("kafka", "1 March, 06:00: replay", 4.0),
    Kill("scheduler", "2 March, 06:00: replay", 3.0),
    Kill("postgres", "3 March, 06:00: dbt baseline", 3.0),
]
LAST = "14 March, 06:00: replay"


def kill(component: str) -> None:
    """End a component's main process as a crash would."""
    process = Supervisor(this_installation().world("main")).states()[component].process
    if process is None:
        raise SystemExit(f"{component} does not run")
    os.kill(process.pid, signal.SIGKILL)
    print(f"      killed {component}, pid {process.pid}", flush=True)


def main() -> int:
    """Run the demo under the drill; then kill its driver near the end, and run it once more undisturbed."""
    begun, left = time.monotonic(), list(KILLS)
    demo = subprocess.Popen(
        ["make", "demo"], cwd=REPO, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    if demo.stdout is None:
        raise SystemExit("the demo has no output to follow")
    for line in demo.stdout:
        print(f"{time.monotonic() - begun:5.0f} {line}", end="", flush=True)
        for planned in [planned for planned in left if planned.after in line]:
            left.remove(planned)
            time.sleep(planned.seconds)  # into the step that has just begun
            kill(planned.component)
        if LAST in line and not left:
            os.killpg(demo.pid, signal.SIGKILL)
            print("      killed the demo's driver", flush=True)
    demo.wait()
    if left or demo.returncode != -signal.SIGKILL:
        print(f"the demo ended with {demo.returncode} before all was killed; left: {left}")
        return 1
    print("every server was killed once and the demo went on; now a second demo, in an empty world")
    return subprocess.run(["make", "demo"], cwd=REPO, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
