"""Each connection is looked at on the real stack: there, answering, and allowed to do what we must do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from slipway.adapters.connection_checks import check_connections
from slipway.ports import ConnectionSeen, ConnectionState

if TYPE_CHECKING:
    from tests.stack import Stack


@pytest.fixture
def environment(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def seen() -> dict[str, ConnectionSeen]:
    return {one.conn_id: one for one in check_connections()}


def test_all_connections_of_the_stack_are_well(environment: pytest.MonkeyPatch) -> None:
    found = seen()

    assert {one.state for one in found.values()} == {ConnectionState.OK}, found
    assert found["slipway_kafka"].seen.endswith("may create topics")
    assert found["slipway_warehouse"].seen == "may create schemas and roles"


def test_a_user_who_may_only_read_and_a_server_that_is_down_are_told_apart(
    environment: pytest.MonkeyPatch, stack: Stack
) -> None:
    warehouse = json.loads(stack.env["AIRFLOW_CONN_SLIPWAY_WAREHOUSE"])
    reader = {**warehouse, "login": "reader", "password": stack.settings.secrets["reader"]}
    environment.setenv("AIRFLOW_CONN_SLIPWAY_WAREHOUSE", json.dumps(reader))
    environment.setenv("AIRFLOW_CONN_SLIPWAY_FLINK", json.dumps({"host": "http://127.0.0.1", "port": 1}))

    found = seen()

    assert found["slipway_warehouse"].state is ConnectionState.LACKING
    assert found["slipway_warehouse"].seen == "reader may not create schemas"
    assert found["slipway_warehouse"].fix.startswith("GRANT CREATE ON DATABASE")
    assert found["slipway_flink"].state is ConnectionState.UNREACHABLE
    assert found["slipway_registry"].state is ConnectionState.OK
    assert warehouse["password"] not in repr(found)
