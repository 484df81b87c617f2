"""What a world's files say, and what state a crash may have left in them."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from local import airflow, credentials, flink, kafka, postgres, setup
from local.components import BY_NAME, CHORES, COMPONENTS, STOP_ORDER
from local.errors import StackError
from local.paths import Installation, World, write_private
from local.ports import NAMES
from local.settings import Program, Settings, decide, recall
from local.supervisor import Supervisor

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return Installation(tmp_path).world("unit")


@pytest.fixture
def settings(world: World) -> Settings:
    return decide(world)


def test_a_world_is_the_same_at_its_second_start(world: World, settings: Settings) -> None:
    assert decide(world) == settings
    assert recall(world) == settings


def test_a_world_that_never_was_says_how_to_start_it(world: World) -> None:
    with pytest.raises(StackError, match="--world unit up"):
        recall(world)


@pytest.mark.parametrize("name", ["", "../x", "Main", "a b", "1", "a" * 32])
def test_a_world_s_name_can_do_no_harm_as_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(StackError, match="world name"):
        Installation(tmp_path).world(name)


def test_secrets_are_random_and_readable_by_their_owner_only(world: World, settings: Settings) -> None:
    other = decide(Installation(world.installation.repo).world("other"))
    assert not set(settings.secrets.values()) & set(other.secrets.values())
    settings.write()
    for file in (world.home / "secrets.json", world.env_file, world.stack_json):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert all(settings.secrets[name] not in repr(program(settings)) for name, program in _SECRET_PROGRAMS)


_SECRET_PROGRAMS = [
    (
        "registry",
        lambda settings: Program("registry", ("x",), {"P": settings.secrets["registry"]}, Path("/")),
    ),
    ("airflow", lambda settings: airflow.program(settings, "scheduler")),
]


def test_a_shell_reads_the_environment_as_it_was_meant(settings: Settings) -> None:
    settings.write()
    read = dict(
        shlex.split(line)[0].split("=", 1) for line in settings.world.env_file.read_text().splitlines()
    )
    assert read == settings.env()
    lake = json.loads(read["AIRFLOW_CONN_SLIPWAY_LAKE"])
    assert lake["extra"] == {
        "warehouse": f"file://{settings.world.lake}",
        "evidence": str(settings.world.evidence),
    }


def test_kafka_replicates_nothing_and_keeps_transactions_for_a_quarter_of_an_hour(settings: Settings) -> None:
    found = kafka.properties(settings)
    assert found["transaction.max.timeout.ms"] == str(15 * 60 * 1000)
    assert {value for name, value in found.items() if "replication.factor" in name} == {"1"}
    assert found["advertised.listeners"] == f"PLAINTEXT://127.0.0.1:{settings.ports['kafka']}"


def test_flink_s_configuration_names_this_world_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flink, "_packaged_java_options", lambda _installation: "--add-opens=x")
    found = yaml.safe_load(yaml.safe_dump(flink.configuration(settings)))
    folders = [
        value.removeprefix("file://") for value in found.values() if str(value).startswith(("file:", "/"))
    ]
    assert len(folders) == 4
    assert all(Path(folder).is_relative_to(settings.world.home) for folder in folders)
    assert found["execution.checkpointing.externalized-checkpoint-retention"] == "RETAIN_ON_CANCELLATION"


def test_flink_gets_its_decode_function_as_a_copy_and_only_when_it_changed(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    for folder, name in (
        (installation.flink_home / "lib", "flink-dist.jar"),
        (installation.jars / "flink", "a.jar"),
    ):
        folder.mkdir(parents=True)
        (folder / name).write_bytes(b"jar")
    assert not flink.link_libraries(installation)
    installation.decode_jar.parent.mkdir(parents=True)
    installation.decode_jar.write_bytes(b"one")
    assert flink.link_libraries(installation)
    assert not flink.link_libraries(installation)
    assert not (installation.flink_lib / installation.decode_jar.name).is_symlink()
    # A connector of another version replaces the old one, which must not stay on the class path.
    (installation.jars / "flink" / "a.jar").rename(installation.jars / "flink" / "b.jar")
    installation.decode_jar.write_bytes(b"two")
    assert flink.link_libraries(installation)
    assert {jar.name for jar in installation.flink_lib.iterdir()} == {
        "flink-dist.jar",
        "b.jar",
        installation.decode_jar.name,
    }


def test_supervisord_runs_each_component_without_secrets_in_its_configuration(tmp_path: Path) -> None:
    world = Installation(tmp_path / "100% sure").world("unit")
    world.make_folders()
    programs = [Program(name, ("/bin/true",), {"SECRET": "s3cret"}, world.home) for name in ("one", "two")]
    supervisor = Supervisor(world)
    text = supervisor._render(programs)
    # supervisord expands %(...)s and %% in each value, as this parser does.
    rendered = configparser.ConfigParser()
    rendered.read_string(text)
    assert "s3cret" not in text
    assert rendered["supervisord"]["logfile"] == str(world.logs / "supervisord.log")
    for name in ("one", "two"):
        section = rendered[f"program:{name}"]
        assert (section["autorestart"], section["autostart"]) == ("true", "false")
        assert shlex.split(section["command"])[-2:] == [str(world.run / "programs.json"), name]
    supervisor.write_programs(programs)
    table = world.run / "programs.json"
    assert json.loads(table.read_text())["one"]["env"] == {"SECRET": "s3cret"}
    assert stat.S_IMODE(table.stat().st_mode) == 0o600


def test_a_long_path_gets_a_short_socket_in_a_private_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    world = Installation(deep).world("unit")
    deep.mkdir()
    world.make_folders()
    assert len(os.fsencode(world.socket)) < 100
    assert stat.S_IMODE(world.socket.parent.stat().st_mode) == 0o700
    world.socket.parent.rmdir()


def test_a_pid_file_that_names_a_stranger_is_removed_and_one_of_a_living_server_is_not(
    tmp_path: Path,
) -> None:
    file = tmp_path / "postmaster.pid"
    file.write_text(f"{os.getpid()}\n{tmp_path}\n")
    here = Path.cwd()
    try:
        os.chdir(tmp_path)  # as every process of the server does
        postgres._drop_stale_pid_file(tmp_path)
        assert file.exists()
    finally:
        os.chdir(here)
    postgres._drop_stale_pid_file(tmp_path)
    assert not file.exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand Postgres to another user")
def test_below_a_private_home_postgres_moves_to_where_its_user_can_go(open_folder: Path) -> None:
    world = Installation(open_folder).world("unit")
    world.make_folders()
    assert postgres._data(world).is_relative_to(world.home)
    open_folder.chmod(0o700)
    assert not postgres._data(world).is_relative_to(open_folder)


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "x"
    write_private(file, "one")
    write_private(file, "two")
    assert file.read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_every_component_is_stopped_once_and_needs_only_what_there_is() -> None:
    assert sorted(name for together in STOP_ORDER for name in together) == sorted(BY_NAME)
    steps = {step.name for step in (*COMPONENTS, *CHORES)}
    assert {need for step in (*COMPONENTS, *CHORES) for need in step.needs} <= steps
    assert {component.port for component in COMPONENTS if component.port} <= set(NAMES)


def test_airflow_s_users_are_those_of_the_demo_and_none_is_left_without_a_password(
    settings: Settings,
) -> None:
    listed = settings.env()["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"].split(",")
    assert listed == [f"{name}:{role}" for name, role in credentials.AIRFLOW_USERS.items()]
    assert all(len(settings.secrets[f"user:{name}"]) >= 12 for name in credentials.AIRFLOW_USERS)
    assert len(settings.env()["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64


def test_a_step_of_the_set_up_is_done_again_only_when_its_input_changed(tmp_path: Path) -> None:
    installation, done = Installation(tmp_path), []
    installation.root.mkdir()

    def once(wanted: str) -> None:
        setup._once(installation, "part", "a part", wanted, lambda _log: done.append(wanted))

    once("one")
    once("one")
    once("two")
    assert done == ["one", "two"]


def test_a_step_of_the_set_up_that_failed_is_done_again(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.root.mkdir()
    with pytest.raises(StackError, match=r"exit 3 \.\.\. ended with 3"):
        setup._once(
            installation, "part", "a part", "one", lambda log: setup._run(["sh", "-c", "exit 3"], log)
        )
    assert not (installation.root / "part.done").exists()


def test_everything_is_pinned() -> None:
    for file in (REPO / "requirements.txt", REPO / "flink_jobs" / "requirements.txt"):
        lines = file.read_text(encoding="utf-8").splitlines()
        assert lines
        assert [line for line in lines if "==" not in line or "://" in line] == []
