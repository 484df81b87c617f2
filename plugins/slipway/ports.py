"""What the use cases need of the world, as small protocols; adapters implement them, fakes too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from slipway.domain.accounting import Compared, ComparedKpi, Counted
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance, Digest, Verdict
from slipway.domain.gaps import Gap, Held
from slipway.domain.observation import Observation
from slipway.domain.restatements import ClosedPeriod, Moved, PeriodClose, Restatement
from slipway.domain.states import Blocker, State
from slipway.domain.waivers import Waiver
from slipway.errors import Retryable

if TYPE_CHECKING:  # brings sqlglot, which the parsing of DAGs does without
    from slipway.domain.draft import Draft
    from slipway.domain.measures import CompiledKpi

# --- time -------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """The wall clock; validity of evidence and sign-offs is measured on it and on nothing else."""

    def now(self) -> datetime:
        """Return the present, aware, UTC."""
        ...

    def pause(self, span: timedelta) -> None:
        """Wait before something that can't call us is looked at again."""
        ...


# --- connections ------------------------------------------------------------------------------------------


class ConnectionState(StrEnum):
    """What became of looking at a connection."""

    OK = "ok"
    ABSENT = "absent"
    UNREACHABLE = "unreachable"
    LACKING = "not enough"


@dataclass(frozen=True, slots=True)
class ConnectionSeen:
    """One Airflow connection and the system behind it. fix: what to do; empty when all is well."""

    conn_id: str
    state: ConnectionState
    seen: str
    wanted: str
    fix: str


# --- topics and schemas -----------------------------------------------------------------------------------


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


# --- dead letters -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record that was refused. partition, offset: in the dead letters; at: when it came there, UTC."""

    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]

    @property
    def place(self) -> str:
        """The name by which people choose it: partition and offset in the dead letters."""
        return f"{self.partition}:{self.offset}"

    @property
    def identity(self) -> str:
        """The name by which the ledger knows it: place and instant, for a new topic has the old places."""
        return f"{self.place}@{self.at.astimezone(UTC).isoformat(timespec='milliseconds')}"


@dataclass(frozen=True, slots=True)
class Resent:
    """A record to be sent to the raw topic again. at: its arrival where the producer says it, else None."""

    key: bytes | None
    value: bytes
    headers: Mapping[str, bytes]
    at: datetime | None = None


class DeadLetters(Protocol):
    """Dead letters in Kafka, and the way back from them."""

    def read(self, topic: str) -> Iterator[DeadLetter]:
        """Yield what the topic held when the call began, by partition; Permanent when there is no topic."""
        ...

    def get(self, topic: str, partition: int, offset: int) -> DeadLetter | None: ...

    def send(self, topic: str, records: Sequence[Resent]) -> None:
        """Send records and wait for each; Retryable when one is not confirmed, and it may be there or not.

        Gives up within 15 s: what it has not sent by then will never be.
        """
        ...

    def marks(self, topic: str, since: Mapping[int, int], header: str) -> Collection[str]:
        """Return the values of a header of all records from these offsets on, up to the present."""
        ...

    def newest_arrival(self, topic: str) -> datetime | None:
        """Return the largest timestamp of any record, UTC; None when the topic is empty."""
        ...


# --- the stream engine ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobSubmission:
    """One statement set, ready to run. job_id: 32 hexadecimal digits, ours, fresh for every attempt."""

    name: str
    job_id: str
    script: str
    parallelism: int
    restore_from: str | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What the engine says of a job.

    vertices: tasks by state. checkpoints, restarts: counters since the job was submitted.
    pending: records of the topic that the job has not read yet; None when it does not say.
    """

    job_id: str
    name: str
    state: str
    vertices: Mapping[str, int]
    checkpoints: int
    restarts: int
    newest_checkpoint: str | None
    failure: str | None
    pending: int | None = None

    @property
    def running(self) -> bool:
        return self.state == "RUNNING" and set(self.vertices) == {"RUNNING"}


class Engine(Protocol):
    """The stream engine; only the adapter knows that it is Flink."""

    def free_slots(self) -> int: ...

    def submit(self, job: JobSubmission) -> None:
        """Start a job; doing it again with the same job_id while it is active changes nothing."""
        ...

    def status(self, job_id: str) -> JobStatus | None: ...

    def cancel(self, job_id: str) -> None: ...

    def stop(self, job_id: str) -> str:
        """Stop with a savepoint and return its path."""
        ...

    def checkpoint(self, job_id: str) -> None:
        """Ask for a checkpoint now, so that what was read becomes visible in the lake sooner."""
        ...

    def newest_checkpoint_on_disk(self, job_id: str) -> str | None:
        """Return the newest complete checkpoint of a job that the engine may have forgotten."""
        ...


class Scripts(Protocol):
    """The jobs' scripts, rendered from the contract; the same contract gives the same text."""

    def ingest(self, migration: Migration, schema_id: int) -> str: ...

    def revision(self, migration: Migration, revision: int, writer: str) -> str:
        """Return the script of one revision's job. writer: the warehouse role that it writes under."""
        ...

    def amend(
        self, migration: Migration, amendment: Amendment, writer: str, silver_snapshot: int | None
    ) -> str:
        """Return the bounded script that fills an amendment's side tables and ends."""
        ...

    def fold(self, migration: Migration, question: Question, writer: str) -> str:
        """Return the bounded script that folds the stream's events of a cut into side tables and ends."""
        ...

    def ingest_digest(self, migration: Migration) -> Digest: ...

    def revision_digest(self, migration: Migration) -> Digest:
        """Return the digest of what gives a revision's rows their meaning, wherever and whenever it runs."""
        ...


class Writers(Protocol):
    """Roles of the warehouse under which jobs write, one an attempt."""

    def open(self, role: str, writes: Sequence[str], reads: Sequence[str] = ()) -> None:
        """Let the role change these tables ("schema.table") and read those; again changes nothing."""
        ...

    def close(self, role: str) -> None:
        """End the role's sessions and remove it; an unknown role is left alone."""
        ...


# --- the lake ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LakeTable:
    """An Iceberg table as it is wanted. columns: (name, type, doc); partitioned_by: identity columns.

    Types: string, int, long, double, boolean, timestamptz, date, binary, decimal(p,s), map<string,binary>.
    properties: what the table must carry beside the lake's own settings.
    """

    namespace: str
    name: str
    columns: tuple[tuple[str, str, str], ...]
    partitioned_by: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def full_name(self) -> str:
        return f"{self.namespace}.{self.name}"


@dataclass(frozen=True, slots=True)
class TableDrift:
    """How a lake table differs from what is wanted; empty when it does not.

    columns: a sentence for each difference in columns, their order or the partitioning.
    properties: (seen, wanted) by key, seen is None for an absent one.
    """

    columns: tuple[str, ...] = ()
    properties: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Maintained:
    """What one maintenance of one table did; counts and bytes before and after."""

    table: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows_before: int
    rows_after: int
    content_hash_before: str
    content_hash_after: str
    snapshots_expired: int
    orphans_removed: int


class Lake(Protocol):
    """Iceberg tables by the shared catalog."""

    def ensure(self, table: LakeTable) -> bool:
        """Create the table when absent; True when it was created. A different schema is Permanent."""
        ...

    def exists(self, table: str) -> bool: ...

    def drift(self, table: LakeTable) -> TableDrift | None:
        """Return how the table differs from what is wanted; None when it is absent."""
        ...

    def set_properties(self, table: str, properties: Mapping[str, str]) -> None:
        """Set these properties and leave the others."""
        ...

    def snapshot(self, table: str) -> int | None: ...

    def data_files(self, table: str, snapshot: int, days: Sequence[date] | None = None) -> Sequence[str]:
        """Return a snapshot's Parquet files as plain paths, pruned by day; delete files are Permanent."""
        ...

    def tag(self, table: str, snapshot: int, name: str) -> None:
        """Keep a snapshot whatever its age; tagging it again changes nothing."""
        ...

    def tags(self, table: str) -> Mapping[str, int]:
        """Return the snapshot of each tag."""
        ...

    def untag(self, table: str, names: Collection[str]) -> None:
        """Remove tags, so that their snapshots may expire; a name that is no tag is passed over."""
        ...

    def row_count(self, table: str, snapshot: int) -> int: ...

    def maintain(
        self, table: str, before: date, keep_snapshots_after: datetime, remove_orphans_before: datetime
    ) -> Maintained:
        """Compact partitions of days before `before`; expire untagged snapshots; remove unreached files."""
        ...

    def rollback_to_checkpoint(self, table: str, job_ids: Collection[str], checkpoint: int) -> int | None:
        """Take back what the jobs committed after a checkpoint; None: the table is empty then."""
        ...

    def drop(self, table: str) -> None: ...


# --- the warehouse ----------------------------------------------------------------------------------------


class Source(StrEnum):
    """Which side readers of a KPI get."""

    BATCH = "batch"
    CANARY = "canary"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Route:
    """The row that decides what readers of one KPI see.

    canary: segment values by segment column, served by the stream while source is CANARY.
    from_period: business days before it stay on batch. epoch: raised by every change.
    """

    kpi: str
    source: Source
    revision: int | None
    canary: Mapping[str, Sequence[str]]
    from_period: date
    epoch: int


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """One line of serving.switch_log: the point of no return of a change of routes.

    begun: when the transaction began; not in the ledger's mirror.
    """

    id: int
    migration: str
    kpi: str
    epoch: int
    action: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    evidence: Digest | None
    by: str
    reason: str
    dag_run: str
    at: datetime
    begun: datetime | None = field(default=None, compare=False)

    @property
    def seconds(self) -> float | None:
        """How long the transaction had been open when it wrote this line; None for a line without a start."""
        return None if self.begun is None else (self.at - self.begun).total_seconds()


# --- baseline, checks, evidence ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BaselineRun:
    """One dbt build. nodes: (unique id, status, seconds, message); ok is False when any of them failed."""

    run_id: str
    as_of: datetime
    ok: bool
    nodes: tuple[tuple[str, str, float, str], ...]


class Baseline(Protocol):
    """The batch side; every build leaves a row in batch.slipway_run, which the cut pins."""

    def begin(self, migration: str, as_of: datetime, loaded_through: datetime, at: datetime, by: str) -> str:
        """Record that the batch tables are about to change; returns the run's id."""
        ...

    def build(self, migration: str, as_of: datetime, run_id: str) -> BaselineRun:
        """Build the models and run their tests; Retryable when another build runs or the warehouse left."""
        ...

    def finish(self, run: BaselineRun, at: datetime) -> None:
        """Record how the run went; only then may something be compared with its rows."""
        ...


class EvidenceStore(Protocol):
    """Content-addressed files: evidence documents, compared rows, reports."""

    def put(self, document: Mapping[str, Any]) -> Digest: ...

    def get(self, digest: Digest) -> Mapping[str, Any]: ...

    def keep_file(self, path: Path) -> Digest:
        """Move a finished file into the store under its SHA-256; the same content is stored once."""
        ...

    def path_of(self, digest: Digest) -> Path: ...


# --- reconciliation ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BatchRun:
    """The newest dbt build as the warehouse tells it. loaded_through: arrivals below it are in, UTC.

    building: it has begun and not ended; it is not ok then either.
    """

    run_id: str
    as_of: datetime
    loaded_through: datetime
    ok: bool
    building: bool = False


class Facts(Protocol):
    """What the warehouse knows about the two sides; read-only."""

    def batch_run(self, migration: str) -> BatchRun | None: ...

    def replayed_through(self, topic: str) -> datetime | None:
        """Return the arrival instant up to which history was replayed into a topic; None when none was."""
        ...

    def amendments(self, migration: str, revision: int) -> Sequence[int]:
        """Return ids of the amendments that readers of the stream's tables already see, ascending."""
        ...


@dataclass(frozen=True, slots=True)
class LakeFiles:
    """Parquet files of the tables of one cut. silver_of_days: those of silver that hold the compared days."""

    bronze: Sequence[str]
    silver: Sequence[str]
    silver_of_days: Sequence[str]
    late: Sequence[str]
    rejected: Sequence[str]


@dataclass(frozen=True, slots=True)
class Question:
    """What to compare: the days from `first` on, judged up to `closed_through`, shown up to `last`.

    snapshots: those of the cut, by table, for an engine that reads the tables themselves.
    row_by_row: closed days whose events are compared one by one, for differences that cancel; None: all.
    whole: leave out rows that close later than this day; None: they are shown as open.
    waivers: those that stand; waiver_at_most: what all of them may accept on a day, as a share of batch.
    close_from: share of a cell's tolerance from which on a difference is told though it passes.
    """

    revision: int
    offsets: Mapping[int, int]
    files: LakeFiles
    first: date
    closed_through: date
    last: date
    batch_through: datetime
    amendments: tuple[int, ...]
    snapshots: Mapping[str, int] = field(default_factory=dict)
    row_by_row: tuple[date, ...] | None = None
    whole: date | None = None
    waivers: tuple[Waiver, ...] = ()
    waiver_at_most: Decimal = Decimal(1)
    close_from: Decimal = Decimal(1)


class Comparison(Protocol):
    """Batch, recompute and stream side by side, in a query engine of its own."""

    def held(
        self,
        migration: Migration,
        bronze: Sequence[str],
        offsets: Mapping[int, int],
        earliest: Mapping[int, int],
        settled: Mapping[int, int],
    ) -> Held:
        """Look at bronze alone: how far has it got, and which offsets below the end does it lack?

        settled: by partition, the offset below which gaps need not be listed.
        """
        ...

    def count(
        self, migration: Migration, files: LakeFiles, offsets: Mapping[int, int], earliest: Mapping[int, int]
    ) -> Counted:
        """Count where every record below the end offsets went; earliest: first offset the topic still has."""
        ...

    def compare(self, migration: Migration, question: Question, store: EvidenceStore) -> Compared:
        """Compare all KPIs; the rows and events that were compared are kept in the store."""
        ...

    def repeat(
        self,
        migration: Migration,
        question: Question,
        kept: Mapping[str, Mapping[str, Path]],
        amended: Path | None = None,
    ) -> Mapping[str, ComparedKpi]:
        """Compare again from kept files (`rows`, `events` by KPI); silver is folded where files are given.

        amended: the kept places of late rows that count. Nothing is read but these files and the lake's.
        """
        ...

    def version(self) -> str:
        """Return the engine and its version."""
        ...


class ClosedRows(Protocol):
    """The rows of closed periods as they were signed, beside those of today."""

    def moved(
        self, migration: Migration, revision: int, closed: Sequence[ClosedPeriod], store: EvidenceStore
    ) -> Sequence[Moved]:
        """Return every value that is not what was signed, of batch and of the revision's stream rows.

        A KPI is left out where its grain changed since, and a measure where its meaning did.
        """
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation and how it went. seen: what was found, in a few words.

    kpi: whose rows it is about; empty for events and records. source: what asked for it. otherwise: what a
    night is when it does not hold.
    """

    suite: str
    name: str
    column: str
    success: bool
    seen: str
    kpi: str = ""
    source: Literal["derived", "contract"] = "derived"
    otherwise: Literal["warn", "fail"] = "fail"


@dataclass(frozen=True, slots=True)
class Checked:
    """Results of all suites. success: of those that fail a night. docs: their pages, outside any digest."""

    success: bool
    checks: tuple[Check, ...]
    version: str
    docs: str


class Expectations(Protocol):
    """The checks of data quality: those that follow from the contract, and its own."""

    def check(
        self,
        migration: Migration,
        silver: Sequence[str],
        days: tuple[date, date],
        balance: Balance,
        compared: Compared,
        rows: Mapping[str, Path],
        label: str,
    ) -> Checked:
        """Run the suites on the accepted events and served rows of closed days, and on the comparison.

        silver: files that hold the events of the days. days: first and last, both included. rows: by KPI, the
        file of its compared rows.
        """
        ...


class Reports(Protocol):
    """Pages for people."""

    def write(self, document: Mapping[str, Any], digest: Digest, context: Mapping[str, Any]) -> str:
        """Write the one page of a night and return its path; context holds what no digest may hold."""
        ...

    def write_observation(self, seen: Observation) -> str:
        """Write the page of a whole observation and return its path; it replaces the one before."""
        ...


# --- amendments -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AmendedEvent:
    """A late row that counts because somebody decided so; its place tells it from others of its id.

    leaves: the days on which older versions of the id count until then; none with keep: first, and not known
    of a row that counts already. replaces: whether an accepted version was among them, which then counts no
    more; versions that are accepted later count besides. amendment: the decision, once it is applied.
    """

    event_id: str
    business_day: date
    kafka_partition: int
    kafka_offset: int
    leaves: tuple[date, ...] = field(default=(), compare=False)
    replaces: bool = field(default=False, compare=False)
    amendment: int = field(default=0, compare=False)

    @property
    def days(self) -> frozenset[date]:
        """The days whose numbers change when the row counts."""
        return frozenset({self.business_day, *self.leaves})


class LateRows(Protocol):
    """Late rows of closed days, computed from the lake's files without the stream engine."""

    def pick(
        self,
        migration: Migration,
        silver: Sequence[str],
        late: Sequence[str],
        amended: Sequence[AmendedEvent],
        days: Collection[date],
    ) -> Sequence[AmendedEvent]:
        """Return the late rows that count nothing yet and would change no other days than these.

        keep: first: the first row of each id that silver has not. keep: latest: the newest row of each id,
        when it is newer than every version that counts.
        """
        ...

    def fold(
        self,
        migration: Migration,
        kpi: CompiledKpi,
        silver: Sequence[str],
        late: Sequence[str],
        amended: Sequence[AmendedEvent],
        days: Collection[date],
    ) -> Sequence[tuple[Any, ...]]:
        """Return the KPI's rows that close on the days (key, then measures): of silver and amended late rows.

        silver, late: files of all days that such rows hold; with keep: latest of every day.
        """
        ...


class Amendments(Protocol):
    """The warehouse's part of an amendment: side tables, the swap, and its journal."""

    def install(self) -> None:
        """Create stream.amendment and stream.amended_event when absent."""
        ...

    def amended(self, migration: str, revision: int) -> Sequence[AmendedEvent]: ...

    def applied(self, migration: str, amendment_id: int) -> int | None:
        """Return how many rows an amendment let in; None while it is not applied."""
        ...

    def prepare(
        self, migration: Migration, amendment: Amendment, events: Sequence[AmendedEvent], run: str
    ) -> str:
        """Make empty side tables and return the role that alone may write them; ends what an older run left.

        events: every late row that counts, amended now or before; the role may read their places in
        side.<names.side_events>. run: the job's id, from which the role gets a name of its own.
        """
        ...

    def side_rows(self, kpi: CompiledKpi, amendment: Amendment) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a side table that close on the amendment's days: key, then measures."""
        ...

    def swap(
        self, migration: Migration, amendment: Amendment, events: Sequence[AmendedEvent], dag_run: str
    ) -> None:
        """Replace the KPI rows that close on the days by the side tables' and write the journal, at once.

        Doing it again for an amendment that is applied changes nothing.
        """
        ...

    def clean(self, migration: Migration, amendment: Amendment) -> None:
        """Drop the side tables and their writers."""
        ...


# --- the ledger -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and from where. authenticated: the name was proven to Airflow's API."""

    name: str
    authenticated: bool
    dag_run: str = ""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One reconciliation as the ledger knows it; the newest night supersedes the others.

    period: name of the period that a close run was about; None for a night. dbt_run: that had built the batch
    side. by: who started it.
    """

    id: int
    migration: str
    digest: Digest
    verdict: Verdict
    as_of: datetime
    closed_through: date | None
    window_days: int
    window_complete: bool
    missing: tuple[str, ...]
    contract_digest: Digest
    parity_digest: Digest
    revision: int
    route_epoch: int
    report: str
    at: datetime
    period: str | None = None
    dbt_run: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class SignOff:
    """A person's word on one piece of evidence. decision: approve, reject or withdraw."""

    id: int
    migration: str
    role: str
    user: str
    decision: str
    evidence: Digest
    contract_digest: Digest
    route_epoch: int
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submission of a job. kind: ingest or revision; revision is 0 for ingest."""

    id: int
    migration: str
    kind: str
    revision: int
    attempt: int
    revision_digest: Digest
    job_id: str
    writer_role: str | None
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Amendment:
    """A recorded decision to let late rows of closed days count."""

    id: int
    migration: str
    revision: int
    days: tuple[date, ...]
    late_snapshot: int
    rows: int
    by: str
    reason: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Replay:
    """Dead letters that somebody sends to the raw topic again, recorded before the first one is sent.

    letters: identities of those chosen; sent: of those that stand in the raw topic. since: its next offset
    by partition when the decision was recorded. state: open until it is known which were sent. edited: with
    another value.
    """

    id: int
    migration: str
    dead_letters: str
    letters: tuple[str, ...]
    sent: tuple[str, ...]
    since: Mapping[int, int]
    edited: bool
    state: str
    by: str
    authenticated: bool
    reason: str
    dag_run: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A migration as the ledger knows it. version: optimistic lock of the row.

    topic_id: Kafka's id of the topic whose offsets the lake holds; None until the first deployment.
    """

    migration: str
    state: State
    revision: int | None
    cluster_id: str | None
    contract_digest: Digest | None
    version: int
    blocked_by: tuple[Blocker, ...] = field(default=())
    topic_id: str | None = None


class Ledger(Protocol):
    """The control plane's own memory; transitions, evidence, sign-offs and switches are append-only."""

    def upgrade(self) -> None:
        """Bring the ledger's schema up to this version; doing it again changes nothing."""
        ...

    def lock(self, migration: str) -> AbstractContextManager[None]:
        """Hold the migration's advisory lock; LockHeld when somebody else holds it."""
        ...

    def standing(self, migration: str) -> Standing | None: ...

    def standings(self) -> Sequence[Standing]: ...

    def adopt(self, migration: str, contract_digest: Digest, parity_digest: Digest, by: Actor) -> Standing:
        """Make the migration known, or record that its contract changed."""
        ...

    def remember_cluster(self, migration: str, cluster_id: str, by: Actor) -> None: ...

    def remember_topic(self, migration: str, topic_id: str, by: Actor) -> None:
        """Keep which topic the lake's offsets belong to; another one later is Permanent."""
        ...

    def remember_revision(self, migration: str, revision: int, digest: Digest, by: Actor) -> None:
        """Record a number's meaning for good; the current revision stays what it is."""
        ...

    def make_current(self, migration: str, revision: int) -> None:
        """Let a remembered revision, which is through its gate, be the one that a standing names."""
        ...

    def revisions(self, migration: str) -> Mapping[int, Digest]: ...

    def advance(
        self, migration: str, to: State, by: Actor, reason: str, blocked_by: Sequence[Blocker] = ()
    ) -> Standing:
        """Append a transition and set the state; the same state again only refreshes the blockers.

        Permanent when the rail has no such edge, or when CANARY or SWITCHED lacks its row in the journal.
        """
        ...

    def transitions(self, migration: str) -> Sequence[Mapping[str, Any]]: ...

    def open_attempt(self, attempt: Attempt) -> Attempt:
        """Record an attempt before its job is submitted; id and at are given by the ledger."""
        ...

    def close_attempt(self, attempt_id: int, state: str, savepoint: str | None = None) -> None: ...

    def attempts(self, migration: str, kind: str | None = None) -> Sequence[Attempt]:
        """Return attempts, newest first."""
        ...

    def record_reconciliation(
        self,
        found: Reconciliation,
        document: Mapping[str, Any],
        by: Actor,
        restatements: Sequence[Restatement] = (),
    ) -> Reconciliation:
        """Append evidence, reconciliation and what it found restated, all or nothing.

        id, at and by are given by the ledger.
        """
        ...

    def reconciliations(self, migration: str, limit: int = 30) -> Sequence[Reconciliation]:
        """Return the nights, newest first; close runs are not among them."""
        ...

    def close_runs(self, migration: str, limit: int = 30) -> Sequence[Reconciliation]:
        """Return the close runs of all periods, newest first."""
        ...

    def sign_close(self, sign_off: SignOff, close: PeriodClose | None) -> SignOff:
        """Append a word on a close run and, when it makes the quorum whole, the close: both or none.

        id, at and the close's last_word are given by the ledger.
        """
        ...

    def closes(self, migration: str) -> Sequence[PeriodClose]:
        """Return every close ever signed, oldest first; supersedes names the one before of the period."""
        ...

    def restatements(self, migration: str) -> Sequence[Restatement]:
        """Return every restatement of every close, oldest first."""
        ...

    def evidence(self, digest: Digest) -> Mapping[str, Any] | None: ...

    def sign(self, sign_off: SignOff) -> SignOff: ...

    def sign_offs(self, migration: str, evidence: Digest | None = None) -> Sequence[SignOff]:
        """Return sign-offs, oldest first."""
        ...

    def mirror_switches(self, rows: Sequence[SwitchRow]) -> int:
        """Bring the ledger's journal in line with serving.switch_log; return how many rows were new."""
        ...

    def switches(self, migration: str) -> Sequence[SwitchRow]: ...

    def open_amendment(self, amendment: Amendment) -> Amendment: ...

    def close_amendment(self, amendment_id: int, state: str, rows: int) -> None: ...

    def amendments(self, migration: str, revision: int) -> Sequence[Amendment]: ...

    def open_replay(self, replay: Replay) -> Replay:
        """Record which dead letters are about to be sent again; id and at are given by the ledger."""
        ...

    def close_replay(self, replay_id: int, sent: Sequence[str]) -> None:
        """Record which of them stand in the raw topic now; the others may be chosen again."""
        ...

    def replays(self, migration: str) -> Sequence[Replay]:
        """Return replays of dead letters, oldest first."""
        ...

    def waive(self, waiver: Waiver) -> Waiver:
        """Append a waiver; id and at are given by the ledger."""
        ...

    def withdraw_waiver(self, waiver_id: int, by: Actor, reason: str) -> Waiver:
        """Append the end of a waiver; Permanent when there is none of that id, or it has ended already."""
        ...

    def waivers(self, migration: str) -> Sequence[Waiver]:
        """Return every waiver ever given, oldest first, with its withdrawal."""
        ...

    def note_origin(self, dag_id: str, run_id: str, user: str | None, triggered_by: str) -> None:
        """Record how a DAG run was started; the first record of a run stands."""
        ...

    def origin(self, dag_id: str, run_id: str) -> tuple[str | None, str] | None:
        """Return (user, triggered_by) of a run; None when nobody recorded it."""
        ...

    def request_cutover(self, migration: str, by: Actor, reason: str, evidence: Digest | None) -> None:
        """Record that somebody asked for a cutover on this evidence; the same run asks once."""
        ...

    def cutover_requests(self, migration: str, limit: int = 10) -> Sequence[Mapping[str, Any]]:
        """Return requests (by, authenticated, evidence, reason, dag_run, at), newest first."""
        ...

    def incident(self, migration: str, severity: str, what: str, by: Actor) -> int: ...

    def incidents(self, migration: str) -> Sequence[Mapping[str, Any]]: ...

    def record_maintenance(self, migration: str, done: Maintained, by: Actor) -> None: ...

    def maintenance(self, migration: str, limit: int = 50) -> Sequence[Mapping[str, Any]]: ...


class EpochMoved(Retryable):
    """A route was changed by somebody else since it was read; nothing was written."""


@dataclass(frozen=True, slots=True)
class RouteChange:
    """A wished change of one route, bound to the epoch that was seen."""

    seen: Route
    source: Source
    revision: int | None
    canary: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class ReaderChange:
    """How batch and stream differ in one KPI where a route moves readers; open days included.

    measures: by measure, in how many rows it differs and by how much in all (stream minus batch, as text).
    """

    kpi: str
    rows: int
    changed: int
    only_in_batch: int
    only_in_stream: int
    measures: Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Served:
    """What a reader of one KPI gets now. rows: by served_from; strays: rows that its route does not give."""

    kpi: str
    rows: Mapping[str, int]
    strays: int


@dataclass(frozen=True, slots=True)
class Published:
    """What the warehouse has of one KPI.

    owner: the migration that its route belongs to; None without a route.
    wrong: a sentence for each column of its tables that is not as the contract makes it.
    """

    kpi: str
    view: bool
    owner: str | None
    wrong: tuple[str, ...] = ()


class Serving(Protocol):
    """What readers see: the routed views, the routes and their journal, in the warehouse."""

    def install(self) -> None:
        """Create schemas serving, stream and batch, route and switch_log when absent."""
        ...

    def publish(self, migration: Migration, revisions: Sequence[int]) -> None:
        """(Re)create serving.<kpi> with a branch for batch and for each revision, and its route row.

        Branches that it has already are kept. Creates batch.<kpi> and stream.<kpi>__r<N> where absent.
        """
        ...

    def published(self, migration: Migration) -> Sequence[Published]:
        """Look at the view, the route and the tables of every KPI; nothing is changed."""
        ...

    def routes(self, kpis: Sequence[str]) -> Sequence[Route]: ...

    def change(
        self,
        migration: str,
        changes: Sequence[RouteChange],
        action: str,
        evidence: Digest | None,
        by: Actor,
        reason: str,
    ) -> Sequence[SwitchRow]:
        """Change all routes and write their journal in one transaction; EpochMoved when one has moved."""
        ...

    def journal(self, migration: str, after_id: int = 0) -> Sequence[SwitchRow]:
        """Return rows of serving.switch_log, oldest first."""
        ...

    def batch_through(self, migration: Migration) -> Mapping[str, date | None]:
        """Return the newest business day of each batch table; None when it is empty."""
        ...

    def reader_changes(self, migration: Migration, revision: int) -> Sequence[ReaderChange]:
        """Compare both sides of every KPI from its from_period on, as readers would see them."""
        ...

    def served(self, migration: Migration) -> Sequence[Served]:
        """Read every KPI's view as a reader does and hold it against its route."""
        ...


class Drafts(Protocol):
    """Where the files of a new migration are put."""

    def refuse_taken(self, name: str) -> None:
        """Refuse, Permanent, a name that has files already."""

    def write(self, draft: Draft) -> Sequence[Path]:
        """Write all files of a draft and return them, the contract first; on any failure there is none."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything a use case may reach. Built in bootstrap.py, or of fakes in unit tests."""

    clock: Clock
    ledger: Ledger
    topics: Topics
    schemas: Schemas
    engine: Engine
    scripts: Scripts
    writers: Writers
    lake: Lake
    serving: Serving
    baseline: Baseline
    evidence: EvidenceStore
    facts: Facts
    comparison: Comparison
    expectations: Expectations
    reports: Reports
    amendments: Amendments
    late_rows: LateRows
    closed_rows: ClosedRows
    dead_letters: DeadLetters
