"""The engine's adapter against answers that Flink 2.1 was seen to give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from slipway.adapters.flink import rest
from slipway.adapters.flink.rest import FlinkEngine
from slipway.errors import Permanent, Retryable
from slipway.ports import JobSubmission

JOB = "0123456789abcdef0123456789abcdef"
UNKNOWN = httpx.Response(
    404, json={"errors": [f"FlinkJobNotFoundException: Could not find Flink job ({JOB})"]}
)
PLANNING = """Internal server error., <Exception on server side:
org.apache.flink.util.FlinkRuntimeException: Could not execute application.
\tat org.apache.flink.client.deployment.application.DetachedApplicationRunner.run(Runner.java:114)
Caused by: java.lang.RuntimeException: org.apache.flink.table.gateway.service.utils.SqlExecutionException
\tat x.y(Z.java:1)
Caused by: org.apache.calcite.runtime.CalciteContextException: From line 4, column 8 to line 4, column 11
Caused by: org.apache.calcite.sql.validate.SqlValidatorException: Column 'kindd' not found in any table
\tat x.y(Z.java:2)
End of exception on server side>"""


class FakeFlink:
    """Answers by method and path; asked: what was asked for, in order."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "GET /jars": {
                "files": [{"id": "9f_flink-sql-gateway-2.1.3.jar", "name": "flink-sql-gateway-2.1.3.jar"}]
            },
            f"GET /jobs/{JOB}": UNKNOWN,
        }
        self.asked: list[str] = []
        self.bodies: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        key = f"{request.method} {request.url.path}"
        self.asked.append(key)
        if request.method == "POST" and "json" in request.headers.get("content-type", ""):
            self.bodies.append(json.loads(request.content))
        answer = self.answers[key]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(request)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


@pytest.fixture
def flink() -> FakeFlink:
    return FakeFlink()


@pytest.fixture
def engine(flink: FakeFlink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlinkEngine:
    monkeypatch.setattr(rest, "POLL_SECONDS", 0.0)
    driver = tmp_path / "flink-sql-gateway-2.1.3.jar"
    driver.write_bytes(b"jar")
    return FlinkEngine("http://flink", driver, httpx.MockTransport(flink))


def submission(restore: str | None = None) -> JobSubmission:
    return JobSubmission("slipway-flights-r1", JOB, "INSERT ...", 2, restore)


def job(state: str, tasks: dict[str, int] | None = None) -> dict[str, Any]:
    vertex = {"id": "v1", "name": "Source: records[1] -> Calc[2]", "tasks": tasks or {state: 2, "FAILED": 0}}
    return {"jid": JOB, "name": "slipway-flights-r1", "state": state, "vertices": [vertex]}


def test_a_script_is_submitted_under_our_id_with_its_checkpoint(
    engine: FlinkEngine, flink: FakeFlink
) -> None:
    run = "POST /jars/9f_flink-sql-gateway-2.1.3.jar/run"
    flink.answers[run] = {"jobid": JOB}

    engine.submit(submission("file:///c/chk-7"))

    assert flink.asked[-1] == run
    body = flink.bodies[-1]
    assert body["jobId"] == JOB
    assert body["programArgsList"] == ["--script", "INSERT ..."]
    assert body["savepointPath"] == "file:///c/chk-7"
    assert body["allowNonRestoredState"] is False, "dropping state drops commits of tables with it"


def test_the_driver_is_uploaded_once(engine: FlinkEngine, flink: FakeFlink) -> None:
    flink.answers["GET /jars"] = {"files": []}
    flink.answers["POST /jars/upload"] = {"filename": "/tmp/flink-web-upload/1a_flink-sql-gateway-2.1.3.jar"}
    flink.answers["POST /jars/1a_flink-sql-gateway-2.1.3.jar/run"] = {"jobid": JOB}

    engine.submit(submission())

    assert flink.asked[-2:] == ["POST /jars/upload", "POST /jars/1a_flink-sql-gateway-2.1.3.jar/run"]


def test_submitting_an_active_job_again_does_nothing(engine: FlinkEngine, flink: FakeFlink) -> None:
    flink.answers[f"GET /jobs/{JOB}"] = job("RESTARTING")

    engine.submit(submission())

    assert flink.asked == [f"GET /jobs/{JOB}"]


@pytest.mark.parametrize(("state", "accepted"), [("RUNNING", True), ("CANCELED", False)])
def test_a_duplicate_is_success_only_while_the_job_is_active(
    engine: FlinkEngine, flink: FakeFlink, state: str, accepted: bool
) -> None:
    told = {
        "errors": ["Caused by: org.apache.flink.runtime.client.DuplicateJobSubmissionException: Job has ..."]
    }
    flink.answers[f"GET /jobs/{JOB}"] = [UNKNOWN, job(state)]
    flink.answers["POST /jars/9f_flink-sql-gateway-2.1.3.jar/run"] = httpx.Response(400, json=told)

    if accepted:
        engine.submit(submission())
    else:
        with pytest.raises(Permanent, match="DuplicateJobSubmissionException"):
            engine.submit(submission())


def test_a_planning_error_tells_its_last_causes(engine: FlinkEngine, flink: FakeFlink) -> None:
    flink.answers["POST /jars/9f_flink-sql-gateway-2.1.3.jar/run"] = httpx.Response(
        400, json={"errors": ["Internal server error.", PLANNING]}
    )

    with pytest.raises(Permanent) as caught:
        engine.submit(submission())

    assert str(caught.value) == (
        "Flink can't plan slipway-flights-r1: CalciteContextException: From line 4, column 8 to line 4, "
        "column 11; SqlValidatorException: Column 'kindd' not found in any table. "
        "See the script with: slipway render"
    )


def test_a_catalog_that_is_down_while_planning_may_be_tried_again(
    engine: FlinkEngine, flink: FakeFlink
) -> None:
    trace = PLANNING.replace("Column 'kindd' not found in any table", "Connection to 127.0.0.1:5432 refused.")
    flink.answers["POST /jars/9f_flink-sql-gateway-2.1.3.jar/run"] = httpx.Response(
        500, json={"errors": [trace]}
    )

    with pytest.raises(Retryable, match=r"a system did not answer.*refused"):
        engine.submit(submission())


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (503, "Service temporarily unavailable due to an ongoing leader election. Please refresh."),
        (503, "The service is starting"),
        (404, "Not found: /jars/9f_flink-sql-gateway-2.1.3.jar/run"),
        (400, "RestHandlerException: Jar file /tmp/upload/9f_flink-sql-gateway-2.1.3.jar does not exist"),
        (400, "Caused by: org.postgresql.util.PSQLException: The connection attempt failed."),
        (400, "Caused by: org.postgresql.util.PSQLException: This connection has been closed."),
        (400, "Caused by: o.p.u.PSQLException: An I/O error occurred while sending to the backend."),
    ],
)
def test_a_system_that_restarts_while_planning_may_be_tried_again(
    engine: FlinkEngine, flink: FakeFlink, status: int, told: str
) -> None:
    flink.answers["POST /jars/9f_flink-sql-gateway-2.1.3.jar/run"] = httpx.Response(
        status, json={"errors": [told]}
    )

    with pytest.raises(Retryable):
        engine.submit(submission())


def test_a_table_that_does_not_exist_is_wrong_for_good(engine: FlinkEngine, flink: FakeFlink) -> None:
    trace = PLANNING.replace("Column 'kindd' not found in any table", "Table 'flight' does not exist")
    flink.answers["POST /jars/9f_flink-sql-gateway-2.1.3.jar/run"] = httpx.Response(
        400, json={"errors": [trace]}
    )

    with pytest.raises(Permanent, match="does not exist"):
        engine.submit(submission())


def test_a_job_that_is_forgotten_while_it_checkpoints_may_be_tried_again(
    engine: FlinkEngine, flink: FakeFlink
) -> None:
    trigger = f"POST /jobs/{JOB}/checkpoints"
    flink.answers |= {trigger: {"request-id": "r1"}, f"GET /jobs/{JOB}/checkpoints/r1": UNKNOWN}
    with pytest.raises(Retryable, match="does not know"):
        engine.checkpoint(JOB)

    flink.answers[trigger] = UNKNOWN
    with pytest.raises(Retryable, match="does not know"):
        engine.checkpoint(JOB)


def test_no_leader_and_no_connection_may_be_tried_again(engine: FlinkEngine, flink: FakeFlink) -> None:
    flink.answers["GET /overview"] = httpx.Response(503, json={"errors": ["Service temporarily unavailable"]})
    with pytest.raises(Retryable, match="no leader"):
        engine.free_slots()

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[Errno 111] Connection refused", request=request)

    flink.answers["GET /overview"] = refuse
    with pytest.raises(Retryable, match=r"Flink does not answer.*refused"):
        engine.free_slots()


def test_status_counts_tasks_checkpoints_restarts_and_unread_records(
    engine: FlinkEngine, flink: FakeFlink
) -> None:
    metrics = f"GET /jobs/{JOB}/vertices/v1/subtasks/metrics"
    flink.answers |= {
        f"GET /jobs/{JOB}": job("RUNNING", {"RUNNING": 2, "FAILED": 0}),
        f"GET /jobs/{JOB}/checkpoints": {
            "counts": {"completed": 4},
            "latest": {"completed": {"external_path": "file:///c/chk-4"}},
        },
        f"GET /jobs/{JOB}/metrics": [[{"id": "numRestarts", "value": "1"}]],
        metrics: lambda request: httpx.Response(
            200,
            json=[{"id": "p.pendingRecords", "sum": 12.0}]
            if request.url.params
            else [{"id": "p.pendingRecords"}],
        ),
    }

    found = engine.status(JOB)

    assert found is not None and found.running
    assert (found.checkpoints, found.restarts, found.pending) == (4, 1, 12)
    assert found.newest_checkpoint == "file:///c/chk-4"


def test_an_unknown_job_has_no_status(engine: FlinkEngine) -> None:
    assert engine.status(JOB) is None


def test_the_cause_of_a_failed_restore_is_found_where_flink_keeps_it(
    engine: FlinkEngine, flink: FakeFlink
) -> None:
    flink.answers |= {
        f"GET /jobs/{JOB}": job("FAILED"),
        f"GET /jobs/{JOB}/checkpoints": {"counts": {"completed": 0}, "latest": {"completed": None}},
        f"GET /jobs/{JOB}/metrics": [[]],
        f"GET /jobs/{JOB}/exceptions": {"exceptionHistory": {"entries": []}},
        f"GET /jobs/{JOB}/execution-result": {
            "job-execution-result": {
                "failure-cause": {"stack-trace": "a.B: x\nCaused by: java.io.FileNotFoundException: no chk-9"}
            }
        },
    }

    found = engine.status(JOB)

    assert found is not None and found.failure == "FileNotFoundException: no chk-9"


def test_a_failed_savepoint_is_an_error_though_flink_calls_it_completed(
    engine: FlinkEngine, flink: FakeFlink
) -> None:
    flink.answers |= {
        f"GET /jobs/{JOB}": job("RUNNING"),
        f"GET /jobs/{JOB}/checkpoints": {"counts": {"completed": 1}, "latest": {"completed": None}},
        f"GET /jobs/{JOB}/metrics": [[]],
        f"GET /jobs/{JOB}/vertices/v1/subtasks/metrics": [[]],
        f"POST /jobs/{JOB}/stop": {"request-id": "r1"},
        f"GET /jobs/{JOB}/savepoints/r1": {
            "status": {"id": "COMPLETED"},
            "operation": {"failure-cause": {"stack-trace": "x.CheckpointException: Checkpoint expired"}},
        },
    }

    with pytest.raises(Retryable, match="Checkpoint expired"):
        engine.stop(JOB)


def test_only_complete_checkpoints_on_disk_count(
    engine: FlinkEngine, flink: FakeFlink, tmp_path: Path
) -> None:
    flink.answers["GET /jobmanager/config"] = [
        [{"key": "execution.checkpointing.dir", "value": f"file://{tmp_path}"}]
    ]
    for number, complete in ((9, True), (10, True), (11, False)):
        folder = tmp_path / JOB / f"chk-{number}"
        folder.mkdir(parents=True)
        (folder / "part-1").write_bytes(b"state")
        if complete:
            (folder / "_metadata").write_bytes(b"")

    assert engine.newest_checkpoint_on_disk(JOB) == (tmp_path / JOB / "chk-10").as_uri()
    assert engine.newest_checkpoint_on_disk("f" * 32) is None


def test_cancelling_waits_until_the_job_is_gone_and_leaves_others_alone(
    engine: FlinkEngine, flink: FakeFlink
) -> None:
    engine.cancel(JOB)
    assert flink.asked == [f"GET /jobs/{JOB}"]

    flink.answers |= {
        f"GET /jobs/{JOB}": [job("RUNNING"), job("CANCELLING"), job("CANCELED")],
        f"PATCH /jobs/{JOB}": httpx.Response(202, json={}),
    }
    engine.cancel(JOB)

    assert flink.asked[-4:] == [f"GET /jobs/{JOB}", f"PATCH /jobs/{JOB}", *[f"GET /jobs/{JOB}"] * 2]
