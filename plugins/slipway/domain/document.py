"""The evidence document: all that was found at a cut, and nothing that another run at it would not find."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from slipway.domain.accounting import Compared, ComparedKpi, Counted, error_of
from slipway.domain.contract import Migration
from slipway.domain.evidence import Cut, Digest, Verdict
from slipway.domain.gaps import Run
from slipway.domain.judging import Finding, day_verdicts, kpi_verdict
from slipway.domain.lateness import advice_document
from slipway.domain.masking import HIDDEN, Masking
from slipway.domain.periods import Period
from slipway.domain.restatements import Restatement
from slipway.domain.restatements import document_of as restatement_document
from slipway.domain.times import kinds_of_time
from slipway.domain.waivers import Waiver
from slipway.domain.waivers import document_of as waiver_document
from slipway.domain.window import Window

FORMAT = "slipway/evidence/1"


@dataclass(frozen=True, slots=True)
class Found:
    """What one reconciliation found, ready to be written down.

    row_by_row: closed days whose events were compared one by one. hidden_days: by KPI, the closed days that
    differences which cancel make fail. waivers: those that stood. before: the evidence that closed days were
    held against. last: the last day shown, None for that of as_of. period: of a close run.
    """

    cut: Cut
    first: date
    closed_through: date | None
    incomplete: str
    counted: Counted
    compared: Compared | None
    checks: Sequence[Mapping[str, Any]]
    verdict: Verdict
    findings: Sequence[Finding]
    window: Window
    versions: Mapping[str, str]
    row_by_row: Sequence[date] = ()
    hidden_days: Mapping[str, Collection[date]] = field(default_factory=dict)
    waivers: Sequence[Waiver] = ()
    before: Digest | None = None
    last: date | None = None
    period: Period | None = None
    restatements: Sequence[Restatement] = ()


def build(migration: Migration, found: Found) -> dict[str, Any]:
    """Return the document. Ids of dbt and DAG runs and wall-clock times are left out on purpose."""
    cut, compared = found.cut, found.compared
    closed = found.closed_through
    masking, identity = Masking.of(migration.schema), migration.contract.events.id
    hidden_fails = migration.contract.reconcile.hidden == "fail"
    used = [one for kpi in (compared.kpis.values() if compared else ()) for one in kpi.used]
    return {
        "format": FORMAT,
        "migration": migration.name,
        "description": migration.contract.description,
        "timezone": migration.zone.key,
        "keep": migration.contract.events.keep,
        "times": [
            {"name": kind.name, "where": kind.where, "decides": kind.decides}
            for kind in kinds_of_time(migration)
        ],
        "contract_digest": migration.contract_digest,
        "parity_digest": migration.parity_digest,
        "revision": cut.revision,
        "period": _period(found.period),
        "verdict": found.verdict,
        "findings": [
            {"code": f.code, "verdict": f.verdict, "what": f.what, "fix": f.fix, "warns": f.warns}
            for f in found.findings
        ],
        "before": found.before,
        "judged_by": _judged_by(migration),
        "cut": {
            "as_of": cut.as_of,
            "offsets": {str(partition): offset for partition, offset in cut.offsets.items()},
            "snapshots": dict(cut.snapshots),
            "progress": cut.progress,
            "batch_through": cut.batch_through,
            "amendments": list(cut.amendments),
            "missing": found.incomplete,
            "topic_id": cut.topic_id,
            "gaps": [_run(run) for run in cut.gaps],
            "expired": [{**_run(run), "before": run.before} for run in cut.expired],
            "amended": compared.amended if compared else None,
        },
        "days": {
            "first": found.first,
            "closed_through": closed,
            "last": found.last or migration.business_day(cut.as_of),
            "closed": _days(found.first, closed),
            "row_by_row": list(found.row_by_row),
            "fewest": migration.contract.reconcile.closed_days,
            "accept_late": int(migration.contract.parity.accept_late.total_seconds()),
            "from": migration.contract.parity.from_day,
        },
        "window": {
            "days": found.window.days,
            "needed": found.window.needed,
            "first": found.window.first,
            "through": found.window.through,
            "including": list(migration.contract.gates.observe.including),
            "complete": found.window.complete and found.period is None,
            "missing": list(found.window.missing),
        },
        "balance": _balance(found.counted),
        "kpis": {
            name: kpi_document(migration, name, kpi, closed, found.hidden_days.get(name, ()))
            for name, kpi in (compared.kpis.items() if compared else ())
        },
        "hidden": [
            {
                "model": h.model,
                "day": h.day,
                "kind": h.kind,
                "events": h.events,
                "ids": masking.identities(identity, h.ids),
                "fails": hidden_fails,
            }
            for h in (compared.hidden if compared else ())
        ],
        "lateness": [
            {"after": c.after, "before": c.before, "events": c.events}
            for c in (compared.lateness if compared else ())
        ],
        "advice": _advice(migration, compared),
        "expectations": list(found.checks),
        "restatements": [restatement_document(one) for one in found.restatements],
        "waivers": [waiver_document(one, used) for one in found.waivers],
        "versions": dict(found.versions),
    }


def _advice(migration: Migration, compared: Compared | None) -> dict[str, Any]:
    if compared is None or compared.advice is None:
        return {}
    personal = Masking.of(migration.schema).personal
    hidden = {
        (name, part.name): HIDDEN
        for name, kpi in migration.kpis.items()
        for part in kpi.grain
        if part.source.name in personal
    }
    return advice_document(compared.advice, migration.contract.reconcile.target_loss, hidden)


def _period(period: Period | None) -> dict[str, Any] | None:
    return {"name": period.name, "first": period.first, "last": period.last} if period else None


def _run(run: Run) -> dict[str, int]:
    """Return offsets of one partition: so many of those from first to through hold no record."""
    return {
        "partition": run.partition,
        "first": run.first,
        "through": run.through,
        "offsets": run.offsets,
    }


def _balance(counted: Counted) -> dict[str, Any]:
    balance = counted.balance
    return {
        "produced": balance.produced,
        "bronze": balance.bronze,
        "silver": balance.silver,
        "late": balance.late,
        "rejected": balance.rejected,
        "duplicates": balance.duplicates,
        "replayed": balance.replayed,
        "unaccounted": counted.unaccounted,
        "absent": {str(partition): records for partition, records in counted.absent.items()},
        "backwards": [list(place) for place in counted.backwards],
        "closes": balance.closes,
    }


def _judged_by(migration: Migration) -> dict[str, Any]:
    """Return the bounds that the parity digest leaves out: with others, a day would be judged otherwise."""
    reconcile = migration.contract.reconcile
    return {
        "hidden": reconcile.hidden,
        "closed_days": reconcile.closed_days,
        "waiver_at_most": migration.contract.gates.waiver_at_most,
        "tolerance_used": reconcile.warn.tolerance_used,
        "late": reconcile.warn.late,
        "rejected": reconcile.warn.rejected,
        "duplicates": reconcile.warn.duplicates,
    }


def kpi_document(
    migration: Migration, name: str, kpi: ComparedKpi, closed: date | None, hidden: Collection[date] = ()
) -> dict[str, Any]:
    """Return the part of the document about one KPI. hidden: closed days that fail by what cancels."""
    compiled = migration.kpis[name]
    masking = Masking.of(migration.schema)
    verdicts = day_verdicts(kpi, closed, hidden)
    days: dict[date, dict[str, Any]] = {}
    for total in kpi.days:
        days.setdefault(total.day, {})[total.measure] = {
            "cells": total.cells,
            "tolerated": total.tolerated,
            "beyond": total.beyond,
            "engine": total.engine,
            "waived": total.waived,
            "close": total.close,
            "batch": total.batch,
            "recomputed": total.recomputed,
            "stream": total.stream,
        }
    return {
        "verdict": kpi_verdict(kpi, closed, hidden),
        "hidden_days": sorted(hidden),
        "grain": [part.name for part in compiled.grain],
        "day_column": compiled.time.name,
        "period": compiled.time.function,
        "segments": list(compiled.segments),
        "measures": [
            {
                "name": m.name,
                "function": m.function,
                "type": m.type,
                "additive": m.additive,
                "absolute": m.tolerance.absolute,
                "relative": m.tolerance.relative,
                "segments": [
                    {
                        "where": {column: list(values) for column, values in bound.where.items()},
                        "absolute": bound.absolute,
                        "relative": bound.relative,
                    }
                    for bound in m.tolerance.segments
                ],
                "error": error_of(m),
            }
            for m in compiled.measures
        ],
        "cells": kpi.cells,
        "differing": kpi.differing,
        "walked": kpi.walked,
        "crowded": kpi.crowded,
        "broken": kpi.broken,
        "days": [
            {"day": day, "open": day not in verdicts, "verdict": verdicts.get(day), "measures": measures}
            for day, measures in sorted(days.items())
        ],
        "causes": [
            {"day": c.day, "measure": c.measure, "cause": c.cause, "net": c.net, "gross": c.gross}
            for c in kpi.causes
        ],
        "events": [{"day": e.day, "cause": e.cause, "events": e.events} for e in kpi.touched],
        "differences": [
            {
                "cell": masking.cell(compiled, d.cell),
                "day": d.day,
                "measure": d.measure,
                "batch": d.batch,
                "recomputed": d.recomputed,
                "stream": d.stream,
                "beyond": d.beyond,
                "shares": {cause.value: share for cause, share in d.shares.items()},
                "remainder": d.remainder,
            }
            for d in kpi.listed
        ],
        "examples": [
            {
                "cell": masking.cell(compiled, e.cell),
                "day": e.day,
                "cause": e.cause,
                "events": e.events,
                "ids": masking.identities(migration.contract.events.id, e.ids),
            }
            for e in kpi.examples
        ],
        "losses": [
            {"bound": loss.bound, "measure": loss.measure, "lost": loss.lost, "total": loss.total}
            for loss in kpi.losses
        ],
        "kept": {"rows": kpi.rows, "events": kpi.events},
    }


def _days(first: date, closed: date | None) -> list[date]:
    return [] if closed is None else [first + timedelta(days=n) for n in range((closed - first).days + 1)]
