"""What a document of evidence says, in sentences: the headline of a report and the table for a log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from slipway.domain.evidence import Cause

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
    Cause.NOT_IN_BATCH: "{n} {events} missing in the batch although arrived in time",
    Cause.DUPLICATE_IN_STREAM: "{n} {events} twice in silver",
    Cause.ENGINE: "what the stream serves is not what its own events add up to",
}

STEPS: Mapping[Cause, str] = {
    Cause.DEFINITION: "correct the dbt model or the contract's measure, then run the baseline",
    Cause.DUPLICATE_IN_BATCH: "let the dbt event model keep one row an id, then run the baseline",
    Cause.TIME_BUCKET: "find out which side has the right time, and mend the other at its source",
    Cause.VALUE: "find out which side has the right values, and mend the other at its source",
    Cause.DIMENSION: "decide whether the dimension may change after the fact; a new revision reads it afresh",
    Cause.LATE: "a data owner decides on amending {days}: trigger {migration}.amend",
    Cause.REJECTED: "mend the records from the dead-letter topic, send them again, then amend {days}",
    Cause.LOST_IN_STREAM: "replay the revision: its tables lack records that bronze has",
    Cause.NOT_ARRIVED: "ask the producer where they are; once they arrive, a data owner can amend {days}",
    Cause.AFTER_BATCH_CUT: "nothing: the next baseline has them",
    Cause.NOT_IN_BATCH: "find out why the batch never loaded these ids",
    Cause.DUPLICATE_IN_STREAM: "replay the revision: its tables hold records twice",
    Cause.ENGINE: "compare silver with the serving table by the listed cells; replay the revision",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """What a reader sees first. title: a word or two; sentence: what is; step: what to do next."""

    title: str
    badge: str
    sentence: str
    step: str


def headline(document: Document) -> Headline:
    """Return what a document says, in the words of the people who act on it."""
    verdict, window = document["verdict"], document["window"]
    closed = document["days"]["closed"]
    failing = failing_days(document)
    if verdict in ("ERROR", "INCONCLUSIVE"):
        found = [f for f in document["findings"] if f["verdict"] == verdict]
        title = "The check broke" if verdict == "ERROR" else "Nothing can be said"
        return Headline(title, verdict, " ".join(f["what"] for f in found), f"{found[0]['fix']}.")
    if verdict == "FAIL":
        days = plural(len(closed), "day")
        badge = f"FAIL · {len(failing)} of {len(closed)} closed {days} {agree(len(failing))}"
        if not failing:
            found = [f for f in document["findings"] if f["verdict"] == "FAIL"]
            return Headline("Not ready", "FAIL", found[0]["what"], f"{found[0]['fix']}.")
        return Headline("Not ready", badge, _failure(document, failing), _remedy(document, failing))
    verb = "agrees" if len(closed) == 1 else "agree"
    badge = f"PASS · {len(closed)} closed {plural(len(closed), 'day')} {verb}"
    agreement = _agreement(document)
    events = f"All {grouped(document['balance']['bronze'])} records are accounted for."
    if window["complete"]:
        span = f"{short_day(window['first'])} to {short_day(window['through'])}"
        return Headline(
            "Ready to sign",
            badge,
            f"{agreement} {events} The observation window is whole: {window['days']} days, {span}.",
            f"The roles of the contract sign this evidence, then {document['migration']}.cutover may run.",
        )
    return Headline(
        "On the way",
        badge,
        f"{agreement} {events}",
        f"Wait: {'; '.join(window['missing'])}.",
    )


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


def summary(document: Document) -> str:
    """Return a night as a table for the log."""
    told = headline(document)
    balance = document["balance"]
    lines = [
        f"{document['migration']}: {document['verdict']}  as of {document['cut']['as_of']}",
        told.sentence,
        f"Next: {told.step}",
        "",
    ]
    for name, kpi in document["kpis"].items():
        rows = [[name, *[short_day(day["day"]) for day in kpi["days"]]]]
        for measure in kpi["measures"]:
            rows.append([measure["name"], *[mark(day, measure) for day in kpi["days"]]])
        lines += [*_table(rows), ""]
        lines += [
            f"  {short_day(day)}: {phrase(document, cause, events)}"
            for day in failing_days(document)
            for cause, events in causes_of(document, day)
        ]
    lines += [
        f"records: {grouped(balance['bronze'])} in bronze = {grouped(balance['silver'])} silver"
        f" + {grouped(balance['late'])} late + {grouped(balance['rejected'])} rejected"
        f" + {grouped(balance['duplicates'])} duplicates;"
        f" {'closes' if balance['closes'] else 'DOES NOT CLOSE'}",
        f"window: {document['window']['days']} of {document['window']['needed']} days"
        + ("" if document["window"]["complete"] else f"; {'; '.join(document['window']['missing'])}"),
    ]
    lines += [f"{f['verdict']}: {f['what']}" for f in document["findings"]]
    return "\n".join(lines)


def mark(day: Mapping[str, Any], measure: Mapping[str, Any]) -> str:
    """Return one square of the heat map as text: =, ~ (tolerated), the difference, or · (open)."""
    seen = day["measures"].get(measure["name"])
    if seen is None:
        return ""
    if day["open"]:
        return "·"
    if seen["beyond"] or seen["engine"]:
        return difference_text(seen, measure)
    return "~" if seen["tolerated"] else "="


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
        accept_late=hours(document["days"]["accept_late"]),
    )


def _agreement(document: Document) -> str:
    tolerated = sum(
        seen["tolerated"]
        for kpi in document["kpis"].values()
        for day in kpi["days"]
        if not day["open"]
        for seen in day["measures"].values()
    )
    if not tolerated:
        return "Batch and stream agree in every cell of every closed day."
    values = plural(tolerated, "value")
    return f"Batch and stream agree on every closed day; {grouped(tolerated)} {values} within the tolerance."


def _failure(document: Document, failing: Sequence[str]) -> str:
    told = []
    for day in failing[:3]:
        causes = causes_of(document, day)
        words = (
            ", ".join(phrase(document, cause, events) for cause, events in causes) or "the two sides differ"
        )
        told.append(f"{long_day(day)}: {words}{_where(document, day)}.")
    if len(failing) > 3:
        told.append(f"{len(failing) - 3} more days differ.")
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
    steps = [
        STEPS[cause].format(
            days=" and ".join(short_day(day) for day in days), migration=document["migration"]
        )
        for cause, days in days_by_cause.items()
    ]
    if not steps:
        return "Look at the listed cells."
    sentence = "; ".join(steps)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def number(value: int | str | None) -> float:
    """Return a value of a document for showing and drawing; None, a measure of nothing, is drawn as zero."""
    return 0.0 if value is None else float(value)


def grouped(value: float) -> str:
    """Return a number with thin spaces between thousands, and at most two decimal places."""
    text = f"{value:,.2f}".rstrip("0").rstrip(".") if value != int(value) else f"{int(value):,}"
    return text.replace(",", "\u202f")


def signed(value: float) -> str:
    """Return a number with its sign, the minus a real one."""
    return ("+" if value > 0 else "\u2212") + grouped(abs(value)) if value else "0"


def long_day(day: str) -> str:
    """Return an ISO date as `27 February`."""
    parsed = date.fromisoformat(day)
    return f"{parsed.day} {parsed:%B}"


def short_day(day: str | None) -> str:
    """Return an ISO date as `27 Feb`."""
    if day is None:
        return "none"
    parsed = date.fromisoformat(day)
    return f"{parsed.day} {parsed:%b}"


def hours(seconds: int) -> str:
    """Return a length of time in its largest whole unit."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def plural(count: int, noun: str) -> str:
    """Return a noun as the count needs it."""
    return noun if count == 1 else f"{noun}s"


def agree(count: int) -> str:
    """Return the verb `differ` as the count needs it."""
    return "differs" if count == 1 else "differ"
