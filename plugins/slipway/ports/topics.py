"""Topics and the schemas of what they hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from slipway.domain.gaps import Gap


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it is wanted, or as it was seen.

    config: what is set on the topic itself; defaults: what the cluster gives it for keys that are not set.
    """

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]
    defaults: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def in_force(self, key: str) -> str | None:
        """Return the value that counts; None when nobody told the cluster's default."""
        return self.config.get(key, self.defaults.get(key))


class Topics(Protocol):
    """Kafka, as far as the control plane needs it."""

    def cluster_id(self) -> str: ...

    def brokers(self) -> int: ...

    def describe(self, name: str) -> TopicSpec | None:
        """Return the topic with the configuration that was set on it by hand or by us; None when absent."""
        ...

    def create(self, spec: TopicSpec) -> None: ...

    def configure(self, name: str, config: Mapping[str, str]) -> None: ...

    def reset(self, name: str, keys: Collection[str]) -> None:
        """Take keys off the topic, so that the cluster's defaults count again."""
        ...

    def bounds(self, name: str) -> Mapping[int, tuple[int, int]]:
        """Return {partition: (earliest offset, next offset)}."""
        ...

    def identity(self, name: str) -> str | None:
        """Return the id that the cluster gave the topic when it was created; None when it is absent.

        A topic that was deleted and made again under its name has another one.
        """
        ...

    def proven_empty(self, name: str, gaps: Sequence[Gap]) -> Sequence[Gap]:
        """Return the gaps, ascending, in which a reader of committed records gets nothing.

        Such offsets are markers of transactions or records of aborted ones. A gap that the topic has not
        reached, or whose first offset is gone, is not proven.
        """
        ...

    def unread(self, name: str, group: str) -> int | None:
        """Return how many records a consumer group has not committed yet; None when it never committed."""
        ...


class Schemas(Protocol):
    """A Confluent-compatible schema registry."""

    def compatibility(self, subject: str) -> str | None: ...

    def set_compatibility(self, subject: str, level: str) -> None: ...

    def latest(self, subject: str) -> str | None:
        """Return the newest schema's text; None when the subject is unknown."""
        ...

    def versions(self, subject: str) -> Sequence[str]:
        """Return the texts of all versions, oldest first; none when the subject is unknown."""
        ...

    def accepts(self, subject: str, schema: str) -> bool:
        """Say whether the subject's own level lets this schema in beside all of its versions."""
        ...

    def identify(self, subject: str, schema: str) -> int | None:
        """Return the id under which the subject holds this very schema; None when it does not."""
        ...

    def register(self, subject: str, schema: str) -> int: ...

    def text(self, schema_id: int) -> str | None:
        """Return the text of the Avro schema of an id; None when there is none."""
        ...
