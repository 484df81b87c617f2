"""Runs steps of a cutover in a process of its own, over real databases, so that it can really die.

Reads {"ledger": server, "warehouse": server, "dag_run": ..., "steps": [...]} from standard input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any

from slipway.adapters.clock import SystemClock
from slipway.adapters.contracts import load_migration
from slipway.adapters.serving.postgres import PostgresServing
from slipway.app import cutover, rollback
from slipway.domain.contract import Migration
from slipway.ledger.store import PostgresLedger
from slipway.ports import Actor, JobStatus, World
from tests.fakes.control import CONTRACT, Absent


class EveryJobRuns:
    """An engine in which nothing ever fails: the databases are what is tested."""

    def status(self, job_id: str) -> JobStatus:
        return JobStatus(job_id, "flights", "RUNNING", {"RUNNING": 3}, 5, 0, None, None, pending=0)


def world(ledger: Mapping[str, str], warehouse: Mapping[str, str]) -> World:
    """Return a world with a real ledger and a real warehouse."""
    reached: dict[str, Any] = {port.name: Absent() for port in fields(World)}
    reached |= {
        "clock": SystemClock(),
        "ledger": PostgresLedger(ledger, lock_wait=timedelta(seconds=1)),
        "serving": PostgresServing(warehouse),
        "engine": EveryJobRuns(),
    }
    return World(**reached)


def contract() -> Migration:
    """Return the flights contract with a soak that a test can wait for."""
    found = load_migration(CONTRACT)
    steps = found.contract.cutover.model_copy(update={"soak": timedelta(milliseconds=300)})
    return Migration(found.contract.model_copy(update={"cutover": steps}), found.schema, found.kpis)


def steps(migration: Migration, reached: World, by: Actor) -> Mapping[str, Callable[[], object]]:
    """Return the steps by name, as the DAGs call them."""
    return {
        "preflight": lambda: cutover.preflight(migration, reached, by),
        "arm": lambda: cutover.arm(migration, reached, by),
        "canary": lambda: cutover.canary(migration, 0, reached, by),
        "switch": lambda: cutover.switch(migration, reached, by, "it is time"),
        "verify": lambda: cutover.verify(migration, reached, by),
        "rollback": lambda: rollback.rollback(migration, reached, by, "a rehearsal"),
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    known = steps(
        contract(), world(given["ledger"], given["warehouse"]), Actor("rita", True, given["dag_run"])
    )
    for name in given["steps"]:
        print(known[name](), flush=True)
