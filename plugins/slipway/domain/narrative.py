"""What a document of evidence says, in sentences: the headline of a report and the words for each cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from slipway.domain.evidence import Cause
from slipway.domain.figures import grouped, listed, long_day, number, short_day, signed
from slipway.domain.periods import Period, period
from slipway.domain.plurals import counted, plural
from slipway.domain.spans import exact_span

Document = Mapping[str, Any]

WORDS: Mapping[Cause, str] = {
    Cause.DEFINITION: "the batch model computes something else than its own events say",
    Cause.DUPLICATE_IN_BATCH: "{n} {events} twice in the batch",
    Cause.TIME_BUCKET: "{n} {events} at another time in the stream than in the batch",
    Cause.VALUE: "{n} {events} with other values in the stream",
    Cause.DIMENSION: "{n} {events} whose looked-up values changed since the stream read them",
    Cause.LATE: "{n} {events} arrived after the accepted {accept_late} and {wait} aside as late",
    Cause.REJECTED: "{n} {events} rejected by the decoder",
    Cause.LOST_IN_STREAM: "{n} {events} arrived and no table took them",
    Cause.NOT_ARRIVED: "{n} {events} {have} not arrived in the stream",
    Cause.AFTER_BATCH_CUT: "{n} {events} arrived after the batch had loaded",
    Cause.NOT_IN_BATCH: "{n} {events} missing in the batch",
    Cause.DUPLICATE_IN_STREAM: "{n} {events} twice in silver",
    Cause.ENGINE: "what the stream serves is not what its own events add up to",
}

STEPS: Mapping[Cause, str] = {
    Cause.DEFINITION: "correct the dbt model or the contract's measure, then run the baseline",
    Cause.DUPLICATE_IN_BATCH: (
        "let the dbt event model keep one row an id, and give every row an id (a row without one shows as"
        " `(no id)`), then run the baseline"
    ),
    Cause.TIME_BUCKET: "find out which side has the right time, and mend the other at its source",
    Cause.VALUE: "find out which side has the right values, and mend the other at its source",
    Cause.DIMENSION: "decide whether the dimension may change after the fact; a new revision reads it afresh",
    Cause.LATE: "a data owner decides on amending {days}: trigger {migration}.amend",
    Cause.REJECTED: "mend the records from the dead-letter topic, send them again, then amend {days}",
    Cause.LOST_IN_STREAM: "replay the revision: its tables lack records that bronze has",
    Cause.NOT_ARRIVED: "ask the producer where they are; once they arrive, a data owner can amend {days}",
    Cause.AFTER_BATCH_CUT: "nothing, for the next baseline has them",
    Cause.NOT_IN_BATCH: "find out why the batch never loaded these ids",
    Cause.DUPLICATE_IN_STREAM: "replay the revision: its tables hold records twice",
    Cause.ENGINE: "look who else writes to the serving table (a job, a hand), then replay the revision",
}


_TOLD_DAYS = 2
_TOLD_CAUSES = 2
"""Of how many failing days, and causes of each, a headline speaks; the page has all of them."""


@dataclass(frozen=True, slots=True)
class Headline:
    """What a reader sees first. title: a word or two; sentence: what is; step: what to do next."""

    title: str
    badge: str
    sentence: str
    step: str


def headline(document: Document) -> Headline:
    """Return what a document says, in the words of the people who act on it."""
    verdict = document["verdict"]
    if verdict in ("ERROR", "INCONCLUSIVE"):
        found = [f for f in document["findings"] if f["verdict"] == verdict]
        title = "The check broke" if verdict == "ERROR" else "Nothing can be said"
        what = " ".join(f["what"] for f in found) or "No finding says why."
        return Headline(title, verdict, what, f"{found[0]['fix']}." if found else "Look at the DAG's log.")
    told = _failed(document) if verdict == "FAIL" else _passed(document)
    return told if verdict == "FAIL" else replace(told, sentence=f"{told.sentence}{_besides(document)}")


def _failed(document: Document) -> Headline:
    closed, failing = document["days"]["closed"], failing_days(document)
    title = f"{_sentence(period_of(document))} can't be closed" if document.get("period") else "Not ready"
    if not failing:
        found = [f for f in document["findings"] if f["verdict"] == "FAIL"]
        return Headline(title, "FAIL", found[0]["what"], f"{found[0]['fix']}.")
    badge = (
        f"FAIL · {len(failing)} of {len(closed)} closed {plural(len(closed), 'day')} {agree(len(failing))}"
    )
    return Headline(title, badge, _failure(document, failing), _remedy(document, failing))


def _passed(document: Document) -> Headline:
    window, closed = document["window"], document["days"]["closed"]
    used, warned = len(used_waivers(document)), len(warnings(document))
    verb = "agrees" if len(closed) == 1 else "agree"
    conditions = [counted(used, "waiver")] if used else []
    conditions += [counted(warned, "warning")] if warned else []
    badge = f"PASS{' with ' + listed(conditions) if conditions else ''}"
    badge += f" · {counted(len(closed), 'closed day')} {verb}"
    told = f"{_agreement(document)} All {grouped(document['balance']['bronze'])} records are accounted for."
    if document.get("period"):
        name = _sentence(period_of(document))
        step = "The roles of the contract sign this evidence; with the last signature the period is closed."
        return Headline(f"{name} is ready to close", badge, told, step)
    if window["complete"]:
        span = f"{short_day(window['first'])} to {short_day(window['through'])}"
        return Headline(
            "Ready to sign",
            badge,
            f"{told} The observation window is whole: {window['days']} days, {span}.",
            f"The roles of the contract sign this evidence, then {document['migration']}.cutover may run.",
        )
    return Headline("On the way", badge, told, f"Wait: {'; '.join(window['missing'])}.")


def _besides(document: Document) -> str:
    """Return what a reader of a PASS has to know besides: hidden differences and restated values."""
    hidden = sum(h["events"] for h in document.get("hidden", ()))
    restated = document.get("restatements") or []
    told = ""
    if hidden:
        told += f" {counted(hidden, 'event')} {agree(hidden)} without showing in any measure."
    if restated:
        closed = listed([period(name).words for name in sorted({r["period"] for r in restated})])
        verb = "has" if len(restated) == 1 else "have"
        told += f" {counted(len(restated), 'value')} {verb} changed since {closed} was closed."
    return told


def period_of(document: Document) -> str:
    """Return the period of a close run as people say it, such as February 2013."""
    named = document["period"]
    return Period(date.fromisoformat(named["first"]), date.fromisoformat(named["last"]), named["name"]).words


def warnings(document: Document) -> list[Mapping[str, Any]]:
    """Return the findings that warn without failing the night."""
    return [f for f in document["findings"] if f.get("warns")]


def used_waivers(document: Document) -> list[Mapping[str, Any]]:
    """Return the waivers without which a cell would not have passed."""
    return [waiver for waiver in document.get("waivers", ()) if waiver.get("used")]


def standing(seen: Mapping[str, Any]) -> str:
    """Return how one measure of one closed day stands: fail, waived, near, warn (tolerated) or pass.

    near: within the tolerance, but using so much of it that the contract wants to be told.
    """
    waived = seen.get("waived") or 0
    if seen["beyond"] > waived or seen["engine"]:
        return "fail"
    if waived:
        return "waived"
    if seen.get("close"):
        return "near"
    return "warn" if seen["tolerated"] else "pass"


def failing_days(document: Document) -> list[str]:
    """Return the closed days on which a KPI differs beyond tolerance, as ISO dates, ascending."""
    return sorted(
        {day["day"] for kpi in document["kpis"].values() for day in kpi["days"] if day["verdict"] == "FAIL"}
    )


def causes_of(document: Document, day: str) -> list[tuple[Cause, int]]:
    """Return the causes that touch a day with the number of events, the weightiest first.

    An event that several KPIs count is one event, so the largest number among the KPIs is taken.
    """
    events: dict[Cause, int] = defaultdict(int)
    for kpi in document["kpis"].values():
        for touched in kpi["events"]:
            if touched["day"] == day:
                cause = Cause(touched["cause"])
                events[cause] = max(events[cause], touched["events"])
        for share in kpi["causes"]:
            cause = Cause(share["cause"])
            if share["day"] == day and cause in (Cause.DEFINITION, Cause.ENGINE):
                events.setdefault(cause, 0)
    return sorted(events.items(), key=lambda item: -item[1])


def cancelling(document: Document, day: str) -> str:
    """Return how many events of a day differ without showing in any measure; nothing when none does."""
    events = sum(one["events"] for one in document.get("hidden", ()) if one["day"] == day)
    return f"{counted(events, 'event')} {agree(events)} though every measure agrees" if events else ""


def is_instant(measure: Mapping[str, Any]) -> bool:
    """Say whether a measure's values are points in time, of which no sum has a meaning."""
    return measure.get("type") in ("timestamp", "date")


def difference_text(seen: Mapping[str, Any], measure: Mapping[str, Any]) -> str:
    """Return stream minus batch over all cells, or how many cells differ where a sum says nothing."""
    if is_instant(measure):
        return f"±{seen['beyond'] or seen['engine']}"
    batch, stream = number(seen["batch"]), number(seen["stream"])
    delta = stream - batch
    return signed(delta) if delta else f"±{seen['beyond'] or seen['engine']}"


def phrase(document: Document, cause: Cause, events: int) -> str:
    """Return a cause and its number of events in words."""
    return WORDS[cause].format(
        n=grouped(events),
        events=plural(events, "event"),
        have="has" if events == 1 else "have",
        wait="waits" if events == 1 else "wait",
        accept_late=exact_span(timedelta(seconds=document["days"]["accept_late"])),
    )


def _agreement(document: Document) -> str:
    def total(key: str) -> int:
        return sum(
            seen.get(key) or 0
            for kpi in document["kpis"].values()
            for day in kpi["days"]
            if not day["open"]
            for seen in day["measures"].values()
        )

    tolerated, waived = total("tolerated"), total("waived")
    if not tolerated and not waived:
        return "Batch and stream agree in every cell of every closed day."
    but = [f"{grouped(tolerated)} {plural(tolerated, 'value')} within the tolerance"] if tolerated else []
    if waived:
        people = listed(sorted({str(w["by"]) for w in used_waivers(document)}))
        accepted = f", accepted by {people}" if people else ""
        but.append(f"{grouped(waived)} {plural(waived, 'value')} waived{accepted}")
    return f"Batch and stream agree on every closed day; {listed(but)}."


def _failure(document: Document, failing: Sequence[str]) -> str:
    told = []
    for day in failing[:_TOLD_DAYS]:
        causes = causes_of(document, day)
        words = ", ".join(phrase(document, cause, events) for cause, events in causes[:_TOLD_CAUSES])
        words = words or cancelling(document, day) or "the two sides differ"
        if len(causes) > _TOLD_CAUSES:
            words += f" and {counted(len(causes) - _TOLD_CAUSES, 'more cause')}"
        told.append(f"{long_day(day)}: {words}{_where(document, day)}.")
    if len(failing) > _TOLD_DAYS:
        rest = len(failing) - _TOLD_DAYS
        told.append(f"{counted(rest, 'more day')} {agree(rest)}.")
    elif len(failing) < len(document["days"]["closed"]):
        told.append("Every other closed day agrees in every cell.")
    return " ".join(told)


def _where(document: Document, day: str) -> str:
    """Return ` (origin EWR)` when every difference of the day lies in one value of a segment."""
    for kpi in document["kpis"].values():
        cells = [d["cell"] for d in kpi["differences"] if d["day"] == day and d["beyond"]]
        for segment in kpi["segments"]:
            values = {cell[segment] for cell in cells}
            if len(values) == 1:
                return f" ({segment} {next(iter(values)) or 'unknown'})"
    return ""


def _remedy(document: Document, failing: Sequence[str]) -> str:
    days_by_cause: dict[Cause, list[str]] = defaultdict(list)
    for day in failing:
        for cause, _ in causes_of(document, day):
            days_by_cause[cause].append(day)
    steps = [remedy(document, cause, *days) for cause, days in days_by_cause.items()]
    if not steps:
        return "Look at the listed cells."
    more = "; the report says what else" if len(steps) > _TOLD_CAUSES else ""
    return f"{_sentence('; '.join(steps[:_TOLD_CAUSES]))}{more}."


def remedy(document: Document, cause: Cause, *days: str) -> str:
    """Return what to do about a cause on some days."""
    named = listed([short_day(day) for day in days])
    return STEPS[cause].format(days=named, migration=document["migration"])


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}"


def agree(count: int) -> str:
    """Return the verb `differ` as the count needs it."""
    return "differs" if count == 1 else "differ"
