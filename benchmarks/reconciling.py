"""What does a night's comparison cost, beside a bare scan of the columns that it needs?

Makes two sides of 20 million events (an Iceberg table; a DuckDB file that stands in for the warehouse, for it
is filled in a minute) and compares them as a night does, with the product's own SQL, in turn with the floor:
DuckDB reads the needed columns and does nothing with them. Every figure is a process of its own; seconds are
of the processors, from the opening of the session on, without the start of the interpreter.

With --growth also the same three days in tables of 2, 20 and 100 million rows; with --beside a plain full
join, datacompy and reladiff over 2 million events, the last two in environments of their own, made by pip.
Everything lies in a temporary folder, 2 GB (12 GB with --growth 2,20,100), and is removed.

    PYTHONPATH=plugins:. .local/venv/bin/python -m benchmarks.reconciling --growth 2,20,100 --beside
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import heading
from benchmarks.reconciling_data import Size

REPO = Path(__file__).parents[1]
A_DAY = 645_161
"""Events of a day where the table grows: 31 days of them are 20 million."""
FEW_DAYS = 3
TOOLS: dict[str, tuple[str, ...]] = {
    "full_join": (),
    "datacompy": ("datacompy==1.1.0", "polars==1.33.1", "pyarrow==26.0.1", "duckdb==1.5.5"),
    "reladiff": ("reladiff[duckdb]==0.6.0", "duckdb==1.5.5"),
}
"""What is installed for each other way to compare; nothing for DuckDB alone, which is here."""
Result = dict[str, Any]


def say(text: str) -> None:
    """Tell how far it has got."""
    print(f"  [{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def measured(kind: str, folder: Path, size: Size, days: int) -> Result:
    """Run one measurement in a process of its own."""
    numbers = (size.rows, size.days, size.segments, size.cells, days)
    command = [sys.executable, "-m", "benchmarks.reconciling_worker", kind, str(folder), *map(str, numbers)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{kind} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found: Result = json.loads(line.removeprefix("RESULT"))
    say(f"{kind}: {found['busy']} {found['peak']:.0f} MiB {found['found']}")
    return found


def made(folder: Path, size: Size, with_bronze: bool) -> Path:
    """Make the two sides in a folder of their own."""
    began = time.perf_counter()
    target = folder / f"{size.rows}"
    target.mkdir()
    # In a process of its own: what this one holds would count as memory of those that it starts.
    measured("make" if with_bronze else "make_without_bronze", target, size, size.days)
    say(f"made {size.rows:,} events a side in {time.perf_counter() - began:.0f} s")
    return target


def spread(values: Sequence[float], places: int = 2) -> str:
    """Return the median, and the least and the most."""
    ordered = [f"{value:.{places}f}" for value in (min(values), max(values))]
    return f"{statistics.median(values):.{places}f} ({ordered[0]} to {ordered[1]})"


def compared(folder: Path, size: Size, rounds: int) -> None:
    """Measure the comparison and the accounting in turn with their floors, and print both."""
    kinds = ("floor", "agreeing", "floor_of_events", "differing")
    found: dict[str, list[Result]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            found[kind].append(measured(kind, folder, size, size.days))
    floor = [one["busy"]["floor"] for one in found["floor"]]
    events = [one["busy"]["floor of events"] for one in found["floor_of_events"]]
    print(f"\n| what, {size.rows:,} events a side | processor, s | times the floor | peak, MiB |")
    print("| --- | --- | --- | --- |")
    print(f"| floor: scan of the KPI's columns of silver | {spread(floor)} | 1 | {peak(found['floor'])} |")
    print(f"| Iceberg's planning, beside it | {spread(busy(found['agreeing'], 'planning'))} | | |")
    kpi = busy(found["agreeing"], "KPI comparison")
    ratios = spread([own / bare for own, bare in zip(kpi, floor, strict=True)])
    name = f"{size.days} days x {size.segments:,} segments"
    print(f"| **KPI comparison**, {name} | {spread(kpi)} | {ratios} | {peak(found['agreeing'])} |")
    for part in ("lateness", "row by row, one day"):
        print(f"| {part} | {spread(busy(found['agreeing'], part))} | | |")
    print(
        f"| floor: scan of these columns and the ids of both sides | {spread(events)} | 1 |"
        f" {peak(found['floor_of_events'])} |"
    )
    # Whatever a night with differing cells takes more than one without: the keeping of events counts, too.
    rest = [
        sum(one["busy"][part] for part in ("lateness", "row by row, one day")) for one in found["differing"]
    ]
    whole = busy(found["differing"], "whole comparison")
    accounting = [all_of_it - part - own for all_of_it, part, own in zip(whole, rest, kpi, strict=True)]
    ratios = spread([own / bare for own, bare in zip(accounting, events, strict=True)])
    differing = found["differing"][0]["found"]["differing"]
    print(
        f"| **accounting** of {differing:,} differing cells | {spread(accounting)} | {ratios} |"
        f" {peak(found['differing'])} |"
    )


def busy(found: Sequence[Result], part: str) -> list[float]:
    """Return a part's seconds of processor, run by run."""
    return [one["busy"][part] for one in found]


def peak(found: Sequence[Result]) -> str:
    """Return the largest memory of any run, MiB."""
    return f"{max(one['peak'] for one in found):,.0f}"


def grown(folder: Path, millions: Sequence[int], rounds: int) -> None:
    """Compare the same days, in which nothing differs, in tables of several sizes, and print."""
    print(
        f"\n| rows, {FEW_DAYS} days compared | KPI comparison, s | all of it, s | planning, s | peak, MiB |"
    )
    print("| --- | --- | --- | --- | --- |")
    for number in millions:
        days = max(FEW_DAYS, number * 1_000_000 // A_DAY)
        size = Size(days * A_DAY, days, 1000, 0)
        target = made(folder, size, with_bronze=False)
        found = [measured("agreeing", target, size, FEW_DAYS) for _ in range(rounds)]
        parts = ("KPI comparison", "whole comparison", "planning")
        told = " | ".join(spread(busy(found, part)) for part in parts)
        print(f"| {size.rows:,} | {told} | {peak(found)} |", flush=True)
        shutil.rmtree(target)


def beside(folder: Path) -> None:
    """Run what others offer over 2 million events a side, and print."""
    size = Size(FEW_DAYS * A_DAY, FEW_DAYS, 1000, 1000)
    target = made(folder, size, with_bronze=True)
    print(f"\n| over {size.rows:,} events a side | processor, s | peak, MiB | finds |")
    print("| --- | --- | --- | --- |")
    ours = measured("differing", target, size, size.days)
    print(
        f"| this comparison, lateness and accounting included | {ours['busy']['whole comparison']:.2f} |"
        f" {ours['peak']:,.0f} | {ours['found']['causes']} |"
    )
    for tool, pinned in TOOLS.items():
        done = subprocess.run(
            [
                python_with(pinned, folder / tool),
                str(REPO / "benchmarks" / "reconciling_beside.py"),
                tool,
                str(target),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
        if line is None:
            print(f"| {tool} | did not run: {done.stderr.strip().splitlines()[-1:]} | | |")
            continue
        found = json.loads(line.removeprefix("RESULT"))
        print(
            f"| {found['name']} | {found['busy']:.2f} | {found['peak']:,.0f} | {found['finds']} |", flush=True
        )


def python_with(packages: Sequence[str], folder: Path) -> str:
    """Return an interpreter that has these packages, in an environment of its own."""
    if not packages:
        return sys.executable
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def main() -> None:
    """Make the data, measure, print, remove the data."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000_000, help="events a side")
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--segments", type=int, default=1000, help="cities")
    parser.add_argument(
        "--cells", type=int, default=1000, help="cells that differ when accounting is measured"
    )
    parser.add_argument("--rounds", type=int, default=3, help="each figure is the median of so many runs")
    parser.add_argument("--growth", default="", help="also tables of so many million rows, such as 2,20,100")
    parser.add_argument("--beside", action="store_true", help="also a full join, datacompy and reladiff")
    parser.add_argument(
        "--quick", action="store_true", help="2 million events, one round: does it run at all?"
    )
    parser.add_argument("--folder", type=Path, default=None, help="where the temporary folder is made")
    given = parser.parse_args()
    rows, rounds = (2_000_000, 1) if given.quick else (given.rows, given.rounds)
    size = Size(rows - rows % given.days, given.days, given.segments, given.cells)
    print(heading(f"reconciling, median of {rounds} (least to most)"))
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        known = made(folder, size, with_bronze=True)
        compared(known, size, rounds)
        shutil.rmtree(known)
        if given.growth:
            grown(folder, [int(number) for number in given.growth.split(",")], rounds)
        if given.beside:
            beside(folder)


if __name__ == "__main__":
    main()
