"""What people get to see of a reconciliation: checks and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, Protocol

from slipway.domain.accounting import Compared
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance, Digest
from slipway.domain.observation import Observation


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
