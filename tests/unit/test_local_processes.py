"""Who is alive, who is an orphan, and who only has a dead one's number."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local import processes
from local.processes import Process, Record

# A leader of its own session with a child and a grandchild; the child's pid is printed.
_FAMILY = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '600'])"])
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def family() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A session's leader and its child's pid; whatever is left of them is ended."""
    leader = subprocess.Popen(
        [sys.executable, "-c", _FAMILY], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert leader.stdout is not None
    child = int(leader.stdout.readline())
    _until(lambda: len(processes.descendants(leader.pid, processes.all_processes())) == 2)
    everyone = processes.descendants(leader.pid, processes.all_processes())
    yield leader, child
    leader.kill()
    leader.wait()
    leader.stdout.close()
    assert processes.end(everyone) == []


def test_a_record_knows_its_process_until_it_ends(tmp_path: Path) -> None:
    sleeper = subprocess.Popen(["sleep", "600"])
    record = Record.of(sleeper.pid)
    assert record is not None
    record.write(tmp_path / "x.pid")
    assert Record.read(tmp_path / "x.pid") == record
    assert record.is_alive()
    sleeper.kill()
    sleeper.wait()
    assert not record.is_alive()


def test_a_pid_that_is_used_again_is_somebody_else() -> None:
    me = Record.of(os.getpid())
    assert me is not None
    assert not replace(me, started=me.started - 1).is_alive()
    assert not replace(me, boot="another boot").is_alive()


@pytest.mark.parametrize("damaged", ["", "17", "{}", '{"pid": 1}', "null"])
def test_a_record_that_a_crash_damaged_is_no_record(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "x.pid").write_text(damaged, encoding="utf-8")
    assert Record.read(tmp_path / "x.pid") is None
    assert Record.read(tmp_path / "missing.pid") is None


def test_the_children_of_a_killed_parent_are_orphans_and_those_of_a_living_one_are_not(
    family: tuple[subprocess.Popen[str], int],
) -> None:
    leader, child = family
    assert processes.orphans(leader.pid, leader.pid) == []
    os.kill(child, signal.SIGKILL)
    _until(lambda: processes.look(child) is None)
    orphans = processes.orphans(leader.pid, leader.pid)
    assert len(orphans) == 1
    assert processes.end(orphans) == []
    assert processes.orphans(leader.pid, leader.pid) == []


def test_what_a_dead_session_left_running_is_found_from_its_records(
    family: tuple[subprocess.Popen[str], int],
) -> None:
    leader, child = family
    record = Record.of(child)
    assert record is not None
    assert processes.leftovers([record]) == []  # its leader lives
    leader.kill()
    leader.wait()
    assert {p.pid for p in processes.leftovers([record])} > {child}
    assert processes.leftovers([replace(record, boot="another boot")]) == []
    # Who started before the recorded component is not of its session, whatever the numbers say.
    assert processes.leftovers([replace(record, started=record.started + 1_000_000)]) == []


def test_a_process_that_ignores_a_polite_request_is_killed() -> None:
    code = (
        "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True)\nwhile True: signal.pause()"
    )
    stubborn = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    found = processes.look(stubborn.pid)
    assert found is not None
    assert processes.end([found], patience=1.0) == []
    assert stubborn.wait() == -signal.SIGKILL
    stubborn.stdout.close()


def test_ending_spares_whoever_has_the_number_now() -> None:
    me = processes.look(os.getpid())
    assert me is not None
    stranger = Process(me.pid, me.parent, me.session, me.started - 1)
    assert processes.end([stranger]) == []


def test_a_process_is_found_by_an_argument_it_was_started_with(tmp_path: Path) -> None:
    argument = str(tmp_path / "some.conf")
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", argument])
    try:
        _until(lambda: [p.pid for p in processes.with_argument(argument)] == [sleeper.pid])
        assert processes.with_argument(argument + "x") == []
    finally:
        sleeper.kill()
        sleeper.wait()


def _until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "did not happen within 10 s"
        time.sleep(0.01)
