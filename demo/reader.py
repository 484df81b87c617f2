"""A consumer that never stops reading: queries a serving view all the time and counts what goes wrong.

Run as a process of its own; on SIGTERM it writes its tally as JSON and ends.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

import psycopg
from psycopg import sql


@dataclass
class Tally:
    """What the reader saw. slowest_ms: of one query, connection time included when it had to reconnect."""

    reads: int = 0
    failures: int = 0
    slowest_ms: float = 0.0
    by_source: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


class Reader:
    """One consumer. rate: queries a second at most, so that it does not take a core for itself."""

    def __init__(self, dsn: str, view: str, rate: float) -> None:
        schema, _, name = view.partition(".")
        self._dsn = dsn
        self._pause = 1 / rate
        self._query = sql.SQL(
            "SELECT served_from, count(*), sum(departed) FROM {} WHERE flight_date >= '2013-02-25' GROUP BY 1"
        ).format(sql.Identifier(schema, name))
        self._stopped = False
        self.tally = Tally()

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Finish after the query under way."""
        self._stopped = True

    def run(self) -> Tally:
        """Read until stopped; a failed read is counted and the connection opened again."""
        connection: psycopg.Connection | None = None
        while not self._stopped:
            started = time.monotonic()
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=2)
                rows = connection.execute(self._query).fetchall()
                self._count(rows)
            except psycopg.Error as error:
                self.tally.failures += 1
                if len(self.tally.errors) < 10:
                    self.tally.errors.append(f"{type(error).__name__}: {str(error).strip()[:200]}")
                connection = None
            elapsed = time.monotonic() - started
            self.tally.slowest_ms = max(self.tally.slowest_ms, elapsed * 1000)
            time.sleep(max(0.0, self._pause - elapsed))  # paces a load; nothing is awaited here
        if connection is not None:
            connection.close()
        return self.tally

    def _count(self, rows: list[tuple[object, ...]]) -> None:
        self.tally.reads += 1
        for source, *_ in rows:
            self.tally.by_source[str(source)] = self.tally.by_source.get(str(source), 0) + 1


def main() -> int:
    """Read the DSN from SLIPWAY_READER_DSN, so that no password stands in the process list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--view", required=True, help="schema.view to read")
    parser.add_argument("--rate", type=float, default=100.0, help="queries a second at most (default: 100)")
    parser.add_argument("--tally", type=Path, required=True, help="file for the result, JSON")
    given = parser.parse_args()
    reader = Reader(os.environ["SLIPWAY_READER_DSN"], given.view, given.rate)
    signal.signal(signal.SIGTERM, reader.stop)
    signal.signal(signal.SIGINT, reader.stop)
    given.tally.write_text(json.dumps(asdict(reader.run())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
