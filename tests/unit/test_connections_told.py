"""What is wrong with connections is told in one go, before anything is planned."""

from __future__ import annotations

import pytest

from slipway import cli
from slipway.adapters import connection_checks
from slipway.adapters.connection_checks import check_connections
from slipway.app.provision import connections_table, refuse_connections
from slipway.connections import Endpoint
from slipway.errors import Permanent, Retryable
from slipway.ports import ConnectionSeen, ConnectionState

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
