"""From what was found to a verdict: of a day, of a KPI, of the night."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from slipway.domain.accounting import Compared, ComparedKpi, Counted, DayTotal
from slipway.domain.evidence import Verdict
from slipway.domain.window import spoken

_WORST_FIRST = (Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that weighs on the verdict. verdict: what it makes of the night; PASS is a mere remark."""

    code: str
    verdict: Verdict
    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class Night:
    """Everything the verdict of one night looks at.

    incomplete: what of the cut is not in the lake, in words; empty when everything is.
    batch: what is wrong with the baseline, in words; empty when nothing is.
    counted: None when nothing could be counted; compared: None when no closed day could be compared.
    failed_checks: expectations that did not hold, in words; None when they could not run.
    waiting: KPIs none of whose rows closes on a compared day, with the next day on which one does.
    """

    migration: str
    incomplete: str
    batch: str
    counted: Counted
    compared: Compared | None
    closed_through: date | None
    failed_checks: tuple[str, ...]
    waiting: Mapping[str, date] = field(default_factory=dict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that decides: a broken check, then too little seen, then a difference."""
    seen = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in seen), Verdict.INCONCLUSIVE)


def day_verdicts(kpi: ComparedKpi, closed_through: date | None) -> Mapping[date, Verdict]:
    """Return the verdict of each closed day of one KPI; open days are never judged."""
    found: dict[date, Verdict] = {}
    for total in kpi.days:
        if closed_through is None or total.day > closed_through:
            continue
        verdict = Verdict.FAIL if _fails(total) else Verdict.PASS
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


def kpi_verdict(kpi: ComparedKpi, closed_through: date | None) -> Verdict:
    """Return the verdict of one KPI over its closed days; nothing compared is INCONCLUSIVE."""
    if kpi.broken or kpi.crowded:
        return Verdict.ERROR
    return worst(day_verdicts(kpi, closed_through).values())


def judge(night: Night) -> tuple[Verdict, tuple[Finding, ...]]:
    """Return the verdict of the night and every reason for it, the weightiest first."""
    findings = [
        *_of_the_cut(night),
        *_of_the_records(night),
        *_of_the_comparison(night),
        *_of_the_checks(night),
    ]
    findings.sort(key=lambda finding: _WORST_FIRST.index(finding.verdict))
    return worst([Verdict.PASS, *(finding.verdict for finding in findings)]), tuple(findings)


def _fails(total: DayTotal) -> bool:
    return total.beyond > 0 or total.engine > 0


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
    if night.compared is None or not any(kpi.days for kpi in night.compared.kpis.values()):
        yield Finding(
            "nothing_compared",
            Verdict.INCONCLUSIVE,
            "No closed day could be compared.",
            "Wait until a business day has closed, or give a later as_of",
        )
        return
    for name, kpi in night.compared.kpis.items():
        if kpi.broken:
            yield Finding(
                "walk_broken",
                Verdict.ERROR,
                f"{name}: the causes of {kpi.broken} differences don't sum to them.",
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
    for hidden in night.compared.hidden:
        yield Finding(
            "hidden_difference",
            Verdict.PASS,
            f"{hidden.events} events of {spoken(hidden.day)} differ ({hidden.kind.replace('_', ' ')})"
            " although every measure agrees.",
            "Look at the ids in the report",
        )


def _of_the_checks(night: Night) -> Iterable[Finding]:
    for what in night.failed_checks:
        yield Finding(
            "expectation_failed",
            Verdict.FAIL,
            f"An expectation that follows from the contract does not hold: {what}.",
            "Look at the Data Docs for the rows, mend them at their source, then amend or replay",
        )
