"""The ledger on Postgres: it behaves as every ledger, and nobody can rewrite its history."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import errors, sql
from sqlalchemy.exc import IntegrityError

from slipway.domain.states import State
from slipway.errors import Permanent, Retryable
from slipway.ledger.models import APPEND_ONLY, Base
from slipway.ledger.session import engine_for
from slipway.ledger.store import PostgresLedger
from slipway.ports import SignOff
from tests.contract.closes_behaviour import CLOSE, WORD, ClosesBehaviour, restated
from tests.contract.ledger_behaviour import ME, NOW, ROW, WAIVER, A, B, C, LedgerBehaviour, found
from tests.integration.scratch import database
from tests.stack import Stack

REPO = Path(__file__).parents[2]


@pytest.fixture
def server(stack: Stack) -> Iterator[Mapping[str, str]]:
    with database(stack, "slipway_ledger") as found:
        yield found


@pytest.fixture
def ledger(server: Mapping[str, str]) -> PostgresLedger:
    kept = PostgresLedger(server, lock_wait=timedelta(milliseconds=200))
    kept.upgrade()
    return kept


@pytest.fixture
def filled(ledger: PostgresLedger) -> PostgresLedger:
    """A ledger with at least one row in every append-only table."""
    ledger.adopt("flights", C, B, ME)
    ledger.record_reconciliation(found(), {"verdict": "PASS"}, ME)
    ledger.sign(SignOff(0, "flights", "data_owner", "ana", "approve", A, C, 1, "seen", NOW))
    ledger.mirror_switches([ROW])
    ledger.request_cutover("flights", ME, "now", A)
    ledger.note_origin("flights.cutover", "run", "rita", "rest_api")
    ledger.waive(WAIVER)
    ledger.sign_close(replace(WORD, comment="closed"), CLOSE)
    ledger.record_reconciliation(found(), {"verdict": "PASS"}, ME, [restated(ledger.closes("flights")[0].id)])
    return ledger


class TestPostgresLedger(LedgerBehaviour, ClosesBehaviour):
    pass


def test_a_close_that_cannot_be_written_takes_its_last_word_with_it(ledger: PostgresLedger) -> None:
    ledger.adopt("flights", C, B, ME)
    ledger.record_reconciliation(found(A, period="2013-02"), {"verdict": "PASS"}, ME)
    with pytest.raises(IntegrityError, match="period_closes_digest_fk"):
        ledger.sign_close(WORD, replace(CLOSE, digest=B))

    assert ledger.sign_offs("flights") == []
    assert ledger.closes("flights") == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE slipway.{} SET {} = {}", "DELETE FROM slipway.{}", "TRUNCATE slipway.{} CASCADE"],
    ids=["update", "delete", "truncate"],
)
def test_history_cannot_be_rewritten(
    filled: PostgresLedger, server: Mapping[str, str], statement: str
) -> None:
    column = sql.Identifier("at")
    with psycopg.connect(**server, autocommit=True) as connection:  # type: ignore[arg-type]
        for table in APPEND_ONLY:
            composed = sql.SQL(statement).format(sql.Identifier(table), column, column)
            with pytest.raises(errors.RestrictViolation, match=f"{table} is append-only"):
                connection.execute(composed)


def test_truncating_what_history_hangs_on_is_refused_too(
    filled: PostgresLedger, server: Mapping[str, str]
) -> None:
    with (
        psycopg.connect(**server) as connection,  # type: ignore[arg-type]
        pytest.raises(errors.RestrictViolation, match="append-only"),
    ):
        connection.execute("TRUNCATE slipway.migrations CASCADE")


def test_the_migrations_make_what_the_models_say(ledger: PostgresLedger, server: Mapping[str, str]) -> None:
    with engine_for(server).connect() as connection:
        connection.exec_driver_sql("SET search_path TO public")
        context = MigrationContext.configure(
            connection,
            opts={"include_schemas": True, "compare_type": True, "version_table_schema": "slipway"},
        )
        assert compare_metadata(context, Base.metadata) == []


def test_many_processes_may_upgrade_at_once(server: Mapping[str, str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(PostgresLedger(server).upgrade) for _ in range(4)]:
            done.result()
    assert PostgresLedger(server).standings() == []


def test_a_ledger_without_schema_says_what_to_run(server: Mapping[str, str]) -> None:
    with pytest.raises(Permanent, match="slipway ledger upgrade"):
        PostgresLedger(server).standing("flights")


def test_a_ledger_that_is_down_is_worth_another_try_and_tells_no_password(server: Mapping[str, str]) -> None:
    away = PostgresLedger({**server, "port": "1"})
    with pytest.raises(Retryable, match="slipway_ledger") as raised:
        away.standing("flights")
    assert server["password"] not in str(raised.value)


def test_a_process_that_dies_lets_go_of_the_lock(ledger: PostgresLedger, server: Mapping[str, str]) -> None:
    ledger.adopt("flights", C, B, ME)
    program = (
        "import json, sys\n"
        "from slipway.ledger.store import PostgresLedger\n"
        "with PostgresLedger(json.loads(sys.stdin.readline())).lock('flights'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    import json

    holder = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPO,
        env={"PYTHONPATH": "plugins"},
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write(json.dumps(dict(server)) + "\n")
    holder.stdin.flush()
    assert holder.stdout.readline().strip() == "held"
    with pytest.raises(Retryable, match=rf"held by slipway flights \S+:{holder.pid}"), ledger.lock("flights"):
        raise AssertionError("two held the same lock")

    holder.kill()
    holder.wait()

    with PostgresLedger(server, lock_wait=timedelta(seconds=10)).lock("flights"):
        pass


def test_two_writers_never_lose_a_move(ledger: PostgresLedger) -> None:
    ledger.adopt("flights", C, B, ME)
    barrier = threading.Barrier(2)

    def provision() -> bool:
        barrier.wait()
        try:
            ledger.advance("flights", State.PROVISIONED, ME, "at once")
        except Retryable:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert any([done.result() for done in [pool.submit(provision), pool.submit(provision)]])
    assert [row["to_state"] for row in ledger.transitions("flights")].count("PROVISIONED") == 1


def test_a_sign_off_wakes_who_waits(filled: PostgresLedger, server: Mapping[str, str]) -> None:
    asyncpg = pytest.importorskip("asyncpg")

    async def wait() -> str:
        connection = await asyncpg.connect(
            host=server["host"],
            port=int(server["port"]),
            user=server["user"],
            password=server["password"],
            database=server["dbname"],
        )
        heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await connection.add_listener("slipway_sign_off", lambda *told: heard.set_result(told[3]))
        word = SignOff(0, "flights", "consumer", "carla", "approve", A, C, 1, "", NOW)
        await asyncio.to_thread(filled.sign, word)
        try:
            return await asyncio.wait_for(heard, 5)
        finally:
            await connection.close()

    assert asyncio.run(wait()) == "flights"
