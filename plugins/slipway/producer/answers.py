"""Kafka's answers as results."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaError, Message

from slipway.producer.events import Result, Status

OnResult = Callable[[Result], None]
_LASTING = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.INVALID_RECORD,
        KafkaError._INVALID_ARG,
        KafkaError._FATAL,
    }
)
"""Errors of a record that trying again does not mend."""
_NO_TOPIC = frozenset({KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART})


def put(results: list[Result | None], index: int, result: Result) -> None:
    """Put a result into its place."""
    results[index] = result


def delivery(results: list[Result | None], topic: str, migration: str) -> Callable[..., None]:
    """Return what puts Kafka's answer for a record of the topic into its place among the results."""

    def delivered(index: int, error: KafkaError | None, message: Message | None) -> None:
        if error is None and message is not None:  # written out, for it is done for each event of a batch
            results[index] = Result(
                "delivered",
                topic,
                message.partition(),  # type: ignore[arg-type]  # a delivered record has its place
                message.offset(),  # type: ignore[arg-type]
                message.timestamp()[1],
            )
        else:
            results[index] = _failed(topic, migration, "", error)

    return delivered


def told(
    on_result: OnResult,
    topic: str,
    migration: str,
    status: Status,
    reason: str,
    error: KafkaError | None,
    message: Message | None,
) -> None:
    """Hand Kafka's answer for a record of the topic on as a result."""
    if message is None or error:
        on_result(_failed(topic, migration, reason, error))
    else:
        on_result(_stands(status, message, reason))


def _stands(status: Status, message: Message, reason: str = "") -> Result:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    return Result(status, topic, partition, offset, message.timestamp()[1], reason)  # type: ignore[arg-type]


def _failed(topic: str, migration: str, reason: str, error: KafkaError | None) -> Result:
    what = "no answer" if error is None else str(error.str())
    if error is not None and error.code() in _NO_TOPIC:
        what = f"there is no topic {topic}; run the DAG `{migration}.provision` first"
    lasting = error is not None and (error.fatal() or error.code() in _LASTING)
    return Result("failed", topic, reason=reason, error=what, retriable=not lasting)
