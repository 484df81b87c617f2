"""Which of Kafka's errors pass by themselves, and when a topic is really absent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from slipway.adapters.kafka import KafkaTopics
from slipway.errors import Permanent, Retryable, SlipwayError

PASSING = [
    "NOT_LEADER_FOR_PARTITION",
    "LEADER_NOT_AVAILABLE",
    "NOT_CONTROLLER",
    "NETWORK_EXCEPTION",
    "BROKER_NOT_AVAILABLE",
    "OFFSET_NOT_AVAILABLE",
    "COORDINATOR_NOT_AVAILABLE",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "REQUEST_TIMED_OUT",
    "_RESOLVE",
    "_TIMED_OUT",
    "_TIMED_OUT_QUEUE",
    "_WAIT_COORD",
    "_TRANSPORT",
    "_ALL_BROKERS_DOWN",
]
LASTING = [
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "SASL_AUTHENTICATION_FAILED",
    "_AUTHENTICATION",
    "INVALID_CONFIG",
    "INVALID_REPLICATION_FACTOR",
    "POLICY_VIOLATION",
    "UNSUPPORTED_VERSION",
    "_INVALID_ARG",
]


class Cluster:
    """An administration client that answers with one topic, or with an error."""

    def __init__(self, topic: Any = None, error: KafkaException | None = None) -> None:
        self._topics = {} if topic is None else {"flights": topic}
        self._error = error

    def list_topics(self, timeout: float) -> Any:
        if self._error is not None:
            raise self._error
        return SimpleNamespace(topics=self._topics)


def topics(cluster: Cluster) -> KafkaTopics:
    found = KafkaTopics({"bootstrap.servers": "nowhere:1"})
    found._lazy = cluster  # type: ignore[assignment]
    return found


@pytest.mark.parametrize(
    ("code", "expected"), [*((c, Retryable) for c in PASSING), *((c, Permanent) for c in LASTING)]
)
def test_an_error_passes_unless_it_is_known_to_last(code: str, expected: type[SlipwayError]) -> None:
    error = KafkaException(KafkaError(getattr(KafkaError, code)))

    with pytest.raises(expected, match="look for topic flights"):
        topics(Cluster(error=error)).bounds("flights")


@pytest.mark.parametrize(
    "topic",
    [
        SimpleNamespace(error=None, partitions={}),
        SimpleNamespace(error=KafkaError(KafkaError.LEADER_NOT_AVAILABLE), partitions={}),
    ],
)
def test_a_topic_that_the_metadata_shows_in_part_may_be_tried_again(topic: Any) -> None:
    with pytest.raises(Retryable, match="flights"):
        topics(Cluster(topic)).bounds("flights")


def test_a_topic_that_may_not_be_seen_is_not_called_absent() -> None:
    refused = SimpleNamespace(error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), partitions={})

    with pytest.raises(Permanent, match="flights") as caught:
        topics(Cluster(refused)).bounds("flights")

    assert "there is no topic" not in str(caught.value)


def test_a_topic_that_is_not_there_is_absent() -> None:
    assert topics(Cluster()).describe("flights") is None
    with pytest.raises(Permanent, match="there is no topic flights"):
        topics(Cluster()).bounds("flights")
