"""One Kafka node that is broker and controller (KRaft)."""

from __future__ import annotations

import shutil
import subprocess

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from local.errors import StackError
from local.paths import write_private
from local.settings import HOST, Program, Settings, base_env, java

_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
"""


def properties(settings: Settings) -> dict[str, str]:
    """The broker's configuration: one node, so nothing is replicated; sizes for a small machine."""
    broker, controller = settings.ports["kafka"], settings.ports["kafka_controller"]
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"PLAINTEXT://{HOST}:{broker},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{broker}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(settings.world.home / "kafka"),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Flink's exactly-once producers ask for as much as fifteen minutes.
        "transaction.max.timeout.ms": "900000",
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker is let in again when its old session ends: 9 s by default.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "1000",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "num.partitions": "1",
        "log.cleaner.dedupe.buffer.size": "16777216",
    }


def program(settings: Settings) -> Program:
    """Kafka as supervisord runs it."""
    conf = settings.world.conf
    return Program(
        name="kafka",
        argv=(
            java(),
            "-Xms192m",
            "-Xmx384m",
            "-XX:+UseSerialGC",
            f"-Djava.io.tmpdir={settings.world.tmp}",
            f"-Dlog4j2.configurationFile={conf / 'kafka-log4j2.properties'}",
            "-cp",
            _classpath(settings),
            "kafka.Kafka",
            str(conf / "kafka.properties"),
        ),
        env=base_env(settings.world),
        cwd=settings.world.home,
    )


def prepare(settings: Settings) -> None:
    """Render the configuration and format the log folder once."""
    conf, data = settings.world.conf, settings.world.home / "kafka"
    lines = [f"{name}={value}" for name, value in properties(settings).items()]
    write_private(conf / "kafka.properties", "\n".join(lines) + "\n")
    write_private(conf / "kafka-log4j2.properties", _LOGGING)
    formatted = settings.world.home / "kafka.formatted"
    if formatted.exists():
        return
    # Without the mark a former formatting was cut short: start over.
    shutil.rmtree(data, ignore_errors=True)
    command = [java(), "-Xmx64m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    command += [f"-Dlog4j2.configurationFile={conf / 'kafka-log4j2.properties'}", "-cp", _classpath(settings)]
    command += ["kafka.tools.StorageTool", "format", "-t", settings.secrets["kafka_cluster_id"]]
    command += ["-c", str(conf / "kafka.properties")]
    done = subprocess.run(command, env=base_env(settings.world), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"formatting Kafka's log folder ended with {done.returncode}: {done.stderr.strip()}")
    formatted.touch()


def is_ready(settings: Settings) -> bool:
    """Whether the broker names itself in its metadata."""
    client = AdminClient(
        {"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0, "socket.timeout.ms": 2000}
    )
    try:
        return bool(client.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def _classpath(settings: Settings) -> str:
    return f"{settings.world.installation.jars / 'kafka'}/*"
