"""What the ledger keeps, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from slipway.domain.evidence import Digest, Verdict
from slipway.domain.states import Blocker, State


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
