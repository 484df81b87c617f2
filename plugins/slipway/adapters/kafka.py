"""Topics by Kafka's own administration API."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    ResourceType,
)

from slipway.adapters.kafka_gaps import proven_empty
from slipway.domain.gaps import Gap
from slipway.errors import Permanent, Retryable
from slipway.ports import TopicSpec

SECONDS = 15.0

# librdkafka prints every lost connection by itself; what matters is raised.
_SILENT = logging.getLogger("slipway.kafka")

_LASTING = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.SECURITY_DISABLED,
        KafkaError._AUTHENTICATION,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_REPLICA_ASSIGNMENT,
        KafkaError.INVALID_REQUEST,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError._INVALID_ARG,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_ALREADY_EXISTS,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._NOT_IMPLEMENTED,
        KafkaError._UNSUPPORTED_FEATURE,
    }
)
"""Errors that trying again does not mend.

All others belong to brokers that come and go. (KafkaError.retriable() is set for transactional producers
only.)
"""

T = TypeVar("T")


class KafkaTopics:
    """One Kafka cluster. settings: librdkafka's, `bootstrap.servers` at least."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = {"socket.connection.setup.timeout.ms": "5000", **settings}
        self._lazy: AdminClient | None = None

    @property
    def _admin(self) -> AdminClient:
        if self._lazy is None:
            try:
                self._lazy = AdminClient(dict(self.settings), logger=_SILENT)
            except KafkaException as error:  # before anything is sent: a key or value that it does not know
                raise Permanent(
                    f"the extra of slipway_kafka is no configuration of a Kafka client: "
                    f"{error.args[0].str()}; its keys are librdkafka's (such as bootstrap.servers)"
                ) from error
        return self._lazy

    def cluster_id(self) -> str:
        """Return the id that the cluster was formatted with."""
        return str(
            _done(self._admin.describe_cluster(request_timeout=SECONDS), "describe the cluster").cluster_id
        )

    def authority(self) -> tuple[str, int, frozenset[str]]:
        """Return (cluster id, brokers, names of what this user may do with the cluster)."""
        asked = self._admin.describe_cluster(include_authorized_operations=True, request_timeout=SECONDS)
        found = _done(asked, "describe the cluster")
        operations = frozenset(operation.name for operation in found.authorized_operations or ())
        return str(found.cluster_id), len(found.nodes), operations

    def brokers(self) -> int:
        """Return how many brokers are up."""
        return len(_done(self._admin.describe_cluster(request_timeout=SECONDS), "describe the cluster").nodes)

    def describe(self, name: str) -> TopicSpec | None:
        """Return the topic with the configuration that was set on it; None when absent."""
        partitions = self._partitions(name)
        if partitions is None:
            return None
        resource = ConfigResource(ResourceType.TOPIC, name)
        asked = self._admin.describe_configs([resource], request_timeout=SECONDS)[resource]
        config, defaults = {}, {}
        for entry in _done(asked, f"read the configuration of {name}").values():
            if entry.source != ConfigSource.DYNAMIC_TOPIC_CONFIG.value:
                defaults[entry.name] = str(entry.value)
                continue
            config[entry.name] = str(entry.value)
            # In the order in which they count: the topic's own value, then what would count without it.
            under = [one for one in entry.synonyms.values() if one.source != entry.source]
            if under:
                defaults[entry.name] = str(under[0].value)
        replication = min(len(partition.replicas) for partition in partitions.values())
        return TopicSpec(name, len(partitions), replication, config, defaults)

    def create(self, spec: TopicSpec) -> None:
        """Create the topic; one that exists by now is left as it is."""
        new = NewTopic(spec.name, spec.partitions, spec.replication, config=dict(spec.config))
        try:
            _done(
                self._admin.create_topics([new], operation_timeout=SECONDS)[spec.name], f"create {spec.name}"
            )
        except _AlreadyThere:
            return
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:  # a new topic is not in the metadata at once
            with suppress(Retryable):  # nor whole at once
                if self._partitions(spec.name) is not None:
                    return
            time.sleep(0.05)
        raise Retryable(f"topic {spec.name} was created, but the cluster does not show it yet")

    def configure(self, name: str, config: Mapping[str, str]) -> None:
        """Set these keys on the topic and leave the others."""
        self._alter(name, config, AlterConfigOpType.SET)

    def reset(self, name: str, keys: Collection[str]) -> None:
        """Take these keys off the topic: the cluster's defaults count again."""
        self._alter(name, dict.fromkeys(keys), AlterConfigOpType.DELETE)

    def _alter(self, name: str, config: Mapping[str, str | None], how: AlterConfigOpType) -> None:
        entries = [ConfigEntry(key, value, incremental_operation=how) for key, value in config.items()]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        changed = self._admin.incremental_alter_configs([resource], request_timeout=SECONDS)[resource]
        _done(changed, f"configure {name}")

    def bounds(self, name: str) -> Mapping[int, tuple[int, int]]:
        """Return {partition: (earliest offset, next offset)}; the next offset of committed records."""
        partitions = self._partitions(name)
        if partitions is None:
            raise Permanent(f"there is no topic {name}; create it with the migration's provision")
        consumer = Consumer(
            {**self.settings, "group.id": "slipway-bounds", "isolation.level": "read_committed"},
            logger=_SILENT,
        )
        try:
            return {
                partition: consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=SECONDS)
                for partition in sorted(partitions)
            }
        except KafkaException as error:
            raise _translated(error, f"read the offsets of {name}") from error
        finally:
            consumer.close()

    def identity(self, name: str) -> str | None:
        """Return the id that the cluster gave the topic when it was created; None when it is absent."""
        if self._partitions(name) is None:
            return None
        asked = self._admin.describe_topics(TopicCollection([name]), request_timeout=SECONDS)[name]
        return str(_done(asked, f"describe topic {name}").topic_id)

    def proven_empty(self, name: str, gaps: Sequence[Gap]) -> Sequence[Gap]:
        """Return the gaps in which a reader of committed records gets nothing."""
        try:
            return proven_empty({**self.settings}, name, gaps, SECONDS, _SILENT)
        except KafkaException as error:
            raise _translated(error, f"read the gaps of {name}") from error

    def unread(self, name: str, group: str) -> int | None:
        """Return how many records a consumer group has not committed yet; None when it never committed."""
        asked = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=SECONDS
        )[group]
        committed: dict[int, int] = {
            found.partition: found.offset
            for found in _done(asked, f"read the offsets of group {group}").topic_partitions
            if found.topic == name and found.offset >= 0
        }
        if not committed:
            return None
        bounds = self.bounds(name).items()
        return sum(end - max(start, committed.get(partition, 0)) for partition, (start, end) in bounds)

    def _partitions(self, name: str) -> Mapping[int, Any] | None:
        try:
            # Asked by name, a broker that creates topics by itself would create it: all are asked for.
            found = self._admin.list_topics(timeout=SECONDS).topics.get(name)
        except KafkaException as error:
            raise _translated(error, f"look for topic {name}") from error
        if found is None:
            return None
        if found.error is not None:
            if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise _translated(KafkaException(found.error), f"describe topic {name}")
        if not found.partitions:
            raise Retryable(f"Kafka knows topic {name}, but none of its partitions yet; are its brokers up?")
        partitions: Mapping[int, Any] = found.partitions
        return partitions


class _AlreadyThere(Permanent):
    """The topic exists."""


def _done(asked: Future[T], what: str) -> T:
    try:
        return asked.result(timeout=SECONDS * 2)
    except KafkaException as error:
        raise _translated(error, what) from error
    except TimeoutError as error:
        raise Retryable(f"Kafka did not {what} within {SECONDS * 2:.0f} s") from error


def _translated(error: KafkaException, what: str) -> Permanent | Retryable:
    cause = error.args[0]
    told = f"Kafka did not {what}: {cause.str()}"
    if cause.code() == KafkaError.TOPIC_ALREADY_EXISTS:
        return _AlreadyThere(told)
    return Permanent(told) if cause.code() in _LASTING else Retryable(told + "; is the broker up?")
