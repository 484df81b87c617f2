"""What a night finds of closed periods: values that are not what was signed any more, each with its cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from slipway.app.freeze import NOTHING_LOADED, Frozen
from slipway.domain.accounting import Compared, ComparedKpi
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest, Verdict, canonical
from slipway.domain.masking import Masking
from slipway.domain.night import PERIOD_OPEN, Finding
from slipway.domain.periods import period
from slipway.domain.plurals import counted
from slipway.domain.restatements import (
    AmendmentSeen,
    Circumstances,
    ClosedPeriod,
    KeptRows,
    PeriodClose,
    Reason,
    Restatement,
    Walk,
    told,
)
from slipway.errors import Permanent
from slipway.ports import World

_LOOKED_THROUGH = 200
"""Reconciliations in which to look for the newest that saw the batch rows."""


@dataclass(frozen=True, slots=True)
class Restated:
    """What a night says of closed periods.

    standing: what differs tonight; new: rows that the ledger lacks; apart: what can't be compared, in words.
    """

    standing: tuple[Restatement, ...] = ()
    new: tuple[Restatement, ...] = ()
    apart: tuple[str, ...] = ()

    @property
    def unexplained(self) -> tuple[Restatement, ...]:
        """Those of the new ones that nobody accounts for."""
        return tuple(one for one in self.new if one.cause is Reason.UNEXPLAINED)


def newest_closes(migration: str, world: World) -> list[PeriodClose]:
    """Return the close that counts of every period, by first day."""
    newest = {close.period.name: close for close in world.ledger.closes(migration)}
    return sorted(newest.values(), key=lambda close: close.period)


def look(migration: Migration, frozen: Frozen, compared: Compared | None, world: World) -> Restated:
    """Compare the rows of every closed period with what was signed.

    While the cut or the batch side is incomplete nothing is looked at, and what was known stands.
    """
    closes = newest_closes(migration.name, world)
    if not closes:
        return Restated()
    closed = {close.id: _closed(close, world) for close in closes}
    known = [row for row in world.ledger.restatements(migration.name) if row.close in closed]
    run = world.facts.batch_run(migration.name)
    if frozen.incomplete or run is None or not run.ok or run.run_id != frozen.cut.dbt_run:
        newest = {row.place: row for row in known}
        return Restated(standing=_ordered(row for row in newest.values() if row.stands))
    moved = world.closed_rows.moved(migration, frozen.cut.revision, list(closed.values()), world.evidence)
    seen = _circumstances(migration, frozen, compared, world)
    standing, new = told(moved, closed, known, seen)
    return Restated(_ordered(standing), _ordered(new), tuple(_apart(migration, closed.values())))


def findings(migration: str, frozen: Frozen, restated: Restated) -> tuple[Finding, ...]:
    """Return what is to say of periods: what of a close run's own is still open, and what closed ones became.

    Nothing that became of closed periods fails a night: its days are judged by themselves.
    """
    found = []
    if frozen.period is not None and frozen.still_open:
        found.append(
            Finding(
                PERIOD_OPEN,
                Verdict.INCONCLUSIVE,
                f"{frozen.period.words} can't be closed yet: {frozen.still_open}.",
                f"Trigger {migration}.reconcile with the period once its days have closed on both sides",
            )
        )
    found += [
        Finding(
            "closed_period_moved",
            Verdict.PASS,
            f"{what}: nobody accounts for {counted(len(rows), 'value')} that {_are(rows)} not what was signed"
            f" any more, first {_place(rows[0])}: {rows[0].was} was signed, it is {rows[0].now} now"
            f" ({rows[0].reason}).",
            f"Find out who changed it (`slipway closes {migration}`), put it right or close the period again",
            warns=True,
        )
        for what, rows in _by_period(restated.standing, unexplained=True)
    ]
    found += [
        Finding(
            "closed_period_restated",
            Verdict.PASS,
            f"{what}: {counted(len(rows), 'value')} {_are(rows)} restated since it was closed, by"
            f" {', '.join(sorted({str(row.cause) for row in rows}))}.",
            "The restatements are listed with their causes; close the period again to sign the new numbers",
        )
        for what, rows in _by_period(restated.standing, unexplained=False)
    ]
    found += [
        Finding(
            "closed_period_apart",
            Verdict.PASS,
            f"{what}.",
            "Close the period again, so that its numbers are signed as they are counted now",
            warns=True,
        )
        for what in restated.apart
    ]
    return tuple(found)


def incident(migration: str, restated: Restated) -> str:
    """Return what somebody has to know at once; empty when there is nothing."""
    rows = restated.unexplained
    if not rows:
        return ""
    first = rows[0]
    return (
        f"{counted(len(rows), 'value')} of closed periods of {migration} changed and nobody accounts for it;"
        f" first {_place(first)} of {first.period}, {first.side}: {first.was} was signed, it is {first.now}"
    )


def _closed(close: PeriodClose, world: World) -> ClosedPeriod:
    document = world.ledger.evidence(close.digest)
    if document is None:
        raise Permanent(
            f"the ledger has no evidence {close.digest[:12]}, on which {close.period.name} was closed;"
            " restore the ledger's database, or close the period again"
        )
    return ClosedPeriod(
        close,
        date.fromisoformat(document["days"]["from"]),
        frozenset(document["cut"]["amendments"]),
        {name: _kept(kpi) for name, kpi in document["kpis"].items()},
    )


def _kept(kpi: Mapping[str, Any]) -> KeptRows:
    measures = {measure["name"]: (measure["function"], measure["type"]) for measure in kpi["measures"]}
    return KeptRows(Digest(kpi["kept"]["rows"]), tuple(kpi["grain"]), measures)


def _circumstances(
    migration: Migration, frozen: Frozen, compared: Compared | None, world: World
) -> Circumstances:
    cut = frozen.cut
    return Circumstances(
        revision=cut.revision,
        dbt_run=cut.dbt_run,
        rebuilt=_seen_last(migration, world) != cut.dbt_run,
        amendments=[
            AmendmentSeen(one.id, one.days, one.by, one.reason)
            for one in world.ledger.amendments(migration.name, cut.revision)
            if one.id in cut.amendments
        ],
        walks={
            name: _walk(migration, name, kpi) for name, kpi in (compared.kpis if compared else {}).items()
        },
    )


def _seen_last(migration: Migration, world: World) -> str | None:
    """Return the dbt run whose rows were last looked at; None when that is not known.

    Nights that had no whole cut or no finished baseline looked at nothing, though they name its run.
    """
    runs = [
        *world.ledger.reconciliations(migration.name, _LOOKED_THROUGH),
        *world.ledger.close_runs(migration.name, _LOOKED_THROUGH),
    ]
    for run in sorted(runs, key=lambda one: one.id, reverse=True):
        document = world.ledger.evidence(run.digest)
        if document is None or document["cut"]["missing"]:
            continue
        if datetime.fromisoformat(document["cut"]["batch_through"]) > NOTHING_LOADED:
            return run.dbt_run
    return None


def _walk(migration: Migration, name: str, kpi: ComparedKpi) -> Walk:
    masking, compiled = Masking.of(migration.schema), migration.kpis[name]
    cells = {
        (canonical(masking.cell(compiled, one.cell)), one.measure): tuple(map(str, one.shares))
        for one in kpi.listed
    }
    days: dict[tuple[date, str], tuple[str, ...]] = {}
    for total in kpi.causes:
        place = total.day, total.measure
        days[place] = (*days.get(place, ()), str(total.cause))
    listed = len({canonical(one.cell) for one in kpi.listed})
    return Walk(cells, days, whole=listed == kpi.differing)


def _apart(migration: Migration, closed: Iterable[ClosedPeriod]) -> list[str]:
    """Return what of closed periods means something else now, and so is not compared."""
    found = []
    for one in closed:
        what = one.close.period.words
        for name, kept in one.kpis.items():
            kpi = migration.kpis.get(name)
            if kpi is None or tuple(part.name for part in kpi.grain) != kept.grain:
                found.append(f"{what}: {name} is not counted by {', '.join(kept.grain)} any more")
                continue
            now = {measure.name: (measure.function, measure.type) for measure in kpi.measures}
            other = [measure for measure, meaning in kept.measures.items() if now.get(measure) != meaning]
            if other:
                found.append(
                    f"{what}: {name} counts {', '.join(other)} otherwise, or not at all, since its close"
                )
    return found


def _ordered(rows: Iterable[Restatement]) -> tuple[Restatement, ...]:
    return tuple(sorted(rows, key=_order))


def _order(row: Restatement) -> tuple[object, ...]:
    return period(row.period), row.day, row.kpi, canonical(row.cell), row.measure, row.side


def _by_period(rows: Sequence[Restatement], *, unexplained: bool) -> list[tuple[str, list[Restatement]]]:
    found: dict[str, list[Restatement]] = {}
    for row in rows:
        if (row.cause is Reason.UNEXPLAINED) is unexplained:
            found.setdefault(period(row.period).words, []).append(row)
    return list(found.items())


def _are(rows: Sequence[Restatement]) -> str:
    return "are" if len(rows) > 1 else "is"


def _place(row: Restatement) -> str:
    return f"{row.measure} of {row.kpi} ({row.row})"
