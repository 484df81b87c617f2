"""Airflow's REST API and Slipway's pages, used the way a person with a browser would use them.

Every call is patient with a server that is just coming back: connection errors and 5xx are tried again
until a deadline; a run is triggered under an id of ours, so that asking twice starts it once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

PATIENCE = 120.0
"""Seconds for which a server may be away before a call gives up; a killed scheduler is back in a few."""

FINISHED = {"success", "failed"}


class DemoError(Exception):
    """The demo can't go on; the message says what it saw and where to look."""


@dataclass(frozen=True, slots=True)
class Run:
    """One DAG run as the API tells of it."""

    dag_id: str
    run_id: str
    state: str


class Airflow:
    """One person's session. passwords: by user name."""

    def __init__(self, url: str, passwords: Mapping[str, str]) -> None:
        self.url = url
        self._passwords = passwords
        self._tokens: dict[str, str] = {}
        self._http = httpx.Client(base_url=url, timeout=30)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def call(self, user: str, method: str, path: str, body: Any = None) -> httpx.Response:
        """Send one request as a user; answers below 500 come back as they are."""

        def send() -> httpx.Response:
            headers = {"Authorization": f"Bearer {self._token(user)}"}
            response = self._http.request(method, path, json=body, headers=headers)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._tokens.pop(user, None)
            return response

        return self._patiently(send, f"{method} {path}")

    def _token(self, user: str) -> str:
        if user not in self._tokens:
            answer = self._http.post(
                "/auth/token", json={"username": user, "password": self._passwords[user]}
            )
            answer.raise_for_status()
            self._tokens[user] = answer.json()["access_token"]
        return self._tokens[user]

    def _patiently(self, send: Callable[[], httpx.Response], what: str) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                response = send()
                if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR and (
                    response.status_code != httpx.codes.UNAUTHORIZED
                ):
                    return response
                seen = f"HTTP {response.status_code}"
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                seen = f"{type(error).__name__}: {error}"
            if time.monotonic() > deadline:
                raise DemoError(f"{what} got no answer for {PATIENCE:.0f} s; last seen: {seen}")
            time.sleep(0.5)  # the API offers nothing to wait on while it is away

    def trigger(self, user: str, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> Run:
        """Start a DAG as a user; a run of that id that exists already is the answer too."""
        deadline = time.monotonic() + PATIENCE
        while True:
            body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
            answer = self.call(user, "POST", f"/api/v2/dags/{dag_id}/dagRuns", body)
            if answer.status_code in (httpx.codes.OK, httpx.codes.CREATED, httpx.codes.CONFLICT):
                return Run(dag_id, run_id, "queued")
            if answer.status_code != httpx.codes.NOT_FOUND or time.monotonic() > deadline:
                raise DemoError(
                    f"{dag_id} could not be triggered by {user}: {answer.status_code} {answer.text}"
                )
            time.sleep(0.5)  # the DAG processor has not read the file yet

    def run(self, dag_id: str, run_id: str) -> Run | None:
        """Return a run as it is now; None when there is none of that id."""
        answer = self.call("admin", "GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        return Run(dag_id, run_id, answer.json()["state"])

    def newest_run(self, dag_id: str) -> Run | None:
        """Return the newest run of a DAG; None when there is none."""
        answer = self.call("admin", "GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=-id&limit=1")
        answer.raise_for_status()
        runs = answer.json()["dag_runs"]
        return Run(dag_id, runs[0]["dag_run_id"], runs[0]["state"]) if runs else None

    def tasks(self, run: Run) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        answer = self.call("admin", "GET", f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances")
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["task_instances"]
        return found

    def wait(self, run: Run, seconds: float, seen: Callable[[str], None] = lambda _: None) -> Run:
        """Wait until a run has finished; `seen` is told what is going on."""
        deadline = time.monotonic() + seconds
        while True:
            now = self.run(run.dag_id, run.run_id)
            if now is not None and now.state in FINISHED:
                return now
            if time.monotonic() > deadline:
                state = now.state if now else "unknown"
                raise DemoError(
                    f"{run.dag_id} ({run.run_id}) is {state} after {seconds:.0f} s; look at {self.link(run)}"
                )
            active = [task["task_id"] for task in self.tasks(run) if task["state"] in ("running", "deferred")]
            seen(", ".join(active))
            time.sleep(0.4)  # the API has no long poll for a run's state

    def until_task(self, run: Run, task_id: str, states: set[str], seconds: float) -> None:
        """Wait until one task of a run is in one of the states; DemoError when the run ends before."""
        deadline = time.monotonic() + seconds
        while True:
            found = {task["task_id"]: task["state"] for task in self.tasks(run)}
            if found.get(task_id) in states:
                return
            now = self.run(run.dag_id, run.run_id)
            if (now and now.state in FINISHED) or time.monotonic() > deadline:
                raise DemoError(
                    f"{run.dag_id}: {task_id} is {found.get(task_id)}, expected {states}; {self.link(run)}"
                )
            time.sleep(0.4)  # as above

    def link(self, run: Run) -> str:
        """Return the address of a run in Airflow's pages."""
        return f"{self.url}/dags/{run.dag_id}/runs/{run.run_id}"

    def failure(self, run: Run) -> str:
        """Return the end of the log of the first failed task, for a person to read."""
        for task in self.tasks(run):
            if task["state"] == "failed":
                path = (
                    f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task['task_id']}"
                    f"/logs/{task['try_number']}?full_content=true"
                )
                answer = self.call("admin", "GET", path)
                lines = [_told(line) for line in answer.json().get("content", [])]
                return f"{task['task_id']} failed:\n" + "\n".join(lines[-25:])
        return "no task of the run failed"


def _told(line: Any) -> str:
    """Return one line of a task's log, with what an error said."""
    if not isinstance(line, dict):
        return str(line)
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or []]
    return "\n".join([str(line.get("event", "")), *errors])
