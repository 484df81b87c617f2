"""The wait for sign-offs on a real ledger: woken at once, never by a secret at rest, never past its time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from slipway.ledger.store import PostgresLedger
from slipway.orchestration.signoff_trigger import SignOffTrigger
from slipway.ports import SignOff
from tests.contract.ledger_behaviour import ME, NOW, A, B, C, found
from tests.integration.scratch import database
from tests.stack import Stack


@pytest.fixture(scope="module")
def server(stack: Stack) -> Iterator[Mapping[str, str]]:
    with database(stack, "slipway_ledger") as kept:
        yield kept


@pytest.fixture
def ledger(server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> PostgresLedger:
    connection = {
        "conn_type": "postgres",
        "host": server["host"],
        "port": int(server["port"]),
        "login": server["user"],
        "password": server["password"],
        "schema": server["dbname"],
    }
    monkeypatch.setenv("AIRFLOW_CONN_SLIPWAY_LEDGER", json.dumps(connection))
    kept = PostgresLedger(server)
    kept.upgrade()
    kept.adopt("flights", C, B, ME)
    kept.record_reconciliation(found(), {"verdict": "PASS"}, ME)
    return kept


def sign(ledger: PostgresLedger) -> None:
    ledger.sign(SignOff(0, "flights", "data_owner", "ana", "approve", A, C, 1, "seen", NOW))


def newest(ledger: PostgresLedger) -> tuple[int, int]:
    signed = ledger.sign_offs("flights")
    return (signed[-1].id if signed else 0, ledger.reconciliations("flights", 1)[0].id)


def trigger(ledger: PostgresLedger, seconds: float = 20.0, **changes: Any) -> SignOffTrigger:
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    # A poll that never comes: only the notification can wake it.
    return SignOffTrigger("flights", changes.pop("seen", newest(ledger)), until, poll_seconds=60.0, **changes)


async def first_event(waiting: SignOffTrigger) -> Mapping[str, Any]:
    payload: Mapping[str, Any] = (await anext(aiter(waiting.run()))).payload
    return payload


def test_a_signature_wakes_it_at_once(ledger: PostgresLedger) -> None:
    async def scene() -> tuple[Mapping[str, Any], float]:
        waits = asyncio.create_task(first_event(trigger(ledger)))
        await asyncio.sleep(0.5)
        assert not waits.done()
        begun = asyncio.get_running_loop().time()
        await asyncio.to_thread(sign, ledger)
        return await asyncio.wait_for(waits, 10), asyncio.get_running_loop().time() - begun

    event, seconds = asyncio.run(scene())

    assert event == {"status": "changed"}
    assert seconds < 5


def test_what_was_written_before_it_listened_is_not_missed(ledger: PostgresLedger) -> None:
    seen = newest(ledger)
    sign(ledger)
    assert asyncio.run(first_event(trigger(ledger, seen=seen))) == {"status": "changed"}


def test_it_ends_at_its_deadline_and_never_says_signed(ledger: PostgresLedger) -> None:
    assert asyncio.run(first_event(trigger(ledger, seconds=0.5))) == {"status": "timed_out"}


def test_what_airflow_stores_holds_no_secret_and_builds_the_same_trigger(
    ledger: PostgresLedger, server: Mapping[str, str]
) -> None:
    path, kwargs = trigger(ledger).serialize()

    stored = json.dumps(kwargs)
    assert path == "slipway.orchestration.signoff_trigger.SignOffTrigger"
    assert server["password"] not in stored
    assert server["dbname"] not in stored
    assert SignOffTrigger(**json.loads(stored)).serialize() == (path, kwargs)
