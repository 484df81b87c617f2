"""The batch side by dbt, as a process of its own.

A process, not dbt's Python entry point: the password then lives in the environment of that process alone, a
build that hangs can be ended, and nothing of dbt's global state stays behind in an Airflow worker.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from slipway.errors import Permanent, Retryable
from slipway.ports import BaselineRun

LONGEST = timedelta(minutes=30)
"""A build that takes longer is ended."""

_GOOD = {"success", "pass", "warn", "no-op"}
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")


class DbtBaseline:
    """Builds the models of one migration and keeps the journal of builds.

    project: the dbt project. warehouse: libpq parameters, password included. journal: the DDL of
    batch.slipway_run. work: folder for what dbt writes (compiled SQL, results, logs), outside the repository.
    """

    def __init__(self, project: Path, warehouse: Mapping[str, str], journal: Path, work: Path) -> None:
        self._project = project
        self._warehouse = warehouse
        self._journal = journal
        self._work = work

    def begin(self, migration: str, as_of: datetime, loaded_through: datetime, at: datetime, by: str) -> str:
        """Write the row that says: from now on the tables may be half built."""
        with self._connection() as connection, connection.transaction():
            # Two at once would both find no table and both create it.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('batch.slipway_run'))")
            connection.execute(self._journal.read_text(encoding="utf-8"))
            row = connection.execute(
                "INSERT INTO batch.slipway_run (migration, as_of, loaded_through, started_at, started_by)"
                " VALUES (%s, %s, %s, %s, %s) RETURNING run_id",
                (migration, as_of, loaded_through, at, by),
            ).fetchone()
        if row is None:
            raise Permanent("batch.slipway_run gave no id for the row that was just written")
        return str(row[0])

    def build(self, migration: str, as_of: datetime, run_id: str) -> BaselineRun:
        """Run `dbt build` on the migration's folder of models; nodes as dbt's results tell them."""
        models = self._project / "models" / migration
        if not models.is_dir():
            raise Permanent(f"there are no dbt models for {migration}: expected the folder {models}")
        with self._connection() as guard:
            self._one_at_a_time(guard, migration)
            try:
                results = self._dbt(migration, as_of, run_id)
            except Permanent:
                # dbt that can't connect ends like dbt that can't compile; the lock's own connection tells.
                guard.execute("SELECT 1")
                raise
            nodes = tuple(_node(result) for result in results)
            ok = bool(nodes) and all(status in _GOOD for _, status, _, _ in nodes)
            if not ok:
                # A failure while the warehouse went away says nothing about the models.
                guard.execute("SELECT 1")
        return BaselineRun(run_id, as_of, ok, nodes)

    def finish(self, run: BaselineRun, at: datetime) -> None:
        """Complete the row of the run."""
        names = ("id", "status", "seconds", "message")
        nodes = Jsonb([dict(zip(names, node, strict=True)) for node in run.nodes])
        with self._connection() as connection:
            done = connection.execute(
                "UPDATE batch.slipway_run SET finished_at = %s, ok = %s, nodes = %s WHERE run_id = %s",
                (at, run.ok, nodes, run.run_id),
            ).rowcount
        if done != 1:
            raise Permanent(f"batch.slipway_run has no run {run.run_id}: its row was deleted while it ran")

    def _dbt(self, migration: str, as_of: datetime, run_id: str) -> list[dict[str, Any]]:
        target = self._work / migration
        target.mkdir(parents=True, exist_ok=True)
        results = target / "run_results.json"
        results.unlink(missing_ok=True)  # those of an earlier build would be taken for this one's
        variables = json.dumps({"as_of": as_of.isoformat(), "slipway_run": run_id})
        command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--no-use-colors", "build"]
        command += ["--project-dir", str(self._project), "--profiles-dir", str(self._project)]
        command += ["--target-path", str(target), "--log-path", str(target / "logs")]
        command += ["--select", f"path:models/{migration}", "--vars", variables]
        try:
            done = subprocess.run(
                command,
                cwd=target,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LONGEST.total_seconds(),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Retryable(
                f"dbt build of {migration} was ended after {LONGEST}; log: {target / 'logs'}"
            ) from error
        try:
            found = json.loads(results.read_text(encoding="utf-8"))
        except FileNotFoundError:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise Permanent(
                f"dbt ended with {done.returncode} before it built anything;"
                f" the log is in {target / 'logs'}:\n{said}"
            ) from None
        return list(found["results"])

    def _environment(self) -> dict[str, str]:
        warehouse = self._warehouse
        return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {
            "DBT_ENV_SECRET_PASSWORD": warehouse["password"],
            "SLIPWAY_DBT_HOST": warehouse["host"],
            "SLIPWAY_DBT_PORT": warehouse["port"],
            "SLIPWAY_DBT_USER": warehouse["user"],
            "SLIPWAY_DBT_DBNAME": warehouse["dbname"],
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
        }

    @staticmethod
    def _one_at_a_time(guard: psycopg.Connection[tuple[Any, ...]], migration: str) -> None:
        row = guard.execute(
            "SELECT pg_try_advisory_lock(hashtext('slipway.baseline'), hashtext(%s))", (migration,)
        ).fetchone()
        if not (row and row[0]):
            raise Retryable(f"another baseline of {migration} is being built; try again when it has finished")

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        try:
            with psycopg.connect(make_conninfo(**self._warehouse), autocommit=True) as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Retryable(f"the warehouse is away or went away during a baseline: {error}") from error


def _node(result: Mapping[str, Any]) -> tuple[str, str, float, str]:
    return (
        str(result["unique_id"]),
        str(result["status"]),
        float(result["execution_time"]),
        " ".join(str(result["message"] or "").split()),
    )
