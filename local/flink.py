"""Flink's JobManager and one TaskManager, from PyFlink's distribution and our connectors."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

import yaml

from local import rest
from local.errors import StackError
from local.paths import Installation, write_private
from local.settings import HOST, Process, Program, Settings, base_env, java

SLOTS = 10
"""Two migrations of two jobs each, and the bounded run of an amendment."""


def configuration(settings: Settings) -> dict[str, object]:
    """Flink's config.yaml as flat keys."""
    state = settings.world.home / "flink"
    packaged = _packaged_java_options(settings.world.installation)
    return {
        "env.java.opts.all": f"{packaged} -Djava.io.tmpdir={settings.world.tmp}",
        # A JVM without memory stays up and answers nobody; one that has ended is started again.
        "env.java.opts.jobmanager": "-XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError",
        "taskmanager.jvm-exit-on-oom": True,
        "pekko.startup-timeout": "60 s",
        "jobmanager.rpc.address": HOST,
        "jobmanager.rpc.port": settings.ports["flink_rpc"],
        "jobmanager.bind-host": HOST,
        "jobmanager.memory.process.size": "900m",
        "jobmanager.memory.jvm-overhead.min": "96m",
        "jobmanager.memory.jvm-overhead.max": "96m",
        "rest.address": HOST,
        "rest.bind-address": HOST,
        "rest.port": settings.ports["flink"],
        "rest.bind-port": str(settings.ports["flink"]),
        "taskmanager.host": HOST,
        "taskmanager.bind-host": HOST,
        "taskmanager.numberOfTaskSlots": SLOTS,
        "taskmanager.memory.process.size": "1945m",
        "taskmanager.memory.jvm-overhead.max": "192m",
        # Slots of small jobs need few network buffers.
        "taskmanager.memory.network.max": "160m",
        # Bounded jobs sort what they exchange, by default with 512 buffers each: ten take all there are.
        "taskmanager.network.sort-shuffle.min-buffers": 64,
        "parallelism.default": 2,
        "io.tmp.dirs": str(state / "tmp"),
        "web.upload.dir": str(state / "uploads"),
        "state.backend.type": "rocksdb",
        "execution.checkpointing.incremental": True,
        "execution.checkpointing.dir": f"file://{state / 'checkpoints'}",
        "execution.checkpointing.savepoint-dir": f"file://{state / 'savepoints'}",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.num-retained": 3,
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "10 s",
        # A killed TaskManager is missed after 6 s at the latest, not after the default 50 s.
        "heartbeat.interval": "2 s",
        "heartbeat.timeout": "10 s",
        "heartbeat.rpc-failure-threshold": 2,
        "slot.request.timeout": "60 s",
        "cluster.registration.initial-timeout": "100 ms",
        "cluster.registration.max-timeout": "1 s",
        "cluster.registration.error-delay": "1 s",
        "cluster.registration.refused-registration-delay": "1 s",
        "metrics.fetcher.update-interval": 1000,
    }


def jobmanager(settings: Settings) -> Program:
    """The JobManager as supervisord runs it."""
    return _program(settings, "jobmanager")


def taskmanager(settings: Settings) -> Program:
    """The TaskManager as supervisord runs it."""
    return _program(settings, "taskmanager")


def prepare(settings: Settings) -> None:
    """Link the jars, render the configuration and the passwords that JDBC connections look up themselves."""
    link_libraries(settings.world.installation)
    conf, secrets = settings.world.conf, settings.secrets
    folder = _conf_folder(settings)
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("tmp", "uploads", "checkpoints", "savepoints"):
        (settings.world.home / "flink" / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(folder / "config.yaml", yaml.safe_dump(configuration(settings), width=100_000))
    packaged = settings.world.installation.flink_home / "conf" / "log4j-console.properties"
    # supervisord keeps the console's lines; a second file of the same would only need rotating.
    kept = [line for line in packaged.read_text(encoding="utf-8").splitlines() if "olling" not in line]
    write_private(folder / "log4j-console.properties", "\n".join(kept) + "\n")
    port = settings.ports["postgres"]
    # The writers of attempts are many roles, made by the control plane with one password.
    lines = [
        f"{HOST}:{port}:lake:slipway_lake:{secrets['slipway_lake']}",
        f"{HOST}:{port}:warehouse:*:{secrets['flink_writer']}",
    ]
    write_private(conf / "pgpass", "\n".join(lines) + "\n")


def link_libraries(installation: Installation) -> bool:
    """Make Flink's lib folder: the distribution's jars, our connectors, the decode function.

    All belong in lib: as jars of a job the Iceberg catalog and the function's plan would not find them.
    Returns whether the decode function is new, so that running JVMs have an old one.
    """
    wanted = {jar.name: jar for jar in (installation.flink_home / "lib").glob("*.jar")}
    wanted |= {jar.name: jar for jar in (installation.jars / "flink").glob("*.jar")}
    if not any(name.startswith("flink-dist") for name in wanted):
        raise StackError(f"no Flink below {installation.flink_home}: run make setup")
    lib = installation.flink_lib
    lib.mkdir(parents=True, exist_ok=True)
    for found in lib.iterdir():
        if found.is_symlink() and (found.name not in wanted or found.readlink() != wanted[found.name]):
            found.unlink()
    for name, jar in wanted.items():
        if not (lib / name).is_symlink():
            (lib / name).symlink_to(jar)
    return _copy_if_changed(installation.decode_jar, lib)


def _copy_if_changed(jar: Path, lib: Path) -> bool:
    """A copy and not a link: a JVM crashes when a jar that it has open is rebuilt under it."""
    copy = lib / jar.name
    if not jar.exists():
        copy.unlink(missing_ok=True)
        return False
    if copy.exists() and filecmp.cmp(jar, copy, shallow=False):
        return False
    draft = lib / f".{jar.name}"
    shutil.copyfile(jar, draft)
    draft.replace(copy)
    return True


def jobmanager_is_ready(settings: Settings) -> bool:
    """Whether the JobManager's dispatcher has a leader."""
    return isinstance(rest.get(f"{settings.flink_url}/overview"), dict)


def taskmanager_is_ready(settings: Settings, process: Process) -> bool:
    """Whether this very TaskManager has offered its slots: a killed one stays listed for seconds."""
    answer = rest.get(f"{settings.flink_url}/taskmanagers")
    listed = answer.get("taskmanagers", []) if isinstance(answer, dict) else []
    return any(one["id"] == f"local-{process.pid}" and one["slotsNumber"] == SLOTS for one in listed)


def _program(settings: Settings, role: str) -> Program:
    installation = settings.world.installation
    home, state = installation.flink_home, settings.world.home / "flink"
    script = str(home / "bin" / f"{role}.sh")
    # The scripts exec, so the process that supervisord knows is the JVM, and $$ is its pid.
    argv: tuple[str, ...] = ("/bin/bash", script, "start-foreground")
    if role == "taskmanager":
        command = 'exec /bin/bash "$0" start-foreground -D "taskmanager.resource-id=local-$$"'
        argv = ("/bin/bash", "-c", command, script)
    return Program(
        name=role,
        argv=argv,
        env=base_env(settings.world)
        | {
            "JAVA_HOME": str(Path(java()).resolve().parent.parent),
            "FLINK_HOME": str(home),
            "FLINK_CONF_DIR": str(_conf_folder(settings)),
            "FLINK_LIB_DIR": str(installation.flink_lib),
            "FLINK_PLUGINS_DIR": str(home / "plugins"),
            "FLINK_LOG_DIR": str(settings.world.logs),
            "FLINK_PID_DIR": str(state / "pids" / role),
            "HOSTNAME": "local",
            "PGPASSFILE": str(settings.world.conf / "pgpass"),
        },
        cwd=settings.world.home,
    )


def _conf_folder(settings: Settings) -> Path:
    return settings.world.conf / "flink"


def _packaged_java_options(installation: Installation) -> str:
    """The `--add-opens` line that Flink needs on Java 17, kept as it was packaged, and UTC."""
    packaged = yaml.safe_load((installation.flink_home / "conf" / "config.yaml").read_text(encoding="utf-8"))
    # Instants reach Postgres through the JVM's zone, and only in UTC does each wall-clock time stand for one.
    return f"{packaged['env']['java']['opts']['all']} -Duser.timezone=UTC"
