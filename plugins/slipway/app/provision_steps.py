"""The steps of provisioning: each is data, with what was seen, what is wanted, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slipway.domain.evidence import Digest
from slipway.domain.states import State
from slipway.ports import LakeTable, TopicSpec


@dataclass(frozen=True, slots=True)
class AdoptContract:
    """Make the contract known to the ledger."""

    seen: str
    contract: Digest
    parity: Digest
    reason: str = "the ledger keeps what was agreed, and notices when it changes"

    @property
    def what(self) -> str:
        return "ledger: contract"

    @property
    def wanted(self) -> str:
        return self.contract[:12]


@dataclass(frozen=True, slots=True)
class RememberCluster:
    """Tie the migration to the Kafka cluster, for offsets of another cluster mean something else."""

    cluster_id: str
    seen: str = "none"
    reason: str = "offsets count in one cluster only"

    @property
    def what(self) -> str:
        return "ledger: Kafka cluster"

    @property
    def wanted(self) -> str:
        return self.cluster_id


@dataclass(frozen=True, slots=True)
class CreateTopic:
    """Create a topic."""

    topic: TopicSpec
    reason: str
    seen: str = "absent"

    @property
    def what(self) -> str:
        return f"topic {self.topic.name}"

    @property
    def wanted(self) -> str:
        topic = self.topic
        return f"{topic.partitions} partitions, {topic.replication} replicas, {pairs(topic.config)}"


@dataclass(frozen=True, slots=True)
class ConfigureTopic:
    """Set configuration keys of a topic that exists."""

    topic: str
    config: Mapping[str, str]
    seen: str
    reason: str

    @property
    def what(self) -> str:
        return f"topic {self.topic}"

    @property
    def wanted(self) -> str:
        return pairs(self.config)


@dataclass(frozen=True, slots=True)
class SetCompatibility:
    """Set the subject's compatibility, for the registry's default may be none."""

    subject: str
    level: str
    seen: str
    reason: str = "jobs decode old and new events with the newest schema"

    @property
    def what(self) -> str:
        return f"subject {self.subject}: compatibility"

    @property
    def wanted(self) -> str:
        return self.level


@dataclass(frozen=True, slots=True)
class RegisterSchema:
    """Register the contract's schema."""

    subject: str
    schema: str
    seen: str
    reason: str = "producers and jobs agree on one schema"

    @property
    def what(self) -> str:
        return f"subject {self.subject}: schema"

    @property
    def wanted(self) -> str:
        return "the contract's schema"


@dataclass(frozen=True, slots=True)
class CreateLakeTable:
    """Create an Iceberg table."""

    table: LakeTable
    reason: str
    seen: str = "absent"

    @property
    def what(self) -> str:
        return f"lake table {self.table.full_name}"

    @property
    def wanted(self) -> str:
        return f"{len(self.table.columns)} columns, partitioned by {', '.join(self.table.partitioned_by)}"


@dataclass(frozen=True, slots=True)
class InstallServing:
    """Create the warehouse's schemas, the routed views and the tables of amendments."""

    kpis: tuple[str, ...]
    seen: str
    reason: str = "readers use the routed view from the first day, still on batch"

    @property
    def what(self) -> str:
        return "serving views"

    @property
    def wanted(self) -> str:
        return ", ".join(f"serving.{kpi}" for kpi in self.kpis)


@dataclass(frozen=True, slots=True)
class Advance:
    """Set the state."""

    seen: str
    to: State = State.PROVISIONED
    reason: str = "all of the above is there"

    @property
    def what(self) -> str:
        return "state"

    @property
    def wanted(self) -> str:
        return self.to.value


Step = (
    AdoptContract
    | RememberCluster
    | CreateTopic
    | ConfigureTopic
    | SetCompatibility
    | RegisterSchema
    | CreateLakeTable
    | InstallServing
    | Advance
)


def pairs(config: Mapping[str, str]) -> str:
    """Return configuration keys and values on one line."""
    return ", ".join(f"{key}={value}" for key, value in sorted(config.items()))
