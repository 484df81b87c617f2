"""A migration under observation: nights with whole evidence in a ledger, as a quarter would leave them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from slipway.adapters.report import HtmlReports
from slipway.domain.evidence import Digest, Verdict, canonical, digest_of
from slipway.ports import Amendment, World
from tests.fakes.control import ANA, Control, control
from tests.fakes.document import context, night, waiver

KPI = "flights_daily"
FIRST = date(2013, 2, 18)


class Observed:
    """A control plane whose nights wrote their evidence and their pages below a folder."""

    def __init__(self, folder: Path) -> None:
        self.control: Control = control()
        self.reports = HtmlReports(folder)
        self.world: World = replace(self.control.world, reports=self.reports)
        self.documents: list[dict[str, Any]] = []

    def night(self, days: int, **changes: Any) -> Digest:
        """Reconcile the morning after so many days; changes: as tests.fakes.document.night takes them."""
        as_of = datetime(FIRST.year, FIRST.month, FIRST.day, 11, tzinfo=UTC) + timedelta(days=days)
        self.control.clock.at = as_of + timedelta(minutes=4)
        revision = self.control.ledger.standing("flights")
        parity = self.control.migration.parity_digest
        document = {"parity_digest": parity, **night(first=FIRST, days=days, **changes)}
        document["parity_digest"] = changes.get("parity_digest", parity)
        document["revision"] = changes.get("revision", revision.revision if revision else 1)
        # What comes back from a ledger has been written as JSON before.
        canonical(document)
        digest = digest_of(document)
        window = document["window"]
        closed = document["days"]["closed_through"]
        page = self.reports.write(document, digest, context(at=self.control.clock.at))
        self.control.reconcile(
            Verdict(document["verdict"]),
            document=document,
            digest=digest,
            as_of=as_of,
            closed_through=date.fromisoformat(closed) if closed else None,
            window_days=window["days"],
            window_complete=window["complete"],
            missing=tuple(window["missing"]),
            parity_digest=Digest(document["parity_digest"]),
            report=page,
        )
        self.documents.append(document)
        return digest

    def amend(self, *days: date, reason: str = "outage of the Newark feed") -> None:
        """Let late rows of days count."""
        self.control.clock.pass_(3600)
        kept = self.control.ledger.open_amendment(
            Amendment(0, "flights", 1, days, 1, 37, ANA.name, reason, "open", self.control.clock.now())
        )
        self.control.ledger.close_amendment(kept.id, "applied", 37)


def quarter(folder: Path) -> Observed:
    """Return eight nights: late flights that were amended, a mended batch, a waiver, one INCONCLUSIVE."""
    seen = Observed(folder)
    late, mended = {(KPI, "departed", 9): [("late", 37)]}, {(KPI, "seats", 5): [("definition", -40)]}
    waived = {(KPI, "arrived", 11): [("rejected", 3)]}
    seen.night(5)
    seen.night(7, faults=mended)
    seen.night(8)
    seen.night(11, faults=late)
    seen.night(
        12,
        faults=late,
        verdict="INCONCLUSIVE",
        findings=[
            {
                "code": "batch_behind",
                "verdict": "INCONCLUSIVE",
                "what": "The batch side can't be compared: it was loaded through 1 March.",
                "fix": "Trigger flights.baseline",
                "warns": False,
            }
        ],
    )
    seen.amend(FIRST + timedelta(days=9))
    seen.night(13, faults=waived)
    given = waiver(
        cause="rejected",
        measures=["arrived"],
        first_day="2013-03-01",
        last_day="2013-03-01",
        segments={},
        used=[{"day": "2013-03-01", "measure": "arrived", "gross": 3, "batch": 2300, "share": "0.0013"}],
        reason="Three test flights of the producer",
    )
    seen.night(14, faults=waived, waived=list(waived), waivers=[given])
    seen.night(16, faults=waived, waived=list(waived), waivers=[given])
    return seen
