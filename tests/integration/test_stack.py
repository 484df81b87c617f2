"""The local stack itself: what it promises about restarts, crashes, addresses, roles and leftovers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import httpx
import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from local import lifecycle, processes, status
from local.components import BY_NAME
from tests.stack import Stack


def members(stack: Stack) -> list[psutil.Process]:
    """Every process of the world: supervisord and all below it."""
    root = stack.supervisor.pid()
    assert root is not None
    above = psutil.Process(root)
    return [above, *above.children(recursive=True)]


def pids(stack: Stack) -> dict[str, int]:
    return {name: stack.pid(name) for name in BY_NAME}


@pytest.fixture
def whole(stack: Stack) -> Iterator[Stack]:
    """The stack, made whole again after a test that broke it."""
    yield stack
    lifecycle.up(stack.settings.world, print)


def command(stack: Stack, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "local.stack", "--world", stack.settings.world.name, *arguments]


def test_every_component_is_ready_and_the_whole_needs_less_than_4_gib(stack: Stack) -> None:
    table = status.table(stack.settings.world)
    print(table)
    rows = {line.split()[0]: line.split() for line in table.splitlines()[1:]}
    assert {name: rows[name][1] for name in BY_NAME} == dict.fromkeys(BY_NAME, "ready")
    assert 500 < float(rows["total"][1]) < 4096


def test_nothing_listens_beyond_this_machine(stack: Stack) -> None:
    listening = set()
    for process in members(stack):
        with contextlib.suppress(psutil.NoSuchProcess):  # a helper process may end while we look
            listening |= {
                (process.pid, connection.laddr.ip)
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
    assert len(listening) >= len(stack.ports) - 2
    assert {ip for _, ip in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    before = pids(stack)
    lifecycle.up(stack.settings.world, print)
    assert pids(stack) == before


@pytest.mark.parametrize("component", list(BY_NAME))
def test_a_killed_component_comes_back_and_the_whole_with_it(stack: Stack, component: str) -> None:
    killed = stack.kill(component)
    stack.wait_ready(component, 90, not_pid=killed)
    for other in BY_NAME:
        stack.wait_ready(other, 90)


def test_committed_data_survives_the_kill_of_its_server(stack: Stack) -> None:
    topic, subject = f"crash-{uuid.uuid4().hex[:8]}", f"crash-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": stack.settings.kafka_bootstrap})
    admin.create_topics([NewTopic(topic, 2)])[topic].result(20)
    producer = Producer({"bootstrap.servers": stack.settings.kafka_bootstrap, "acks": "all"})
    for number in range(100):
        producer.produce(topic, str(number))
    assert producer.flush(20) == 0
    with stack.postgres("warehouse", "slipway_warehouse") as connection:
        connection.execute("CREATE TABLE crash AS SELECT generate_series(1, 100) AS id")
    registered = httpx.post(
        f"{stack.settings.registry_url}/apis/ccompat/v7/subjects/{subject}/versions",
        json={"schema": '"string"'},
    ).json()["id"]

    killed = {name: stack.kill(name) for name in ("kafka", "postgres", "registry")}
    for name, pid in killed.items():
        stack.wait_ready(name, 90, not_pid=pid)

    consumer = Consumer(
        {
            "bootstrap.servers": stack.settings.kafka_bootstrap,
            "group.id": topic,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    seen: set[str] = set()
    deadline = time.monotonic() + 30
    while len(seen) < 100 and time.monotonic() < deadline:
        seen |= {m.value().decode() for m in consumer.consume(100, 1) if m.error() is None}
    consumer.close()
    assert seen == {str(number) for number in range(100)}
    with stack.postgres("warehouse", "slipway_warehouse") as connection:
        counted = connection.execute("SELECT count(*) FROM crash").fetchone()
        connection.execute("DROP TABLE crash")
    assert counted == (100,)
    found = httpx.get(
        f"{stack.settings.registry_url}/apis/ccompat/v7/subjects/{subject}/versions/latest"
    ).json()
    assert found["id"] == registered


def test_the_registry_refuses_breaking_changes_by_default(stack: Stack) -> None:
    assert httpx.get(f"{stack.settings.registry_url}/apis/ccompat/v7/config").json() == {
        "compatibilityLevel": "BACKWARD"
    }


def test_kafka_makes_no_topic_that_nobody_asked_for(stack: Stack) -> None:
    topic = f"unasked-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": stack.settings.kafka_bootstrap})
    admin.list_topics(topic, 5)
    assert topic not in admin.list_topics(timeout=5).topics


def test_readers_reach_the_warehouse_only(stack: Stack) -> None:
    with stack.postgres("warehouse", "reader") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("reader",)
    for database in ("ledger", "lake", "airflow", "registry"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            stack.postgres(database, "reader")


def test_the_warehouse_role_makes_writers_with_the_password_that_flink_has(stack: Stack) -> None:
    password = stack.conn("flink")["password"]
    role = f"attempt_{uuid.uuid4().hex[:8]}"
    with stack.postgres("warehouse", "slipway_warehouse", autocommit=True) as connection:
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{verifier.decode()}'")
        pgpass = stack.settings.world.conf / "pgpass"
        assert pgpass.stat().st_mode & 0o777 == 0o600
        dsn = f"host=127.0.0.1 port={stack.ports['postgres']} dbname=warehouse user={role} passfile={pgpass}"
        with psycopg.connect(dsn) as writer:
            assert writer.execute("SELECT current_user").fetchone() == (role,)
        connection.execute(f"DROP ROLE {role}")


def test_what_a_killed_scheduler_leaves_behind_ends_with_its_restart(stack: Stack) -> None:
    root, killed = stack.supervisor.pid(), stack.pid("scheduler")
    assert root is not None
    children = psutil.Process(killed).children(recursive=True)
    assert children, "the scheduler has no workers: the test would see nothing"
    stack.kill("scheduler")
    stack.wait_ready("scheduler", 90, not_pid=killed)
    assert [child for child in children if child.is_running()] == []
    assert processes.orphans(root, root) == []


def test_a_killed_supervisor_takes_all_with_it_and_the_next_up_starts_clean(whole: Stack) -> None:
    former = members(whole)
    os.kill(former[0].pid, signal.SIGKILL)

    lifecycle.up(whole.settings.world, print)

    # Whoever did not die with supervisord was ended by `up`.
    assert [process for process in former if process.is_running()] == []
    assert whole.ports == lifecycle.recall(whole.settings.world).ports
    for name in BY_NAME:
        whole.wait_ready(name, 5)


def test_an_up_that_is_killed_half_way_is_taken_up_by_the_next(whole: Stack) -> None:
    lifecycle.down(whole.settings.world, print)
    half = subprocess.Popen(
        command(whole, "up"), cwd=whole.settings.world.installation.repo, stdout=subprocess.PIPE
    )
    assert half.stdout is not None
    half.stdout.readline()  # the first component is ready
    half.kill()
    half.wait()

    lifecycle.up(whole.settings.world, print)

    for name in BY_NAME:
        whole.wait_ready(name, 5)


def test_an_interrupted_up_stops_what_it_started(whole: Stack) -> None:
    lifecycle.down(whole.settings.world, print)
    half = subprocess.Popen(
        command(whole, "up"), cwd=whole.settings.world.installation.repo, stdout=subprocess.PIPE, text=True
    )
    assert half.stdout is not None
    half.stdout.readline()
    half.send_signal(signal.SIGINT)
    output, _ = half.communicate(timeout=90)
    assert half.returncode == 130, output
    assert whole.supervisor.pid() is None
    assert not whole.settings.world.socket.exists()
