"""From what was found to a verdict: of a day, of a KPI, of the night."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from slipway.domain import remarks
from slipway.domain.accounting import Compared, ComparedKpi, DayTotal, Hidden
from slipway.domain.closing import closing_day
from slipway.domain.contract import Migration
from slipway.domain.evidence import Verdict
from slipway.domain.night import PERIOD_OPEN, Finding, Night
from slipway.domain.plurals import counted
from slipway.domain.window import spoken

__all__ = ["Finding", "Night", "day_verdicts", "days_of_all", "hidden_days", "judge", "kpi_verdict", "worst"]

_WORST_FIRST = (Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that decides: a broken check, then too little seen, then a difference."""
    seen = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in seen), Verdict.INCONCLUSIVE)


def hidden_days(
    migration: Migration, hidden: Iterable[Hidden], closed_through: date | None
) -> Mapping[str, frozenset[date]]:
    """Return, by KPI, the closed days that fail because of differences which cancel in every measure.

    None where the contract lets them warn only. In a coarser row, the day with which it closes fails.
    """
    found: dict[str, set[date]] = {name: set() for name in migration.contract.kpis}
    if migration.contract.reconcile.hidden == "fail" and closed_through is not None:
        for one in hidden:
            for name, kpi in migration.kpis.items():
                day = closing_day(kpi.time, one.day)
                if migration.contract.kpis[name].batch.events == one.model and day <= closed_through:
                    found[name].add(day)
    return {name: frozenset(days) for name, days in found.items()}


def day_verdicts(
    kpi: ComparedKpi, closed_through: date | None, hidden: Collection[date] = ()
) -> Mapping[date, Verdict]:
    """Return the verdict of each closed day of one KPI; open days are never judged.

    hidden: closed days that fail though every measure agrees. Cells that waivers cover count as passing.
    """
    found: dict[date, Verdict] = {}
    for total in kpi.days:
        if closed_through is None or total.day > closed_through:
            continue
        verdict = Verdict.FAIL if _fails(total) or total.day in hidden else Verdict.PASS
        found[total.day] = worst([verdict, found.get(total.day, Verdict.PASS)])
    return found


def days_of_all(
    kpis: Iterable[Mapping[date, Verdict]], closing: Iterable[Collection[date]] | None = None
) -> Mapping[date, Verdict]:
    """Return the worst verdict of each day over all KPIs; a day that one KPI did not show is INCONCLUSIVE.

    closing: the days with which rows of each KPI close; on others there is nothing for it to show.
    """
    each = list(kpis)
    days = sorted({day for one in each for day in one})
    due = [set(one) for one in closing] if closing is not None else [set(days) for _ in each]
    return {
        day: worst(
            one.get(day, Verdict.INCONCLUSIVE)
            for one, closes in zip(each, due, strict=True)
            if day in one or day in closes
        )
        for day in days
    }


def kpi_verdict(kpi: ComparedKpi, closed_through: date | None, hidden: Collection[date] = ()) -> Verdict:
    """Return the verdict of one KPI over its closed days; nothing compared is INCONCLUSIVE."""
    if kpi.broken or kpi.crowded:
        return Verdict.ERROR
    return worst(day_verdicts(kpi, closed_through, hidden).values())


def judge(night: Night) -> tuple[Verdict, tuple[Finding, ...]]:
    """Return the verdict of the night and every reason for it, the weightiest first."""
    findings = [
        *_of_the_cut(night),
        *_of_the_records(night),
        *_of_the_comparison(night),
        *_of_the_checks(night),
        *remarks.of_days_before(night, _verdicts(night)),
        *remarks.of_thresholds(night),
        *remarks.of_checks(night),
        *remarks.of_waivers(night),
        *night.more,
    ]
    findings.sort(key=lambda finding: (_WORST_FIRST.index(finding.verdict), not finding.warns))
    return worst([Verdict.PASS, *(finding.verdict for finding in findings)]), tuple(findings)


def _fails(total: DayTotal) -> bool:
    return total.beyond > total.waived or total.engine > 0


def _verdicts(night: Night) -> Mapping[str, Mapping[date, Verdict]]:
    kpis = night.compared.kpis if night.compared else {}
    return {
        name: day_verdicts(kpi, night.closed_through, night.hidden_days.get(name, ()))
        for name, kpi in kpis.items()
    }


def _of_the_cut(night: Night) -> Iterable[Finding]:
    if night.incomplete:
        yield Finding(
            "cut_incomplete",
            Verdict.INCONCLUSIVE,
            f"The lake did not hold everything below the cut in time: {night.incomplete}.",
            f"See whether the jobs run (`slipway status {night.migration}`), then trigger"
            f" {night.migration}.reconcile",
        )
    if night.batch:
        yield Finding(
            "batch_behind",
            Verdict.INCONCLUSIVE,
            f"The batch side can't be compared as of this instant: {night.batch}.",
            f"Trigger {night.migration}.baseline, and look at its dbt results when it fails",
        )
    if night.changed:
        yield Finding(
            "contract_changed",
            Verdict.INCONCLUSIVE,
            f"What is compared changed while the night was under way: {night.changed}.",
            f"Trigger {night.migration}.reconcile again",
        )
    if night.expired:
        yield Finding(
            "records_expired",
            Verdict.INCONCLUSIVE,
            f"Records were gone from the topic before they were read: {night.expired}.",
            "Let the topic keep records for longer (retention.raw); what is gone must be sent again",
        )


def _of_the_records(night: Night) -> Iterable[Finding]:
    counted = night.counted
    if counted.backwards:
        partition, offset = counted.backwards[0]
        yield Finding(
            "arrival_goes_back",
            Verdict.ERROR,
            f"Records arrived before the record in front of them, first at partition {partition}, offset"
            f" {offset}: arrival decides what is late, so no comparison of this topic can be trusted.",
            "Set the topic to LogAppendTime, or let nobody but the replayer write to it, then replay",
        )
    balance = counted.balance
    if not night.incomplete and not balance.closes:
        sinks = balance.silver + balance.late + balance.rejected + balance.duplicates
        yield Finding(
            "balance_open",
            Verdict.FAIL,
            f"The records don't add up: {balance.produced} produced, {balance.bronze} in bronze, {sinks} in"
            " silver, late, rejected and duplicates together.",
            "A job was restored from an older state than its tables: see docs/runbooks/doubled-records.md",
        )


def _of_the_comparison(night: Night) -> Iterable[Finding]:
    if any(finding.code == PERIOD_OPEN for finding in night.more):
        return
    if night.compared is None or not any(kpi.days for kpi in night.compared.kpis.values()):
        yield Finding(
            "nothing_compared",
            Verdict.INCONCLUSIVE,
            "No closed day could be compared.",
            "Wait until a business day has closed, or give a later as_of",
        )
        return
    yield from _too_few(night)
    for name, kpi in night.compared.kpis.items():
        if kpi.broken:
            cell = night.broken_cells.get(name, "")
            yield Finding(
                "walk_broken",
                Verdict.ERROR,
                f"{name}: the causes of {kpi.broken} differences don't sum to them"
                f"{f', first of all in {cell}' if cell else ''}.",
                "This is a fault of the comparison itself: keep the evidence and report it",
            )
        if kpi.crowded:
            yield Finding(
                "grain_not_unique",
                Verdict.ERROR,
                f"{name}: {kpi.crowded} cells stand in one table more than once.",
                "Make the batch model's grain unique (dbt's tests say where it is not), run the baseline",
            )
        verdicts = day_verdicts(kpi, night.closed_through)
        if name in night.waiting:
            yield Finding(
                "row_still_open",
                Verdict.INCONCLUSIVE if len(night.waiting) == len(night.compared.kpis) else Verdict.PASS,
                f"{name}: none of its rows closes on a compared day; the next one closes on"
                f" {spoken(night.waiting[name])}.",
                "Wait for that day; parity.reconcile_back must reach back to it",
            )
        elif not verdicts:
            yield Finding(
                "nothing_compared",
                Verdict.INCONCLUSIVE,
                f"{name}: neither side has a row on a closed day.",
                "See whether the baseline and the stream's job have written anything",
            )
        for day in sorted(day for day, verdict in verdicts.items() if verdict is Verdict.FAIL):
            measures = [total.measure for total in kpi.days if total.day == day and _fails(total)]
            yield Finding(
                "day_differs",
                Verdict.FAIL,
                f"{name} differs on {spoken(day)} in {', '.join(measures)}.",
                "The causes say what to do",
            )
    yield from _hidden(night, night.compared)


def _too_few(night: Night) -> Iterable[Finding]:
    days = {day for verdicts in _verdicts(night).values() for day in verdicts}
    needed = night.reconcile.closed_days
    if 0 < len(days) < needed:
        yield Finding(
            "too_few_closed_days",
            Verdict.INCONCLUSIVE,
            f"{counted(len(days), 'closed day')} could be compared, and a night needs {needed} to say"
            " anything (reconcile.closed_days).",
            "Wait until more business days have closed; parity.reconcile_back must reach back to them",
        )


def _hidden(night: Night, compared: Compared) -> Iterable[Finding]:
    fails = night.reconcile.hidden == "fail"
    for hidden in compared.hidden:
        yield Finding(
            "hidden_difference",
            Verdict.FAIL if fails else Verdict.PASS,
            f"{counted(hidden.events, 'event')} of {spoken(hidden.day)}"
            f" {'differs' if hidden.events == 1 else 'differ'} ({hidden.kind.replace('_', ' ')})"
            " although every measure agrees.",
            "Look at the ids in the report",
            warns=not fails,
        )


def _of_the_checks(night: Night) -> Iterable[Finding]:
    for what in night.failed_checks:
        yield Finding(
            "expectation_failed",
            Verdict.FAIL,
            f"An expectation does not hold: {what}.",
            "Look at the Data Docs for the rows, mend them at their source, then amend or replay",
        )
