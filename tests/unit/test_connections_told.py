"""What is wrong with connections is told in one go, before anything is planned."""

from __future__ import annotations

from pathlib import Path

import httpx
import psycopg
import pytest

from slipway import bootstrap, cli
from slipway.adapters import connection_checks
from slipway.adapters.connection_checks import check_connections
from slipway.app.provision import connections_table, refuse_connections
from slipway.connections import Endpoint
from slipway.errors import Permanent, Retryable
from slipway.ports import ConnectionSeen, ConnectionState
from tests.fakes.deploying import Yard

FINE = ConnectionSeen("slipway_kafka", ConnectionState.OK, "cluster x", "a cluster", "")
DOWN = ConnectionSeen("slipway_flink", ConnectionState.UNREACHABLE, "refused", "Flink's REST API", "start it")
BARE = ConnectionSeen("slipway_lake", ConnectionState.ABSENT, "no such connection", "Postgres", "create it")


def nowhere(conn_id: str) -> Endpoint:
    if conn_id == "slipway_ledger":
        raise Permanent("there is no Airflow connection slipway_ledger")
    return Endpoint(conn_id, "http://127.0.0.1" if "_registry" in conn_id or "_flink" in conn_id
                    else "127.0.0.1", 1, "ana", "geheim", "db")  # fmt: skip


def test_every_connection_gets_a_line_whatever_becomes_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_checks, "endpoint", nowhere)

    found = {one.conn_id: one for one in check_connections()}

    assert found["slipway_ledger"].state is ConnectionState.ABSENT
    assert "AIRFLOW_CONN_SLIPWAY_LEDGER" in found["slipway_ledger"].fix
    assert found["slipway_kafka"].state is ConnectionState.LACKING
    assert found["slipway_kafka"].seen == "its extra has no bootstrap.servers"
    down = ("slipway_registry", "slipway_flink", "slipway_warehouse", "slipway_lake")
    assert {found[name].state for name in down} == {ConnectionState.UNREACHABLE}
    assert "geheim" not in repr(found)


def test_what_is_to_be_done_about_an_absent_connection_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(conn_id: str) -> Endpoint:
        raise Permanent(
            f"there is no Airflow connection {conn_id}; create it in Airflow (Admin, Connections)"
        )

    monkeypatch.setattr(connection_checks, "endpoint", absent)

    with pytest.raises(Permanent) as told:
        refuse_connections(check_connections()[:1])

    assert str(told.value).count("create it in Airflow") == 1


@pytest.mark.parametrize(
    ("status", "state", "advice"),
    [
        (404, ConnectionState.LACKING, "correct host and port of slipway_registry, and `path` in its extra"),
        (405, ConnectionState.LACKING, "correct host and port"),
        (401, ConnectionState.LACKING, "correct login and password"),
        (429, ConnectionState.UNREACHABLE, "start the system"),
        (503, ConnectionState.UNREACHABLE, "start the system"),
    ],
)
def test_a_server_without_the_api_is_not_worth_another_try(
    monkeypatch: pytest.MonkeyPatch, status: int, state: ConnectionState, advice: str
) -> None:
    sent: list[object] = []

    def answer(url: str, *, timeout: float, auth: object) -> httpx.Response:
        sent.append(auth)
        return httpx.Response(status, request=httpx.Request("GET", url), text="<html>")

    monkeypatch.setattr(connection_checks.httpx, "get", answer)
    monkeypatch.setattr(connection_checks, "endpoint", nowhere)

    found = {one.conn_id: one for one in check_connections()}

    assert found["slipway_registry"].state is found["slipway_flink"].state is state
    assert advice in found["slipway_registry"].fix
    assert sent == [("ana", "geheim"), None], "the password beside Flink is that of the writers' roles"


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ('FATAL:  password authentication failed for user "ana"', ConnectionState.LACKING),
        ('FATAL:  database "db" does not exist', ConnectionState.LACKING),
        ("FATAL:  the database system is starting up", ConnectionState.UNREACHABLE),
        ("FATAL:  sorry, too many clients already", ConnectionState.UNREACHABLE),
        ("Connection refused\n\tIs the server running on that host?", ConnectionState.UNREACHABLE),
    ],
)
def test_a_server_that_lets_nobody_in_is_no_server_that_is_away(
    monkeypatch: pytest.MonkeyPatch, told: str, state: ConnectionState
) -> None:
    def connect(**_: object) -> None:
        raise psycopg.OperationalError(
            f'connection failed: connection to "127.0.0.1", port 5432 failed: {told}'
        )

    monkeypatch.setattr(connection_checks.psycopg, "connect", connect)
    monkeypatch.setattr(connection_checks, "endpoint", nowhere)

    found = next(one for one in check_connections() if one.conn_id == "slipway_warehouse")

    assert found.state is state
    assert ("correct login, password and schema" in found.fix) is (state is ConnectionState.LACKING)


def test_the_registrys_login_is_used_with_the_connection_and_with_no_other_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, tuple[str, str] | None]] = []

    def made(_: object, url: str, auth: tuple[str, str] | None = None) -> None:
        seen.append((url, auth))

    monkeypatch.setattr(bootstrap, "endpoint", nowhere)
    monkeypatch.setattr("slipway.adapters.registry.SchemaRegistry.__init__", made)

    bootstrap.registry()
    bootstrap.registry("http://elsewhere:1")

    assert seen == [("http://127.0.0.1:1", ("ana", "geheim")), ("http://elsewhere:1", None)]


def test_a_setting_that_kafkas_client_does_not_know_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def typo(conn_id: str) -> Endpoint:
        return Endpoint(
            conn_id, "", 0, "", "", extra={"bootstrap.servers": "127.0.0.1:1", "sasl.usrname": "a"}
        )

    monkeypatch.setattr(connection_checks, "endpoint", typo)

    kafka = check_connections()[0]

    assert kafka.state is ConnectionState.LACKING and "sasl.usrname" in kafka.seen


def test_a_plan_that_can_not_be_kept_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    yard = Yard(tmp_path)
    monkeypatch.setattr(connection_checks, "check_connections", lambda: [FINE])
    monkeypatch.setattr(bootstrap, "world", lambda: yard.world)

    assert cli.main(["plan", "flights", "--out", str(tmp_path / "absent" / "x.json")]) == 1

    assert "the plan can't be kept in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("operations", "state"),
    [({"DESCRIBE"}, ConnectionState.LACKING), ({"DESCRIBE", "CREATE"}, ConnectionState.OK)],
)
def test_a_user_of_kafka_must_be_let_create_topics(
    monkeypatch: pytest.MonkeyPatch, operations: set[str], state: ConnectionState
) -> None:
    def settings(conn_id: str) -> Endpoint:
        return Endpoint(conn_id, "", 0, "", "", extra={"bootstrap.servers": "127.0.0.1:1"})

    def authority(_: object) -> tuple[str, int, frozenset[str]]:
        return "cluster-1", 3, frozenset(operations)

    monkeypatch.setattr(connection_checks.KafkaTopics, "authority", authority)
    monkeypatch.setattr(connection_checks, "endpoint", settings)

    kafka = check_connections()[0]

    assert (kafka.conn_id, kafka.state) == ("slipway_kafka", state)
    assert ("--operation Create --cluster" in kafka.fix) is (state is ConnectionState.LACKING)


def test_systems_that_only_do_not_answer_are_worth_another_try() -> None:
    with pytest.raises(Retryable, match=r"slipway_flink: unreachable: refused; wanted Flink's REST API"):
        refuse_connections([FINE, DOWN])


def test_what_somebody_must_change_is_told_with_the_rest() -> None:
    with pytest.raises(Permanent, match=r"(?s)slipway_flink: .*slipway_lake: absent: .*; create it"):
        refuse_connections([FINE, DOWN, BARE])
    refuse_connections([FINE])
    assert connections_table([FINE, DOWN]) == (
        "slipway_kafka  ok: cluster x\nslipway_flink  unreachable: refused"
    )


def test_plan_ends_with_the_code_for_systems_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connection_checks, "check_connections", lambda: [FINE, DOWN])
    assert cli.main(["plan", "flights"]) == 3
    monkeypatch.setattr(connection_checks, "check_connections", lambda: [FINE, BARE])
    assert cli.main(["plan", "flights"]) == 1
    assert "slipway_lake: absent" in capsys.readouterr().err
