"""The steps of provisioning: each is data, with what was seen, what is wanted, why, and whether it is safe.

`advice` says what a person can do about a step that is not simply safe; it is empty for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from slipway.domain.changes import Change, Effect
from slipway.domain.evidence import Digest
from slipway.domain.states import State
from slipway.ports import LakeTable, TopicSpec


class Safety(StrEnum):
    """Whether a step may be carried out."""

    SAFE = "safe"
    CONFIRM = "needs confirmation"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that provisioning will not do, because data, order or somebody else's work would be lost."""

    what: str
    seen: str
    wanted: str
    reason: str
    advice: str
    safety: Safety = Safety.REFUSED


@dataclass(frozen=True, slots=True)
class ChangeField:
    """One field of the contract that is not as it was adopted; adopting the contract carries it out."""

    change: Change

    @property
    def what(self) -> str:
        return f"contract {self.change.path}"

    @property
    def seen(self) -> str:
        return self.change.before

    @property
    def wanted(self) -> str:
        return self.change.after

    @property
    def reason(self) -> str:
        return f"{self.change.effect.value}: {self.change.why}"

    @property
    def safety(self) -> Safety:
        match self.change.effect:
            case Effect.COMPATIBLE:
                return Safety.SAFE
            case Effect.REFUSED:
                return Safety.REFUSED
            case Effect.REVISION | Effect.RESTARTS:
                return Safety.CONFIRM

    @property
    def advice(self) -> str:
        match self.safety:
            case Safety.SAFE:
                return ""
            case Safety.CONFIRM:
                return "apply with confirmation, or put the old value back into the contract"
            case Safety.REFUSED:
                return self.change.advice or "put the old value back into the contract"


@dataclass(frozen=True, slots=True)
class AdoptContract:
    """Make the contract known to the ledger."""

    seen: str
    contract: Digest
    parity: Digest
    reason: str = "the ledger keeps what was agreed, and notices when it changes"
    safety: Safety = Safety.SAFE
    advice: str = ""

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
    safety: Safety = Safety.SAFE
    advice: str = ""

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
    safety: Safety = Safety.SAFE
    advice: str = ""

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
    safety: Safety
    advice: str

    @property
    def what(self) -> str:
        return f"topic {self.topic}"

    @property
    def wanted(self) -> str:
        return pairs(self.config)


@dataclass(frozen=True, slots=True)
class ResetTopic:
    """Take configuration keys off a topic that the contract knows nothing of. config: what counts then."""

    topic: str
    config: Mapping[str, str]
    seen: str
    reason: str = "set by hand; it decides which records the topic takes and keeps, and no contract says so"
    safety: Safety = Safety.CONFIRM
    advice: str = (
        "it can't be adopted, for no key of the contract says it; to revert it apply with confirmation, or "
        "set it back with Kafka's own tools"
    )

    @property
    def what(self) -> str:
        return f"topic {self.topic}: keys set by hand"

    @property
    def wanted(self) -> str:
        return pairs(self.config)


@dataclass(frozen=True, slots=True)
class ReplicateTopic:
    """A topic with fewer replicas than the cluster could hold; giving it more is a person's work."""

    topic: str
    replicas: int
    needed: int
    brokers: int
    safety: Safety = Safety.CONFIRM

    @property
    def what(self) -> str:
        return f"topic {self.topic}: replicas"

    @property
    def seen(self) -> str:
        return f"{self.replicas} replicas" if self.replicas > 1 else "1 replica"

    @property
    def wanted(self) -> str:
        return f"{self.needed} replicas"

    @property
    def reason(self) -> str:
        return (
            f"the cluster has {self.brokers} brokers, but the topic bears the loss of fewer of them than it "
            "could; its min.insync.replicas follows the replicas that it has"
        )

    @property
    def advice(self) -> str:
        return (
            "give it more replicas with kafka-reassign-partitions, which no plan does, and plan again; or "
            "apply with confirmation to go on with those that it has"
        )


@dataclass(frozen=True, slots=True)
class SetCompatibility:
    """Set the subject's compatibility, for the registry's default may be none."""

    subject: str
    level: str
    seen: str
    safety: Safety
    advice: str = ""
    reason: str = "jobs decode events of every age with the newest schema"

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
    safety: Safety = Safety.SAFE
    advice: str = ""

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
    safety: Safety = Safety.SAFE
    advice: str = ""

    @property
    def what(self) -> str:
        return f"lake table {self.table.full_name}"

    @property
    def wanted(self) -> str:
        return f"{len(self.table.columns)} columns, partitioned by {', '.join(self.table.partitioned_by)}"


@dataclass(frozen=True, slots=True)
class SetTableProperties:
    """Set properties of a lake table; its rows are not touched."""

    table: str
    properties: Mapping[str, str]
    seen: str
    reason: str
    safety: Safety
    advice: str

    @property
    def what(self) -> str:
        return f"lake table {self.table}"

    @property
    def wanted(self) -> str:
        return pairs(self.properties)


@dataclass(frozen=True, slots=True)
class InstallServing:
    """Create the warehouse's schemas, the routed views and the tables of amendments."""

    kpis: tuple[str, ...]
    seen: str
    reason: str = "readers use the routed view from the first day, still on batch"
    safety: Safety = Safety.SAFE
    advice: str = ""

    @property
    def what(self) -> str:
        return "serving views"

    @property
    def wanted(self) -> str:
        return ", ".join(f"serving.{kpi}" for kpi in self.kpis)


@dataclass(frozen=True, slots=True)
class DrainTopic:
    """Leave an old topic for a new one; carrying it out is a person's word that nobody writes the old one.

    unread: records that the jobs have not committed yet; None when no job says. ingested: whether the lake
    holds records of the old topic, which rules it out.
    """

    old: str
    new: str
    unread: int | None
    ingested: bool = False
    reason: str = "within a key, what the old topic has comes before what the new one gets"

    @property
    def what(self) -> str:
        return f"topic {self.old}: drain"

    @property
    def seen(self) -> str:
        return "no job tells how far it is" if self.unread is None else f"{self.unread} records unread"

    @property
    def wanted(self) -> str:
        return f"0 unread, producers on {self.new}"

    @property
    def safety(self) -> Safety:
        return Safety.CONFIRM if self.unread == 0 and not self.ingested else Safety.REFUSED

    @property
    def advice(self) -> str:
        if self.ingested:
            return (
                f"a drain is only for a migration whose lake is still empty, and this one holds records of "
                f"{self.old}; what works: keep {self.old} here, and make a new migration on {self.new} with "
                "KPIs of its own names"
            )
        return (
            f"1. stop the producers of {self.old}; 2. let the jobs read it to its end (this step then shows "
            f"0 unread); 3. apply with confirmation; 4. copy its history into {self.new}, key by key in the "
            "old order; 5. start the producers on the new topic; 6. deploy the new revision"
        )


@dataclass(frozen=True, slots=True)
class Advance:
    """Set the state."""

    seen: str = "not provisioned"
    to: State = State.PROVISIONED
    reason: str = "all of the above is there"
    safety: Safety = Safety.SAFE
    advice: str = ""

    @property
    def what(self) -> str:
        return "state"

    @property
    def wanted(self) -> str:
        return self.to.value


Step = (
    Refused
    | ChangeField
    | AdoptContract
    | RememberCluster
    | CreateTopic
    | ConfigureTopic
    | ResetTopic
    | ReplicateTopic
    | SetCompatibility
    | RegisterSchema
    | CreateLakeTable
    | SetTableProperties
    | InstallServing
    | DrainTopic
    | Advance
)


def pairs(config: Mapping[str, str]) -> str:
    """Return configuration keys and values on one line."""
    return ", ".join(f"{key}={value}" for key, value in sorted(config.items()))
