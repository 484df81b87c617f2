"""What a night says though it does not decide: differences that come close, waivers, days that changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal

from slipway.domain.evidence import Verdict
from slipway.domain.night import Finding, Night
from slipway.domain.plurals import counted as number_of
from slipway.domain.revalidation import Change
from slipway.domain.waivers import Used
from slipway.domain.window import spoken

_NAMED = 4


def of_thresholds(night: Night) -> Iterator[Finding]:
    """Yield what comes close to failing, by reconcile.warn."""
    warn = night.reconcile.warn
    if night.compared is not None and night.closed_through is not None:
        for name, kpi in night.compared.kpis.items():
            for day in sorted({t.day for t in kpi.days if t.close and t.day <= night.closed_through}):
                near = [t for t in kpi.days if t.day == day and t.close]
                yield _warning(
                    "tolerance_nearly_used",
                    f"{name}: {number_of(sum(t.close for t in near), 'cell')} of {spoken(day)} within the"
                    f" tolerance, but {percent(warn.tolerance_used)} of it or more used, in"
                    f" {', '.join(t.measure for t in near)}.",
                    "Look at the causes before the difference grows",
                )
        if warn.late is not None:
            for day, (late, events) in sorted(night.compared.late_of_days.items()):
                if late and events and Decimal(late) >= warn.late * events:
                    yield _warning(
                        "many_late",
                        f"{share(late, events)} of the events of {spoken(day)} came late ({late} of"
                        f" {events}), from {percent(warn.late)} on a night warns.",
                        "See the report's lateness for what another accept_late would have kept",
                    )
    balance = night.counted.balance
    for code, many, threshold, noun, fix in (
        ("many_rejected", balance.rejected, warn.rejected, "were rejected", "Look at the dead letters"),
        (
            "many_duplicates",
            balance.duplicates,
            warn.duplicates,
            "were duplicates",
            "Ask the producer what sends events twice",
        ),
    ):
        if threshold is not None and many and Decimal(many) >= threshold * balance.bronze:
            yield _warning(
                code,
                f"{share(many, balance.bronze)} of all records {noun} ({many} of {balance.bronze}),"
                f" from {percent(threshold)} on a night warns.",
                fix,
            )


def of_checks(night: Night) -> Iterator[Finding]:
    """Yield the expectations that the contract lets warn only."""
    for what in night.warned_checks:
        yield _warning(
            "expectation_warned",
            f"An expectation that only warns does not hold: {what}.",
            "Look at the Data Docs for the rows",
        )


def of_waivers(night: Night) -> Iterator[Finding]:
    """Yield what waivers cover, and those whose bound a cause has outgrown."""
    if night.compared is None:
        return
    for name, kpi in night.compared.kpis.items():
        for day in sorted({t.day for t in kpi.days if t.waived}):
            covered = [t for t in kpi.days if t.day == day and t.waived]
            by = sorted({one.waiver for one in kpi.used if one.day == day and one.covers})
            yield Finding(
                "waived",
                Verdict.PASS,
                f"{name}: {number_of(sum(t.waived for t in covered), 'cell')} of {spoken(day)} differ beyond"
                f" the tolerance in {', '.join(t.measure for t in covered)} and pass by"
                f" {_waivers(by)}.",
                "Withdraw the waiver when it is no longer meant",
            )
        for one in kpi.used:
            if not one.covers:
                yield _outgrown(name, one)


def of_days_before(night: Night, verdicts: Mapping[str, Mapping[date, Verdict]]) -> Iterator[Finding]:
    """Yield the closed days that passed in the evidence before and are not what they were.

    verdicts: of tonight, by KPI and closed day.
    """
    earlier, compared = night.earlier, night.compared
    if earlier is None or compared is None:
        return
    for name, kpi in compared.kpis.items():
        for day, verdict in sorted(verdicts.get(name, {}).items()):
            if (name, day) not in earlier.passed:
                continue
            changes = earlier.changes(name, kpi, day)
            if verdict is not Verdict.PASS:
                yield Finding(
                    "closed_day_changed",
                    verdict,
                    f"{name} passed on {spoken(day)} in the evidence {earlier.digest[:12]} and does not pass"
                    f" now: {_listed(changes) or 'its sums are what they were'}.",
                    "See by the causes which side was changed after the day had closed",
                )
            elif changes:
                yield _warning(
                    "closed_day_changed",
                    f"{name} still passes on {spoken(day)}, but not with the values of the evidence"
                    f" {earlier.digest[:12]}: {_listed(changes)}.",
                    "An amendment or a new baseline explains it; anything else should be found out",
                )


def percent(value: Decimal) -> str:
    """Return a share as a percentage, without needless zeros: 80 %."""
    text = format((value * 100).normalize(), "f")
    return f"{text} %"


def share(part: int | Decimal, whole: int | Decimal) -> str:
    """Return a part of a whole as a percentage of three digits; all of nothing is more than any share."""
    if not whole:
        return "all"
    return f"{float(part) / float(whole) * 100:.3g} %"


def _outgrown(name: str, one: Used) -> Finding:
    return _warning(
        "waiver_beyond_its_bound",
        f"{name}: waiver {one.waiver} covers nothing of {one.measure} on {spoken(one.day)}, for its cause"
        f" comes to {share(one.gross, one.batch)} of batch there, more than was accepted.",
        "Mend the cause, or let a data owner decide again",
    )


def _waivers(ids: Iterable[int]) -> str:
    listed = [str(one) for one in ids]
    return f"waiver{'s' if len(listed) > 1 else ''} {', '.join(listed)}"


def _listed(changes: list[Change]) -> str:
    told = [str(change) for change in changes[:_NAMED]]
    if len(changes) > _NAMED:
        told.append(f"and {len(changes) - _NAMED} more")
    return ", ".join(told)


def _warning(code: str, what: str, fix: str) -> Finding:
    return Finding(code, Verdict.PASS, what, fix, warns=True)
