"""What do a hundred contracts cost: to validate, and to make DAGs of?

Writes a folder of contracts (the flights contract under other names, so ten measures each), and measures
`slipway validate` as a process, the parsing of all files of dags/ in one process, and each file in a process
of its own, which is how Airflow's dag processor does it. Beside them, in the same run: the interpreter with
the libraries alone, and the same number of DAG files that hold one empty DAG. Nothing is left behind.

    PYTHONPATH=plugins:. .local/venv/bin/python -m benchmarks.contracts
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.machine import heading

REPO = Path(__file__).parents[1]
EMPTY = """
from airflow.sdk import DAG
with DAG("empty_{number}", schedule=None):
    pass
"""


class Spent(NamedTuple):
    """Seconds that passed, and seconds of processor: the same on a machine that is idle otherwise."""

    wall: float
    busy: float


LIBRARIES = "import yaml, pydantic, sqlglot, rich.console"
PARSE = """
import json, sys, time
began, busy = time.perf_counter(), time.process_time()
from airflow.dag_processing.dagbag import DagBag
import airflow.sdk
ready, before = time.perf_counter(), time.process_time()
bag = DagBag(sys.argv[1])
parsed, after = time.perf_counter(), time.process_time()
print("RESULT" + json.dumps({
    "import": [ready - began, before - busy],
    "parse": [parsed - ready, after - before],
    "dags": len(bag.dags),
    "errors": bag.import_errors,
}))
"""


def write_contracts(home: Path, number: int) -> None:
    """Write contracts m000, m001, ... and their one schema below a home."""
    folder = home / "include" / "migrations"
    folder.mkdir(parents=True)
    source = REPO / "include" / "migrations"
    text = (source / "flights.yaml").read_text()
    (folder / "flight_status.avsc").write_text((source / "flight_status.avsc").read_text())
    for index in range(number):
        name = f"m{index:03d}"
        mine = text.replace("migration: flights", f"migration: {name}").replace(
            "flights_daily", f"{name}_daily"
        )
        # No two are the same text, so none is spared by what was read for another.
        (folder / f"{name}.yaml").write_text(mine.replace("dep_delay < 15", f"dep_delay < {15 + index}"))


def environment(home: Path) -> dict[str, str]:
    """Return what a process needs to see these contracts and no other installation of Airflow."""
    return {
        **os.environ,
        "PYTHONPATH": f"{REPO / 'plugins'}:{REPO}",
        "SLIPWAY_HOME": str(home),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "no-plugins"),
    }


def timed(command: Sequence[str], env: Mapping[str, str]) -> Spent:
    """Run a process and return its seconds, start included."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[:3])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(time.perf_counter() - began, busy)


def parsed(dags: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """Parse a folder, or one file, of DAGs in a process of its own."""
    command = [sys.executable, "-c", PARSE, str(dags)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT"))
    if found["errors"]:
        raise SystemExit(f"the DAGs don't parse: {found['errors']}")
    return found


def median(spent: Sequence[Spent]) -> str:
    """Return the medians of some runs."""
    wall, busy = (statistics.median(column) for column in zip(*spent, strict=True))
    return f"{wall:.2f} s | {busy:.2f} s"


def measured(number: int, runs: int) -> Mapping[str, str]:
    """Return each figure by its name."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_contracts(home, number)
        env, files = environment(home), sorted((REPO / "dags").glob("*.py"))
        empty = home / "empty"
        empty.mkdir()
        for index in range(len(files)):
            (empty / f"empty_{index}.py").write_text(EMPTY.format(number=index))
        parsed(REPO / "dags", env)  # compiles the modules, and makes Airflow's configuration
        validate, bare = [sys.executable, "-m", "slipway.cli", "validate"], [sys.executable, "-c", LIBRARIES]
        found = {
            f"slipway validate on {number} contracts, start of the process included": median(
                [timed(validate, env) for _ in range(runs)]
            ),
            "the interpreter and the libraries alone": median([timed(bare, env) for _ in range(runs)]),
        }
        whole = [parsed(REPO / "dags", env) for _ in range(runs)]
        none = [parsed(empty, env) for _ in range(runs)]
        name = f"parse all {len(files)} files of dags/ for {number} migrations ({whole[0]['dags']} DAGs)"
        found[f"{name}, in one process"] = median([Spent(*run["parse"]) for run in whole])
        found[f"parse {len(files)} files with one empty DAG each"] = median(
            [Spent(*run["parse"]) for run in none]
        )
        found["import of Airflow, before either"] = median([Spent(*run["import"]) for run in whole + none])
        for file in files:
            alone = [Spent(*parsed(file, env)["parse"]) for _ in range(runs)]
            found[f"{file.name} alone in a process, after the import"] = median(alone)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--contracts", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5, help="each figure is the median of so many runs")
    given = parser.parse_args()
    print(heading(f"{given.contracts} contracts, median of {given.runs}"))
    for name, figure in measured(given.contracts, given.runs).items():
        print(f"| {name} | {figure} |")


if __name__ == "__main__":
    main()
