"""A night as text for a DAG's log: the headline, a sign for each measure and day, and what else to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slipway.domain.figures import grouped, number, percent, short_day
from slipway.domain.narrative import (
    Document,
    causes_of,
    difference_text,
    failing_days,
    headline,
    period_of,
    phrase,
    standing,
    used_waivers,
)


def summary(document: Document) -> str:
    """Return a night as a table for the log."""
    told = headline(document)
    balance = document["balance"]
    lines = [
        f"{document['migration']}{f': close of {period_of(document)}' if document.get('period') else ''}:"
        f" {document['verdict']}  as of {document['cut']['as_of']}",
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
    ]
    if not document.get("period"):
        window = document["window"]
        missing = "" if window["complete"] else f"; {'; '.join(window['missing'])}"
        lines.append(f"window: {window['days']} of {window['needed']} days{missing}")
    lines += [
        f"hidden: {short_day(one['day'])}, {grouped(one['events'])} {one['kind'].replace('_', ' ')}:"
        f" {_few(one['ids'])}"
        for one in document.get("hidden", ())
    ]
    lines += [f"waived: {spoken_waiver(waiver)}" for waiver in used_waivers(document)]
    lines += [f"restated: {spoken_restatement(one)}" for one in document.get("restatements") or ()]
    lines += [f"{'WARNING' if f.get('warns') else f['verdict']}: {f['what']}" for f in document["findings"]]
    return "\n".join(lines)


def spoken_waiver(waiver: Mapping[str, Any]) -> str:
    """Return who accepted what, up to which bound, and why."""
    first, last = short_day(str(waiver["first_day"])), short_day(str(waiver["last_day"]))
    days = first if last == first else f"{first} to {last}"
    what = f"{waiver['cause'].replace('_', ' ')} in {waiver['kpi']}, {days}"
    return f"{what}, at most {percent(waiver['at_most'])}, by {waiver['by']}: {waiver['reason']}"


def spoken_restatement(one: Mapping[str, Any]) -> str:
    """Return which signed value is another one now, and why."""
    cell = ", ".join(str(value) for value in one["cell"].values() if value != one["day"])
    why = one["cause"].replace("_", " ") + (f" ({one['reason']})" if one.get("reason") else "")
    was, now = (grouped(number(v)) if v is not None else "nothing" for v in (one["was"], one["now"]))
    return f"{one['period']} {one['kpi']}.{one['measure']} {cell} ({one['side']}): {was} to {now}, {why}"


def _few(ids: Sequence[str]) -> str:
    return " ".join(map(str, ids[:5])) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")


_MARKS = {"waived": "w", "near": "\u2248", "warn": "~", "pass": "="}


def mark(day: Mapping[str, Any], measure: Mapping[str, Any]) -> str:
    """Return one square of the heat map as text: = ~ w(aived) \u2248 (nearly too far), a difference, or ·."""
    seen = day["measures"].get(measure["name"])
    if seen is None:
        return ""
    if day["open"]:
        return "·"
    return _MARKS.get(standing(seen)) or difference_text(seen, measure)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
