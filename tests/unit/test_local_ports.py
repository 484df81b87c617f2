"""Ports: free ones, the same ones again, and no trust in a damaged file."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import ports
from local.errors import StackError


def test_the_second_start_gets_the_same_ports(tmp_path: Path) -> None:
    first = ports.choose(tmp_path / "ports.json")
    assert set(first) == set(ports.NAMES)
    assert len(set(first.values())) == len(ports.NAMES)
    assert ports.choose(tmp_path / "ports.json") == first


def test_only_a_port_that_is_taken_by_now_is_replaced(tmp_path: Path) -> None:
    first = ports.choose(tmp_path / "ports.json")
    second = ports.choose(tmp_path / "ports.json", lambda port: port != first["kafka"])
    assert second["kafka"] not in first.values()
    assert {n: p for n, p in second.items() if n != "kafka"} == {
        n: p for n, p in first.items() if n != "kafka"
    }


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"kafka": "x"}', '{"unknown": 1}'])
def test_a_file_that_a_crash_damaged_is_replaced(tmp_path: Path, damaged: str) -> None:
    file = tmp_path / "ports.json"
    file.write_text(damaged, encoding="utf-8")
    chosen = ports.choose(file)
    assert json.loads(file.read_text(encoding="utf-8")) == chosen


def test_two_names_never_share_a_remembered_port(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    file.write_text(json.dumps(dict.fromkeys(ports.NAMES, 25000)), encoding="utf-8")
    chosen = ports.choose(file, lambda _port: True)
    assert chosen["postgres"] == 25000
    assert len(set(chosen.values())) == len(ports.NAMES)


def test_no_free_port_is_an_error_and_not_an_endless_search(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="none of 200 ports"):
        ports.choose(tmp_path / "ports.json", lambda _port: False)


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert not ports.is_free_port(server.getsockname()[1])
    assert ports.is_free_port(server_port := _closed_port()), server_port


@given(st.sets(st.integers(20000, 31999), max_size=30))
def test_a_chosen_port_is_always_a_free_one(taken: set[int]) -> None:
    found = ports._another(set(taken), lambda port: port % 2 == 0)
    assert found not in taken
    assert found % 2 == 0


def _closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port
