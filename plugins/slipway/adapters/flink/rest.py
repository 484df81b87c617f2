"""Flink's JobManager over REST: submit, watch, checkpoint, stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlparse

import httpx

from slipway.adapters.flink.failures import planning_failure, root_cause
from slipway.errors import Permanent, Retryable
from slipway.ports import JobStatus, JobSubmission

DRIVER = "org.apache.flink.table.runtime.application.SqlDriver"
ENDED = frozenset({"FINISHED", "CANCELED", "FAILED"})
HEALTHY = frozenset({"RUNNING", "CREATED", "INITIALIZING"})

SUBMIT_SECONDS = 120.0
"""Planning takes 6 s in a cold JVM, and more when the machine is busy."""

PATIENCE_SECONDS = 90.0
POLL_SECONDS = 0.2

T = TypeVar("T")


class FlinkEngine:
    """One Flink session cluster. sql_driver: flink-sql-gateway's jar, which runs a script as a job."""

    def __init__(self, url: str, sql_driver: Path, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(20.0, connect=5.0), transport=transport)
        self._sql_driver = sql_driver

    def version(self) -> str:
        """Return the engine and its version."""
        return f"flink {self._get('/overview')['flink-version']}"

    def free_slots(self) -> int:
        """Return how many slots are free; 0 while no TaskManager is registered."""
        return int(self._get("/overview")["slots-available"])

    def submit(self, job: JobSubmission) -> None:
        """Start a job under our id.

        Permanent when the script does not plan, or when a job of that id has ended: an old id must not be
        used again, for the lake's sink takes its checkpoints for committed already.
        """
        if self._is_active(job.job_id):
            return
        request: dict[str, Any] = {
            "entryClass": DRIVER,
            "programArgsList": ["--script", job.script],
            "parallelism": job.parallelism,
            "jobId": job.job_id,
            # Flink plans constant lists with what it has compiled, and cached, for earlier jobs. Without this
            # it refuses from the sixteenth on: "Trying to access closed classloader".
            "flinkConfiguration": {"classloader.check-leaked-classloader": "false"},
        }
        if job.restore_from is not None:
            request |= {
                "savepointPath": job.restore_from,
                "allowNonRestoredState": False,
                "claimMode": "NO_CLAIM",
            }
        with _reaching("Flink"):
            answer = self._http.post(f"/jars/{self._driver()}/run", json=request, timeout=SUBMIT_SECONDS)
        if answer.is_success:
            return
        text = _errors(answer)
        if "DuplicateJobSubmissionException" in text and self._is_active(job.job_id):
            return
        if answer.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.NOT_FOUND):
            # The jar was listed a moment ago: a JobManager that restarts has lost it.
            raise Retryable(f"Flink restarts while {job.name} is submitted: {root_cause(text)}")
        raise planning_failure(job.name, text)

    def status(self, job_id: str) -> JobStatus | None:
        """Return what the engine says of a job; None when it does not know it."""
        job = self._find(f"/jobs/{job_id}")
        if job is None:
            return None
        checkpoints = self._find(f"/jobs/{job_id}/checkpoints") or {}
        newest = (checkpoints.get("latest") or {}).get("completed") or {}
        vertices: dict[str, int] = {}
        for vertex in job["vertices"]:
            for state, tasks in vertex["tasks"].items():
                if tasks:
                    vertices[state] = vertices.get(state, 0) + tasks
        return JobStatus(
            job_id=job_id,
            name=job["name"],
            state=job["state"],
            vertices=vertices,
            checkpoints=int((checkpoints.get("counts") or {}).get("completed", 0)),
            restarts=self._metric(f"/jobs/{job_id}/metrics", "numRestarts") or 0,
            newest_checkpoint=newest.get("external_path"),
            failure=None if job["state"] in HEALTHY | {"FINISHED", "CANCELED"} else self._failure(job_id),
            pending=self._pending(job_id, job["vertices"]) if job["state"] == "RUNNING" else None,
        )

    def cancel(self, job_id: str) -> None:
        """End a job and wait until it is gone; one that has ended, or is unknown, is left alone."""
        if self._is_active(job_id):
            with _reaching("Flink"):
                self._http.patch(f"/jobs/{job_id}", params={"mode": "cancel"})
            _await(lambda: not self._is_active(job_id) or None, f"job {job_id} to end after its cancellation")

    def stop(self, job_id: str) -> str:
        """Stop with a savepoint and return its path; on an error the job goes on."""
        _await(
            lambda: self._all_running(job_id), f"all tasks of job {job_id} to run, before it can be stopped"
        )
        trigger = self._post(f"/jobs/{job_id}/stop", {"drain": False})["request-id"]
        path = f"/jobs/{job_id}/savepoints/{trigger}"
        operation = _await(lambda: self._completed(path), f"the savepoint of job {job_id}")
        _await(lambda: not self._is_active(job_id) or None, f"job {job_id} to finish after its savepoint")
        return str(operation["location"])

    def checkpoint(self, job_id: str) -> None:
        """Take a checkpoint now and wait for it; commits to the lake follow within moments.

        Retryable when it fails, or when Flink has forgotten the job: the next look at its status says so.
        """
        trigger = self._post(f"/jobs/{job_id}/checkpoints", {"checkpointType": "CONFIGURED"})["request-id"]
        path = f"/jobs/{job_id}/checkpoints/{trigger}"
        _await(lambda: self._completed(path), f"the checkpoint of job {job_id}")

    def newest_checkpoint_on_disk(self, job_id: str) -> str | None:
        """Return the newest complete checkpoint of a job, found in the checkpoint folder itself."""
        config = {entry["key"]: entry["value"] for entry in self._get("/jobmanager/config")}
        root = config.get("execution.checkpointing.dir")
        if root is None or urlparse(root).scheme not in ("", "file"):
            raise Permanent(
                f"execution.checkpointing.dir is {root}, but only a folder that is mounted here, too, can be "
                "searched for checkpoints; set it to a file: location in Flink's configuration"
            )
        folder = Path(unquote(urlparse(root).path)) / job_id
        complete = [metadata.parent for metadata in folder.glob("chk-*/_metadata")]
        if not complete:
            return None
        return max(complete, key=lambda checkpoint: int(checkpoint.name.removeprefix("chk-"))).as_uri()

    def _driver(self) -> str:
        """Return the id of the SQL driver among the uploaded jars; upload it when it is not there."""
        known = self._get("/jars")["files"]
        for jar in known:
            if jar["name"] == self._sql_driver.name:
                return str(jar["id"])
        if not self._sql_driver.is_file():
            raise Permanent(f"there is no SQL driver at {self._sql_driver}; download the jars: make setup")
        with self._sql_driver.open("rb") as content, _reaching("Flink"):
            files = {"jarfile": (self._sql_driver.name, content, "application/java-archive")}
            answer = self._http.post("/jars/upload", files=files, timeout=SUBMIT_SECONDS)
        return Path(_checked(answer)["filename"]).name

    def _is_active(self, job_id: str) -> bool:
        job = self._find(f"/jobs/{job_id}")
        if job is None:
            return False
        return job["state"] not in ENDED

    def _all_running(self, job_id: str) -> bool | None:
        found = self.status(job_id)
        if found is None or found.state in ENDED:
            raise Permanent(
                f"job {job_id} is {found.state if found else 'unknown to Flink'}, so it can't be stopped"
            )
        return found.running or None

    def _completed(self, path: str) -> Mapping[str, Any] | None:
        found = self._get(path)
        if found["status"]["id"] != "COMPLETED":
            return None
        operation: Mapping[str, Any] = found["operation"]
        if "failure-cause" in operation:
            # Flink calls failures completed, too.
            raise Retryable(f"Flink could not do it: {root_cause(operation['failure-cause']['stack-trace'])}")
        return operation

    def _failure(self, job_id: str) -> str | None:
        history = (self._find(f"/jobs/{job_id}/exceptions") or {}).get("exceptionHistory") or {}
        entries = history.get("entries") or []
        if entries:
            return root_cause(entries[0]["stacktrace"])
        # A savepoint that can't be restored leaves no exceptions, only a result.
        result = (self._find(f"/jobs/{job_id}/execution-result") or {}).get("job-execution-result") or {}
        cause = result.get("failure-cause")
        return root_cause(cause["stack-trace"]) if cause else None

    def _pending(self, job_id: str, vertices: list[Mapping[str, Any]]) -> int | None:
        """Return how many records of its topics a job has not read; None when no source says so."""
        total = None
        for vertex in vertices:
            if not str(vertex["name"]).startswith("Source:"):
                continue
            path = f"/jobs/{job_id}/vertices/{vertex['id']}/subtasks/metrics"
            names = [str(metric["id"]) for metric in self._find(path) or []]
            for name in (name for name in names if name.endswith(".pendingRecords")):
                found = self._metric(path, name, "sum")
                if found is None:
                    return None
                total = (total or 0) + found
        return total

    def _metric(self, path: str, name: str, aggregate: str | None = None) -> int | None:
        given = {"get": name} | ({"agg": aggregate} if aggregate else {})
        found = self._find(path, given)
        if not found:
            return None
        try:
            value = int(float(found[0][aggregate or "value"]))
        except (KeyError, ValueError, OverflowError):
            return None
        return value if value >= 0 else None  # what nobody has reported yet is a very negative number

    def _find(self, path: str, given: Mapping[str, str] | None = None) -> Any:
        """Return an answer, or None when Flink does not know the job."""
        with _reaching("Flink"):
            answer = self._http.get(path, params=given)
        unknown = answer.status_code == httpx.codes.NOT_FOUND or "FlinkJobNotFoundException" in answer.text
        return None if unknown else _checked(answer)

    def _get(self, path: str) -> Any:
        with _reaching("Flink"):
            return _checked(self._http.get(path))

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        with _reaching("Flink"):
            return _checked(self._http.post(path, json=body))


@contextmanager
def _reaching(system: str) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise Retryable(
            f"{system} does not answer: {str(error) or type(error).__name__}; is it up?"
        ) from error


def _checked(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json()
    text = root_cause(_errors(answer))
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise Retryable(f"Flink has no leader at the moment: {text}")
    if answer.status_code == httpx.codes.NOT_FOUND and "/jobs/" in answer.request.url.path:
        raise Retryable(
            f"Flink does not know {answer.request.url.path}; has its JobManager restarted? {text}"
        )
    if answer.is_server_error:
        raise Retryable(f"Flink failed at {answer.request.url.path}: {text}")
    raise Permanent(f"Flink refused {answer.request.method} {answer.request.url.path}: {text}")


def _errors(answer: httpx.Response) -> str:
    try:
        found = answer.json()
    except ValueError:
        return answer.text
    errors = found.get("errors") if isinstance(found, dict) else None
    return "\n".join(str(error) for error in errors) if errors else answer.text


def _await(ask: Callable[[], T | None], what: str) -> T:
    """Ask until there is an answer; Flink tells nobody by itself. Retryable when it takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = ask()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise Retryable(f"waited {PATIENCE_SECONDS:.0f} s for {what}")
        time.sleep(POLL_SECONDS)
