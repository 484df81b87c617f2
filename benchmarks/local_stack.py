"""How long does an empty world take to start, what memory does it hold at rest, what disk does it need?

Starts a world of its own after everything has been installed (`make setup`), waits until it is at rest,
prints what `make status` prints, and removes the world.

    .local/venv/bin/python -m benchmarks.local_stack
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.machine import heading

REPO = Path(__file__).parents[1]
WORLD = "bench"
REST = 30
"""Seconds after the last component was ready: start-up garbage is gone, nothing has been asked yet."""


def stack(*arguments: str) -> str:
    """Call the local stack for the benchmark's own world, and return what it printed."""
    command = [sys.executable, "-m", "local.stack", "--world", WORLD, *arguments]
    return subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout


def gibibytes(folder: Path) -> float:
    """Return the size of what lies below a folder, links not followed."""
    sizes = (path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(sizes) / 2**30


def main() -> int:
    """Measure and print."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print(heading("the local stack"))
    begun = time.monotonic()
    try:
        stack("up")
        print(f"cold start of an empty world: {time.monotonic() - begun:.1f} s")
        time.sleep(REST)  # what is measured is rest
        print(f"at rest, {REST} s later (processor {psutil.cpu_percent(5):.0f} % busy):")
        print(stack("status"))
    finally:
        stack("reset")
    installed = sum(
        gibibytes(path) for path in (REPO / ".local").iterdir() if path.is_dir() and path.name != "worlds"
    )
    print(f"installed below .local: {installed:.1f} GiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
