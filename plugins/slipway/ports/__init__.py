"""What the use cases need of the world, as small protocols; adapters implement them, fakes too."""

from __future__ import annotations

from slipway.ports.amendments import AmendedEvent, Amendments, LateRows
from slipway.ports.baseline import Baseline, BaselineRun
from slipway.ports.clock import Clock
from slipway.ports.comparison import (
    BatchRun,
    ClosedRows,
    Comparison,
    EvidenceStore,
    Facts,
    LakeFiles,
    Question,
)
from slipway.ports.connections import ConnectionSeen, ConnectionState
from slipway.ports.dead_letters import DeadLetter, DeadLetters, Resent
from slipway.ports.drafts import Drafts
from slipway.ports.engine import Engine, JobStatus, JobSubmission, Scripts, Writers
from slipway.ports.findings import Check, Checked, Expectations, Reports
from slipway.ports.lake import Lake, LakeTable, Maintained, TableDrift
from slipway.ports.ledger import Ledger
from slipway.ports.records import Actor, Amendment, Attempt, Reconciliation, Replay, SignOff, Standing
from slipway.ports.serving import (
    EpochMoved,
    Published,
    ReaderChange,
    Route,
    RouteChange,
    Served,
    Serving,
    Source,
    SwitchRow,
)
from slipway.ports.topics import Schemas, Topics, TopicSpec
from slipway.ports.world import World

__all__ = [
    "Actor",
    "AmendedEvent",
    "Amendment",
    "Amendments",
    "Attempt",
    "Baseline",
    "BaselineRun",
    "BatchRun",
    "Check",
    "Checked",
    "Clock",
    "ClosedRows",
    "Comparison",
    "ConnectionSeen",
    "ConnectionState",
    "DeadLetter",
    "DeadLetters",
    "Drafts",
    "Engine",
    "EpochMoved",
    "EvidenceStore",
    "Expectations",
    "Facts",
    "JobStatus",
    "JobSubmission",
    "Lake",
    "LakeFiles",
    "LakeTable",
    "LateRows",
    "Ledger",
    "Maintained",
    "Published",
    "Question",
    "ReaderChange",
    "Reconciliation",
    "Replay",
    "Reports",
    "Resent",
    "Route",
    "RouteChange",
    "Schemas",
    "Scripts",
    "Served",
    "Serving",
    "SignOff",
    "Source",
    "Standing",
    "SwitchRow",
    "TableDrift",
    "TopicSpec",
    "Topics",
    "World",
    "Writers",
]
