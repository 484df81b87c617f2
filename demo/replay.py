"""`python -m demo.replay --to 2013-03-01T06:00-05:00`: replay the flights of 2013 up to an instant."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.flights import NEW_YORK
from demo.replayer import Progress, prepare, replay
from slipway.adapters.contracts import load_migration
from slipway.errors import Permanent, Retryable, SlipwayError

CONTRACT = Path(__file__).parents[1] / "include" / "migrations" / "flights.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0 done, 1 refused, 75 to be tried again, 130 stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.replay",
        description="Bring ops.* and the topic to what was known at an instant of 2013. Doing it again, or"
        " for an earlier instant, changes nothing; a replay that was stopped goes on where it was.",
        epilog="Systems are taken from AIRFLOW_CONN_SLIPWAY_KAFKA and AIRFLOW_CONN_SLIPWAY_WAREHOUSE (JSON).",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--to", type=_instant, metavar="INSTANT", help="arrival instant, with its UTC offset")
    what.add_argument("--prepare", action="store_true", help="only create the tables and load the aircraft")
    parser.add_argument("--topic", help="default: the topic of include/migrations/flights.yaml")
    given = parser.parse_args(arguments)
    try:
        warehouse = warehouse_of(os.environ)
        if given.prepare:
            prepare(warehouse)
            print("ops.flights, ops.planes and the demo's own tables are there")
            return 0
        topic = given.topic or load_migration(CONTRACT).contract.events.topic
        done = replay(given.to, kafka_of(os.environ), warehouse, topic, progress=progress_line(given.to))
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on where it was", file=sys.stderr)
        return 130
    except SlipwayError as error:
        print(f"\n{error}", file=sys.stderr)
        return 75 if isinstance(error, Retryable) else 1
    print(
        f"{topic}: {done.sent:,} records sent, {done.records:,} there;"
        f" ops.flights: {done.flights_changed:,} rows changed;"
        f" replayed through {done.through.astimezone(NEW_YORK).isoformat()}"
    )
    return 0


def kafka_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the client configuration of connection slipway_kafka."""
    extra = _connection(environment, "KAFKA").get("extra", {})
    config = json.loads(extra) if isinstance(extra, str) else extra
    return {str(name): str(value) for name, value in config.items()}


def warehouse_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the libpq parameters of connection slipway_warehouse."""
    found = _connection(environment, "WAREHOUSE")
    names = {"host": "host", "port": "port", "login": "user", "password": "password", "schema": "dbname"}
    return {ours: str(found[theirs]) for theirs, ours in names.items() if theirs in found}


def progress_line(to: datetime) -> Progress:
    """Return a progress line on stderr that writes over itself on a terminal."""
    write: Callable[[str], Any] = sys.stderr.write
    local = to.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M")

    def show(sent: int, of: int) -> None:
        done = sent == of
        if sys.stderr.isatty():
            write(f"\rreplaying to {local} New York: {sent:,} of {of:,} records{chr(10) if done else ''}")
        else:
            write(f"replaying to {local} New York: {sent:,} of {of:,} records\n")
        sys.stderr.flush()

    return show


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant, such as 2013-03-01T06:00-05:00") from error
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} has no UTC offset; New York had -05:00 until 10 March 2013"
        )
    return instant.astimezone(UTC)


def _connection(environment: Mapping[str, str], name: str) -> Mapping[str, Any]:
    variable = f"AIRFLOW_CONN_SLIPWAY_{name}"
    if variable not in environment:
        raise Permanent(
            f"{variable} is not set: run this inside the local stack's environment (`make shell`)"
        )
    found: Mapping[str, Any] = json.loads(environment[variable])
    return found


if __name__ == "__main__":
    sys.exit(main())
