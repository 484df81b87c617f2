"""One measurement of benchmarks.reconciling, in a process of its own: prints its figures as one line of JSON.

python -m benchmarks.reconciling_worker MEASUREMENT FOLDER ROWS DAYS SEGMENTS CELLS COMPARED_DAYS
"""

# ruff: noqa: S608  the SQL of the benchmark is made of numbers and its own names
from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.reconciling_data import NEEDED, Sides, Size, migration
from slipway.adapters.comparison import DuckDBComparison
from slipway.adapters.comparison.arrivals import ArrivalsOfEvents
from slipway.adapters.comparison.hidden_events import HiddenEvents
from slipway.adapters.comparison.kpi_comparison import KpiComparison
from slipway.adapters.evidence_files import EvidenceFiles

REPO = Path(__file__).parents[1]
MEMORY = "700MB"


class Spent:
    """Seconds of processor of this process, all its threads, and of the clock, by name."""

    def __init__(self) -> None:
        self.busy: dict[str, float] = {}
        self.wall: dict[str, float] = {}

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Count what passes inside."""
        began, before = time.perf_counter(), _processor()
        try:
            yield
        finally:
            self.busy[name] = self.busy.get(name, 0.0) + _processor() - before
            self.wall[name] = self.wall.get(name, 0.0) + time.perf_counter() - began

    def watch(self, owner: type, method: str, name: str) -> None:
        """Count a method of the product under a name."""
        plain: Callable[..., Any] = getattr(owner, method)

        @wraps(plain)
        def watched(*arguments: Any, **named: Any) -> Any:
            with self.on(name):
                return plain(*arguments, **named)

        setattr(owner, method, watched)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def floor(sides: Sides, first: date, last: date, spent: Spent) -> dict[str, Any]:
    """Read the columns that the KPI needs, of the days, and do nothing with them."""
    files = list(sides.files(first, last).silver_of_days)
    with spent.on("floor"), duckdb.connect(config={"memory_limit": MEMORY}) as session:
        session.execute(f"SELECT {_touch(NEEDED)} FROM read_parquet(?)", [files]).fetchall()
    return {}


def floor_of_events(sides: Sides, first: date, last: date, spent: Spent) -> dict[str, Any]:
    """Read those columns and the identities, on both sides."""
    files = list(sides.files(first, last).silver_of_days)
    wanted = _touch((*NEEDED, "order_id"))
    with (
        spent.on("floor of events"),
        duckdb.connect(config={"memory_limit": MEMORY}) as session,
        sides.attached(session),
    ):
        session.execute(f"SELECT {wanted} FROM read_parquet(?)", [files]).fetchall()
        session.execute(
            f"SELECT {wanted} FROM warehouse.batch.order_events WHERE {_within(first, last)}"
        ).fetchall()
    return {}


def compare(sides: Sides, first: date, last: date, spent: Spent, model: str) -> dict[str, Any]:
    """Do what a night does between the cut and the verdict, with the newest day row by row."""
    spent.watch(ArrivalsOfEvents, "losses", "lateness")
    spent.watch(ArrivalsOfEvents, "late_of_days", "lateness")
    spent.watch(HiddenEvents, "found", "row by row, one day")
    spent.watch(KpiComparison, "follow", "accounting")
    spent.watch(KpiComparison, "found", "accounting")
    with spent.on("planning"):
        files = sides.files(first, last)
    question = sides.question(files, first, last, (last,))
    with tempfile.TemporaryDirectory(dir=sides.folder) as work:
        comparison = DuckDBComparison(
            sides, REPO / "include" / "sql" / "reconcile", Path(work) / "work", memory=MEMORY
        )
        store = EvidenceFiles(Path(work) / "evidence")
        with spent.on("whole comparison"):
            found = comparison.compare(migration(model), question, store)
    apart = ("lateness", "row by row, one day", "accounting")
    for seconds in (spent.busy, spent.wall):
        seconds["KPI comparison"] = seconds["whole comparison"] - sum(seconds[name] for name in apart)
    kpi = found.kpis["orders_daily"]
    causes: dict[str, int] = {}
    for one in kpi.touched:
        causes[one.cause.value] = causes.get(one.cause.value, 0) + one.events
    return {
        "cells": kpi.cells,
        "differing": kpi.differing,
        "walked": kpi.walked,
        "broken": kpi.broken,
        "causes": causes,
        "hidden": sum(one.events for one in found.hidden),
    }


def count(sides: Sides, first: date, last: date, spent: Spent) -> dict[str, Any]:
    """Count where every record of the topic went."""
    files = sides.files(first, last)
    ends = sides.question(files, first, last, ()).offsets
    with tempfile.TemporaryDirectory(dir=sides.folder) as work:
        comparison = DuckDBComparison(
            sides, REPO / "include" / "sql" / "reconcile", Path(work), memory=MEMORY
        )
        with spent.on("account of records"):
            counted = comparison.count(migration(), files, ends, {})
    return {"bronze": counted.balance.bronze, "silver": counted.balance.silver}


def _touch(columns: tuple[str, ...]) -> str:
    # A count would be answered from the footers; the least value makes the reader decode each one.
    return ", ".join(f"min({column})" for column in columns)


def _within(first: date, last: date) -> str:
    zone = migration().zone.key
    begin, end = first, last + timedelta(days=1)
    return (
        f"ordered_at >= timezone('{zone}', TIMESTAMP '{begin}')"
        f" AND ordered_at < timezone('{zone}', TIMESTAMP '{end}')"
    )


def main() -> None:
    """Measure once, and print."""
    measurement, folder, *numbers = sys.argv[1:]
    rows, days, segments, cells, compared = map(int, numbers)
    sides = Sides(Path(folder), Size(rows, days, segments, cells))
    last = sides.size.last
    first = last - timedelta(days=compared - 1)
    spent = Spent()
    found: dict[str, Any] = {}
    match measurement:
        case "make" | "make_without_bronze":
            sides.make(with_bronze=measurement == "make")
        case "floor":
            found = floor(sides, first, last, spent)
        case "floor_of_events":
            found = floor_of_events(sides, first, last, spent)
        case "agreeing":
            found = compare(sides, first, last, spent, "orders_daily")
        case "differing":
            found = compare(sides, first, last, spent, "orders_daily_with_faults")
        case "count":
            found = count(sides, first, last, spent)
        case _:
            raise SystemExit(f"there is no measurement {measurement}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print("RESULT" + json.dumps({"busy": spent.busy, "wall": spent.wall, "peak": peak, "found": found}))


if __name__ == "__main__":
    main()
