"""One night's reconciliation: cut, comparison, causes, verdict, evidence, report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from slipway.app import freeze as freezing
from slipway.app import restate
from slipway.app.before import Before, before, row_by_row
from slipway.app.freeze import Frozen, Target
from slipway.app.restate import Restated
from slipway.domain import document as evidence_document
from slipway.domain.accounting import Compared
from slipway.domain.closing import closing_days, next_closing_day
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest, Verdict, canonical
from slipway.domain.judging import day_verdicts, days_of_all, hidden_days, judge
from slipway.domain.kept_evidence import evidence_tag
from slipway.domain.masking import Masking
from slipway.domain.night import Night
from slipway.domain.night_log import summary
from slipway.domain.periods import Period
from slipway.domain.revalidation import earlier
from slipway.domain.states import State
from slipway.domain.waivers import Waiver
from slipway.domain.window import NO_WINDOW, Closing, observed
from slipway.ports import Actor, Checked, Question, Reconciliation, World

__all__ = ["question_of", "reconcile", "summary"]


def reconcile(
    migration: Migration,
    as_of: datetime,
    world: World,
    by: Actor,
    target: Target | None = None,
    patience: timedelta = timedelta(minutes=5),
    wait: Callable[[float], None] = time.sleep,
    period: Period | None = None,
    reread: Callable[[], Migration] | None = None,
) -> Reconciliation:
    """Reconcile one migration as of an instant and record what came out, whatever it is.

    target: a cut that was aimed at, and perhaps waited for, by an earlier task. Amendments and switches are
    kept out while the two sides are read. period: compare its days alone, for people to close it; such a run
    is no night, and no gate looks at it. reread: reads the contract again, to see that it stayed the same.
    """
    aimed = target or freezing.aim(migration, as_of, world)
    with world.ledger.lock(migration.name):
        frozen = freezing.freeze(migration, aimed, world, patience, wait, period)
        # A migration deployed before topics had ids in the ledger gets its own with the first night.
        world.ledger.remember_topic(migration.name, frozen.cut.topic_id, by)
        prior = before(migration, frozen.cut.as_of, world) if period is None else None
        waivers = standing_waivers(migration, world)
        days = row_by_row(migration, frozen, prior, world) if period is None else period.days
        compared = _compare(migration, frozen, days, waivers, world)
        checked = _check(migration, frozen, compared, world)
        restated = restate.look(migration, frozen, compared, world)
        frozen = replace(frozen, changed=freezing.changed(reread() if reread else migration, aimed, world))
        asked = _Asked(prior, waivers, days, restated)
        document = _document(migration, frozen, compared, checked, asked, world)
        digest = world.evidence.put(document)
        for table, snapshot in sorted(frozen.cut.snapshots.items()):
            world.lake.tag(table, snapshot, _tag(digest, period))
        plain = json.loads(canonical(document))
        report = world.reports.write(plain, digest, _context(migration, frozen, checked, world, by))
        window = plain["window"]
        recorded = world.ledger.record_reconciliation(
            Reconciliation(
                id=0,
                migration=migration.name,
                digest=digest,
                verdict=Verdict(plain["verdict"]),
                as_of=frozen.cut.as_of,
                closed_through=frozen.closed_through,
                window_days=window["days"],
                window_complete=window["complete"],
                missing=tuple(window["missing"]),
                contract_digest=migration.contract_digest,
                parity_digest=migration.parity_digest,
                revision=frozen.cut.revision,
                route_epoch=max(
                    (route.epoch for route in world.serving.routes(list(migration.kpis))), default=0
                ),
                report=report,
                at=world.clock.now(),
                period=period.name if period else None,
                dbt_run=frozen.cut.dbt_run,
            ),
            document,
            by,
            restated.new,
        )
        if moved := restate.incident(migration.name, restated):
            world.ledger.incident(migration.name, "error", moved, by)
        return recorded


def _tag(digest: Digest, period: Period | None) -> str:
    """Return the name that keeps a snapshot: maintenance lets go of a night's one day, of a close's never."""
    return f"close-{period.name}-{digest[:16]}" if period else evidence_tag(digest)


def question_of(
    frozen: Frozen,
    migration: Migration,
    closed_through: date,
    days: tuple[date, ...] | None = None,
    waivers: tuple[Waiver, ...] = (),
) -> Question:
    """Return what to compare at a cut. days: those compared row by row; None for all."""
    return Question(
        revision=frozen.cut.revision,
        offsets=frozen.cut.offsets,
        files=frozen.files,
        first=frozen.first,
        closed_through=closed_through,
        last=frozen.last,
        batch_through=frozen.cut.batch_through,
        amendments=frozen.cut.amendments,
        snapshots=frozen.cut.snapshots,
        row_by_row=days,
        waivers=waivers,
        waiver_at_most=migration.contract.gates.waiver_at_most,
        close_from=migration.contract.reconcile.warn.tolerance_used,
        whole=frozen.last if frozen.period else None,
    )


def standing_waivers(migration: Migration, world: World) -> tuple[Waiver, ...]:
    """Return the waivers that cover something now, under this meaning of the KPIs, oldest first."""
    now = world.clock.now()
    given = world.ledger.waivers(migration.name)
    return tuple(one for one in given if one.stands(now, migration.parity_digest))


def _compare(
    migration: Migration,
    frozen: Frozen,
    days: tuple[date, ...],
    waivers: tuple[Waiver, ...],
    world: World,
) -> Compared | None:
    if frozen.closed_through is None:
        return None
    question = question_of(frozen, migration, frozen.closed_through, days, waivers)
    return world.comparison.compare(migration, question, world.evidence)


def _check(migration: Migration, frozen: Frozen, compared: Compared | None, world: World) -> Checked | None:
    if compared is None or frozen.closed_through is None:
        return None
    return world.expectations.check(
        migration,
        frozen.files.silver_of_days,
        (frozen.first, frozen.closed_through),
        frozen.counted.balance,
        compared,
        {name: world.evidence.path_of(kpi.rows) for name, kpi in compared.kpis.items()},
        label=f"{frozen.cut.as_of:%Y%m%dT%H%M%SZ}{f'-{frozen.period.name}' if frozen.period else ''}",
    )


def _broken(checked: Checked | None, otherwise: str) -> tuple[str, ...]:
    """Return in words the expectations that did not hold and of which the night is `otherwise`."""
    return tuple(
        f"{check.name} on {check.column or 'the rows'} of {check.suite}"
        f"{f' of {check.kpi}' if check.kpi else ''} ({check.seen})"
        for check in (checked.checks if checked else ())
        if not check.success and check.otherwise == otherwise
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a night was given beside its cut. days: those compared row by row; restated: of closed periods."""

    prior: Before | None
    waivers: tuple[Waiver, ...]
    days: tuple[date, ...]
    restated: Restated


def _document(
    migration: Migration,
    frozen: Frozen,
    compared: Compared | None,
    checked: Checked | None,
    asked: _Asked,
    world: World,
) -> Mapping[str, Any]:
    closing = _closing(migration, frozen)
    cancels = hidden_days(migration, compared.hidden if compared else (), frozen.closed_through)
    verdict, findings = judge(
        Night(
            migration=migration.name,
            incomplete=frozen.incomplete,
            batch=frozen.batch,
            counted=frozen.counted,
            compared=compared,
            closed_through=frozen.closed_through,
            changed=frozen.changed,
            expired=frozen.expired,
            failed_checks=_broken(checked, "fail"),
            warned_checks=_broken(checked, "warn"),
            waiting={one.kpi: one.next for one in closing if not one.days},
            hidden_days=cancels,
            broken_cells=_broken_cells(migration, compared),
            earlier=earlier(asked.prior.digest, asked.prior.document) if asked.prior else None,
            reconcile=migration.contract.reconcile,
            more=restate.findings(migration.name, frozen, asked.restated),
        )
    )
    kpis = compared.kpis if compared else {}
    window = observed(
        days_of_all(
            [day_verdicts(kpi, frozen.closed_through, cancels[name]) for name, kpi in kpis.items()],
            [one.days for one in closing if one.kpi in kpis],
        ),
        frozen.closed_through,
        migration.contract.gates.observe,
        verdict,
        closing,
    )
    return evidence_document.build(
        migration,
        evidence_document.Found(
            cut=frozen.cut,
            first=frozen.first,
            closed_through=frozen.closed_through,
            incomplete=frozen.incomplete,
            counted=frozen.counted,
            compared=compared,
            checks=[
                {
                    "suite": check.suite,
                    "expectation": check.name,
                    "column": check.column,
                    "success": check.success,
                    "seen": check.seen,
                    "kpi": check.kpi,
                    "source": check.source,
                    "otherwise": check.otherwise,
                }
                for check in (checked.checks if checked else ())
            ],
            verdict=verdict,
            findings=findings,
            window=window if frozen.period is None else NO_WINDOW,
            last=frozen.last,
            period=frozen.period,
            restatements=asked.restated.standing,
            row_by_row=asked.days,
            hidden_days=cancels,
            waivers=asked.waivers,
            before=asked.prior.digest if asked.prior else None,
            versions={
                "comparison": world.comparison.version(),
                "expectations": checked.version if checked else "",
                **({"folds": compared.folded_by} if compared and compared.folded_by else {}),
            },
        ),
    )


def _broken_cells(migration: Migration, compared: Compared | None) -> Mapping[str, str]:
    """Return, by KPI, the first cell whose causes don't sum to its difference, masked, in words."""
    masking, found = Masking.of(migration.schema), {}
    for name, kpi in (compared.kpis if compared else {}).items():
        if kpi.broken and kpi.listed:
            cell = masking.cell(migration.kpis[name], kpi.listed[0].cell)
            told = ", ".join(f"{column} {value}" for column, value in cell.items())
            found[name] = f"{kpi.listed[0].measure} of {told}"
    return found


def _closing(migration: Migration, frozen: Frozen) -> list[Closing]:
    """Return with which of the compared, closed days rows of each KPI close."""
    last = frozen.closed_through
    if last is None:
        return []
    return [
        Closing(
            name,
            frozenset(closing_days(migration, kpi, frozen.first, last)),
            next_closing_day(migration, kpi, last),
        )
        for name, kpi in migration.kpis.items()
    ]


def _context(
    migration: Migration, frozen: Frozen, checked: Checked | None, world: World, by: Actor
) -> Mapping[str, Any]:
    """Return what the report shows and no digest may hold: runs, people, the wall clock."""
    newest = world.ledger.reconciliations(migration.name, 1)
    words = world.ledger.sign_offs(migration.name)
    standing = world.ledger.standing(migration.name)
    return {
        "at": world.clock.now(),
        "by": by.name,
        "dag_run": by.dag_run,
        "switched": standing is not None and standing.state in (State.SWITCHED, State.COMPLETED),
        "dbt_run": frozen.cut.dbt_run,
        "data_docs": checked.docs if checked else "",
        "before": newest[0].digest if newest else "",
        "before_document": world.ledger.evidence(newest[0].digest) if newest and not frozen.period else None,
        "amendments": [
            {
                "days": [day.isoformat() for day in amendment.days],
                "rows": amendment.rows,
                "by": amendment.by,
                "reason": amendment.reason,
                "state": amendment.state,
            }
            for amendment in world.ledger.amendments(migration.name, frozen.cut.revision)
        ],
        "roles": {
            role: list(migration.contract.owners.get(role, ())) for role in migration.contract.gates.sign_offs
        },
        "sign_offs": [
            {
                "role": word.role,
                "user": word.user,
                "decision": word.decision,
                "evidence": word.evidence,
                "comment": word.comment,
                "at": word.at,
            }
            for word in words
        ],
    }
