"""Closed days are judged again every night: what became of those that passed in the evidence before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from slipway.domain.accounting import ComparedKpi
from slipway.domain.evidence import Digest, Verdict
from slipway.domain.exact import plain

SIDES = ("batch", "stream")
"""The sides that readers get values from, now or after a switch."""

_INSTANTS = ("timestamp", "date")


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of a day that had passed and has another value now. was, now: None for instants."""

    measure: str
    side: str
    was: str | None
    now: str | None

    def __str__(self) -> str:
        if self.was is None or self.now is None:
            return f"{self.measure} changed ({self.side})"
        return f"{self.measure} was {self.was} and is {self.now} ({self.side})"


@dataclass(frozen=True, slots=True)
class Earlier:
    """The evidence before, as far as closed days are looked at again.

    passed: (KPI, closed day) that passed. values: sum over a day's cells as text, by (KPI, day, measure,
    side). instants: (KPI, measure) whose sums mean nothing to a reader.
    """

    digest: Digest
    passed: frozenset[tuple[str, date]]
    values: Mapping[tuple[str, date, str, str], str]
    instants: frozenset[tuple[str, str]]

    def changes(self, name: str, kpi: ComparedKpi, day: date) -> list[Change]:
        """Return which values of a day are not what they were; measures that are new are left out."""
        found = []
        for total in kpi.days:
            if total.day != day:
                continue
            for side in SIDES:
                was = self.values.get((name, day, total.measure, side))
                now = _text(total.batch if side == "batch" else total.stream)
                if was is None or was == now:
                    continue
                shown = (name, total.measure) not in self.instants
                found.append(Change(total.measure, side, was if shown else None, now if shown else None))
        return found


def earlier(digest: Digest, document: Mapping[str, Any]) -> Earlier:
    """Read what a later night needs from a document of evidence."""
    passed, values, instants = set(), {}, set()
    for name, kpi in document["kpis"].items():
        instants |= {(name, m["name"]) for m in kpi["measures"] if m["type"] in _INSTANTS}
        for found in kpi["days"]:
            day = date.fromisoformat(found["day"])
            if found["verdict"] == Verdict.PASS:
                passed.add((name, day))
            for measure, total in found["measures"].items():
                for side in SIDES:
                    values[name, day, measure, side] = _text(total[side])
    return Earlier(digest, frozenset(passed), values, frozenset(instants))


def _text(value: int | Decimal | str | None) -> str:
    """Return a number as evidence writes it, whether it comes from there or from a comparison."""
    match value:
        case None:
            return "nothing"
        case Decimal():
            return plain(value)
        case _:
            return str(value)
