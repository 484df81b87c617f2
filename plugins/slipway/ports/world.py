"""Everything that a use case may reach."""

from __future__ import annotations

from dataclasses import dataclass

from slipway.ports.amendments import Amendments, LateRows
from slipway.ports.baseline import Baseline
from slipway.ports.clock import Clock
from slipway.ports.comparison import ClosedRows, Comparison, EvidenceStore, Facts
from slipway.ports.dead_letters import DeadLetters
from slipway.ports.engine import Engine, Scripts, Writers
from slipway.ports.findings import Expectations, Reports
from slipway.ports.lake import Lake
from slipway.ports.ledger import Ledger
from slipway.ports.serving import Serving
from slipway.ports.topics import Schemas, Topics


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
