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
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import heading

REPO = Path(__file__).parents[1]
EMPTY = """
from airflow.sdk import DAG
with DAG("empty_{number}", schedule=None):
    pass
"""
LIBRARIES = "import yaml, pydantic, sqlglot, rich.console"
PARSE = """
import json, sys, time
began = time.perf_counter()
from airflow.dag_processing.dagbag import DagBag
import airflow.sdk
ready = time.perf_counter()
bag = DagBag(sys.argv[1])
parsed = time.perf_counter()
print("RESULT" + json.dumps({
    "import": ready - began, "parse": parsed - ready, "dags": len(bag.dags), "errors": bag.import_errors}))
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


def timed(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Run a process and return its seconds, start included."""
    began = time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[:3])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - began


def parsed(dags: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """Parse a folder, or one file, of DAGs in a process of its own."""
    command = [sys.executable, "-c", PARSE, str(dags)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT"))
    if found["errors"]:
        raise SystemExit(f"the DAGs don't parse: {found['errors']}")
    return found


def median(runs: int, measure: Callable[[], float]) -> float:
    """Return the median of some runs, seconds."""
    return statistics.median(measure() for _ in range(runs))


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
        found = {
            f"slipway validate on {number} contracts, start of the process included": _seconds(
                median(runs, lambda: timed([sys.executable, "-m", "slipway.cli", "validate"], env))
            ),
            "the interpreter and the libraries alone": _seconds(
                median(runs, lambda: timed([sys.executable, "-c", LIBRARIES], env))
            ),
        }
        whole = [parsed(REPO / "dags", env) for _ in range(runs)]
        bare = [parsed(empty, env) for _ in range(runs)]
        name = f"parse all {len(files)} files of dags/ for {number} migrations ({whole[0]['dags']} DAGs)"
        found[f"{name}, in one process"] = _seconds(statistics.median(run["parse"] for run in whole))
        found[f"parse {len(files)} files with one empty DAG each"] = _seconds(
            statistics.median(run["parse"] for run in bare)
        )
        found["import of Airflow, before either"] = _seconds(
            statistics.median(run["import"] for run in whole + bare)
        )
        for file in files:
            seconds = median(runs, lambda file=file: parsed(file, env)["parse"])  # type: ignore[misc]
            found[f"{file.name} alone in a process, after the import"] = _seconds(seconds)
    return found


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


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
