"""A control plane with close runs, and the steps by which people close a period."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from slipway.app import close
from slipway.domain.evidence import Digest, Verdict, digest_of
from slipway.domain.restatements import PeriodClose
from slipway.ports import Actor, Reconciliation, SignOff
from tests.fakes.control import RITA, ROLES, Control

WEEK = "2013-02-25..2013-02-28"


@dataclass
class Closing:
    """A control plane with close runs."""

    control: Control

    def run(self, verdict: Verdict = Verdict.PASS, n: int = 1, **changes: Any) -> Reconciliation:
        found = self.control.migration
        self.control.clock.pass_(60)
        document = {"verdict": str(verdict), "close": n}
        row = Reconciliation(
            id=0,
            migration=found.name,
            digest=digest_of(document),
            verdict=verdict,
            as_of=self.control.clock.now(),
            closed_through=date(2013, 2, 28),
            window_days=0,
            window_complete=False,
            missing=(),
            contract_digest=found.contract_digest,
            parity_digest=found.parity_digest,
            revision=1,
            route_epoch=0,
            report="close.html",
            at=self.control.clock.now(),
            period=WEEK,
        )
        by = changes.pop("by", RITA)
        kept = self.control.ledger.record_reconciliation(replace(row, **changes), document, by)
        self.control.clock.pass_(60)
        return kept

    def say(
        self, role: str, evidence: Digest | None = None, decision: str = "approve", by: Actor | None = None
    ) -> tuple[SignOff, PeriodClose | None]:
        digest = evidence or self.control.ledger.close_runs("flights")[0].digest
        who, comment = by or ROLES[role], "seen the report"
        said = close.sign_off(
            self.control.migration, role, decision, digest, comment, who, self.control.world
        )
        self.control.clock.pass_(60)
        return said

    def standing(self) -> close.PeriodStanding:
        [found] = close.standings(self.control.migration, self.control.world)
        return found

    def closes(self) -> list[PeriodClose]:
        return list(self.control.ledger.closes("flights"))
