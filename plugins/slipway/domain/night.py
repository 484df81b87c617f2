"""What the verdict of one night looks at, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from slipway.domain.accounting import Compared, Counted
from slipway.domain.contract_judging import Reconcile
from slipway.domain.evidence import Verdict
from slipway.domain.revalidation import Earlier

PERIOD_OPEN = "period_open"
"""Code of the finding that a day of a close run's period is still open, so that nothing was compared."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that weighs on the verdict. verdict: what it makes of the night; PASS is a mere remark.

    warns: a remark that somebody should look at before it becomes more.
    """

    code: str
    verdict: Verdict
    what: str
    fix: str
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Night:
    """Everything the verdict of one night looks at.

    incomplete: what of the cut is not in the lake, in words; batch: what is wrong with the baseline; changed:
    what became another contract or revision meanwhile; expired: which records were gone before they were
    read. All four are empty when all is well.
    counted: None when nothing could be counted; compared: None when no closed day could be compared.
    failed_checks: expectations that did not hold, in words; warned_checks: those that only warn.
    waiting: KPIs none of whose rows closes on a compared day, with the next day on which one does.
    hidden_days: by KPI, the closed days that differences which cancel make fail.
    broken_cells: by KPI, a cell whose causes don't sum to its difference, in words.
    earlier: the evidence before, None where there is none under the same parity digest.
    more: what was found elsewhere and weighs on the verdict, too.
    """

    migration: str
    incomplete: str
    batch: str
    counted: Counted
    compared: Compared | None
    closed_through: date | None
    failed_checks: tuple[str, ...]
    waiting: Mapping[str, date] = field(default_factory=dict)
    changed: str = ""
    expired: str = ""
    warned_checks: tuple[str, ...] = ()
    hidden_days: Mapping[str, frozenset[date]] = field(default_factory=dict)
    broken_cells: Mapping[str, str] = field(default_factory=dict)
    earlier: Earlier | None = None
    reconcile: Reconcile = field(default_factory=Reconcile)
    more: tuple[Finding, ...] = ()
