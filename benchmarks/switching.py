"""How long does a switch take, how long a rollback, and does a reader notice?

Starts a world of its own, fills a KPI of 30 days with 2,000 rows a day on both sides, and moves its readers
to and fro while four of them read all the time. Beside it, in the same run and on the same settings: a bare
one-row UPDATE in a transaction (the floor of a switch), and the same query on the bare table (the floor of a
read). The world is removed at the end.

    .local/venv/bin/python -m benchmarks.switching
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.machine import heading, spread
from slipway.adapters.contracts import load_migration
from slipway.adapters.serving.postgres import PostgresServing
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.ports import Actor, RouteChange, Source

REPO = Path(__file__).parents[1]
WORLD = "bench"
DAYS, ROWS_A_DAY, READERS = 30, 2000, 4
EVIDENCE = Digest("0" * 64)
BY = Actor("benchmark", authenticated=False)
MEASURES = (
    *("scheduled", "cancelled", "departed", "departed_on_time", "arrived", "arrived_on_time"),
    *("delay_minutes", "aircraft", "seats", "seats_unknown"),
)
LOOK_UP = "SELECT departed FROM {table} WHERE flight_date = %s AND origin = 'o7' AND carrier = 'c7'"


def contract() -> Migration:
    """Return the flights contract under another name, so that nothing real is touched."""
    source = REPO / "include" / "migrations"
    with tempfile.TemporaryDirectory() as folder:
        for path in source.iterdir():
            shutil.copy(path, folder)
        text = (source / "flights.yaml").read_text()
        text = text.replace("migration: flights", "migration: bench").replace("flights_daily", "bench_daily")
        path = Path(folder) / "bench.yaml"
        path.write_text(text)
        return load_migration(path)


def fill(server: Mapping[str, str]) -> None:
    """Write the same rows to both sides."""
    first = date(2013, 2, 25)
    with psycopg.connect(**server) as connection:  # type: ignore[arg-type]
        for table in ("batch.bench_daily", "stream.bench_daily__r1"):
            with connection.cursor().copy(
                f"COPY {table} (flight_date, origin, carrier, {', '.join(MEASURES)}) FROM STDIN"
            ) as copy:
                for day in range(DAYS):
                    for row in range(ROWS_A_DAY):
                        key = (first + timedelta(days=day), f"o{row % 40}", f"c{row // 40}")
                        copy.write_row((*key, *[row] * 10))


class Reader(threading.Thread):
    """Reads one cell of the view again and again, on one connection."""

    def __init__(self, server: Mapping[str, str], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.server, self.stop_reading = server, stop
        self.seconds: list[float] = []
        self.failures = 0

    def run(self) -> None:
        """Count reads that fail; time all."""
        query = LOOK_UP.format(table="serving.bench_daily")
        with psycopg.connect(**self.server, autocommit=True) as connection:  # type: ignore[arg-type]
            while not self.stop_reading.is_set():
                begun = time.perf_counter()
                try:
                    found = connection.execute(query, [date(2013, 3, 1)]).fetchall()
                    self.failures += len(found) != 1
                except psycopg.Error:
                    self.failures += 1
                self.seconds.append(time.perf_counter() - begun)


def timed(action: Any, times: int) -> list[float]:
    """Return how long each of several calls took, seconds."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        found.append(time.perf_counter() - begun)
    return found


def measure(server: Mapping[str, str], switches: int) -> None:
    """Switch and roll back under load, beside the floors, and print both."""
    migration, serving = contract(), PostgresServing(server)
    serving.install()
    serving.publish(migration, [1])
    fill(server)

    def move(source: Source, action: str) -> None:
        (seen,) = serving.routes(["bench_daily"])
        revision = 1 if source is Source.STREAM else None
        change = RouteChange(seen=seen, source=source, revision=revision, canary={})
        serving.change("bench", [change], action, EVIDENCE, BY, "benchmark")

    def floor() -> None:
        with psycopg.connect(**server) as connection:  # type: ignore[arg-type]
            connection.execute("UPDATE bench_floor SET epoch = epoch + 1")

    with psycopg.connect(**server) as connection:  # type: ignore[arg-type]
        connection.execute("CREATE TABLE bench_floor AS SELECT 1 AS epoch")
    stop = threading.Event()
    readers = [Reader(server, stop) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    to_stream, to_batch, bare = [], [], []
    for _ in range(switches):
        to_stream += timed(lambda: move(Source.STREAM, "switch"), 1)
        to_batch += timed(lambda: move(Source.BATCH, "rollback"), 1)
        bare += timed(floor, 1)
    stop.set()
    for reader in readers:
        reader.join()
    with psycopg.connect(**server, autocommit=True) as connection:  # type: ignore[arg-type]
        view = timed(
            lambda: connection.execute(LOOK_UP.format(table="serving.bench_daily"), [date(2013, 3, 1)]), 2000
        )
        table = timed(
            lambda: connection.execute(LOOK_UP.format(table="batch.bench_daily"), [date(2013, 3, 1)]), 2000
        )
    print(heading("switching readers"))
    print(f"switch to stream     {spread(to_stream)}")
    print(f"rollback to batch    {spread(to_batch)}")
    print(f"bare one-row update  {spread(bare)}   switch : bare = {ratio(to_stream, bare)} (medians)")
    reads = sum(len(reader.seconds) for reader in readers)
    print(f"reads meanwhile      {reads:,} by {READERS} readers, {sum(r.failures for r in readers)} failed")
    print(f"look-up in the view  {spread(view)}   view : table = {ratio(view, table)} (medians)")
    print(f"look-up in the table {spread(table)}")


def ratio(left: list[float], right: list[float]) -> str:
    """Return how often the median of one sample holds that of the other."""
    return f"{sorted(left)[len(left) // 2] / sorted(right)[len(right) // 2]:.1f}"


def stack(*arguments: str) -> None:
    """Call the local stack for the benchmark's own world."""
    subprocess.run([sys.executable, "-m", "local.stack", "--world", WORLD, *arguments], cwd=REPO, check=True)


def main() -> int:
    """Start the world, measure, remove the world."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--switches", type=int, default=100, help="switches and rollbacks (default: 100 each)"
    )
    given = parser.parse_args()
    stack("up")
    try:
        facts = json.loads((REPO / ".local" / "worlds" / WORLD / "stack.json").read_text())["postgres"]
        server = {
            "host": facts["host"],
            "port": str(facts["port"]),
            "user": "slipway_warehouse",
            "password": facts["passwords"]["slipway_warehouse"],
            "dbname": "warehouse",
        }
        measure(server, given.switches)
    finally:
        stack("reset")
    return 0


if __name__ == "__main__":
    sys.exit(main())
