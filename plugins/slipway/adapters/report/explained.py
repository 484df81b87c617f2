"""A day that differs: its causes, an account of each measure, the cells and the events behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from slipway.adapters.report import waterfall
from slipway.adapters.report.glossary import MEANINGS
from slipway.adapters.report.values import Values
from slipway.domain.evidence import Cause
from slipway.domain.figures import full_day, grouped, number, signed
from slipway.domain.masking import HIDDEN
from slipway.domain.narrative import cancelling, causes_of, is_instant, phrase, remedy, standing
from slipway.domain.plurals import counted

Document = Mapping[str, Any]

CELLS = 60
"""Cells of a day that are listed; all of the differing ones are in the evidence."""
EXAMPLES = 40
"""Rows of example ids of a day."""


def explained(document: Document, day: str) -> dict[str, Any]:
    """Return one day that differs: its causes, an account a measure, its cells and its ids.

    Of a day that fails, what fails and what is waived; of another, what is waived or tolerated.
    """
    failing = any(
        one["verdict"] == "FAIL"
        for kpi in document["kpis"].values()
        for one in kpi["days"]
        if one["day"] == day
    )
    kinds = ("fail", "waived") if failing else ("waived", "near", "warn")
    cells, listed_all = _cells(document, day, kinds)
    examples = [
        {
            "kpi": name.replace("_", " "),
            "cause": example["cause"].replace("_", " "),
            "where": where(kpi, example["cell"]),
            "events": grouped(example["events"]),
            "ids": example["ids"],
        }
        for name, kpi in document["kpis"].items()
        for example in kpi.get("examples", ())
        if example["day"] == day
    ]
    return {
        "day": day,
        "title": full_day(day),
        "how": "differs" if failing else "differs, and passes",
        "cancelling": cancelling(document, day),
        "causes": [
            {
                "told": phrase(document, cause, events),
                "meaning": MEANINGS[cause][1],
                "step": remedy(document, cause, day),
            }
            for cause, events in causes_of(document, day)
        ],
        "accounts": _accounts(document, day, kinds),
        "cells": cells[:CELLS],
        "recomputed": any(cell["engine"] for cell in cells[:CELLS]),
        "several": len({cell["kpi"] for cell in cells}) > 1,
        "more": max(0, listed_all - CELLS),
        "examples": examples[:EXAMPLES],
        "more_examples": max(0, len(examples) - EXAMPLES),
    }


def _accounts(document: Document, day: str, kinds: Collection[str]) -> list[dict[str, Any]]:
    """Return an account for each measure of these standings; of points in time there is no sum."""
    found = []
    for name, kpi in document["kpis"].items():
        seen: Mapping[str, Any] = next((one["measures"] for one in kpi["days"] if one["day"] == day), {})
        for measure in kpi["measures"]:
            totals = seen.get(measure["name"])
            if totals is None or is_instant(measure) or standing(totals) not in kinds:
                continue
            fall = fall_of(document, kpi, day, measure["name"], totals)
            rows = waterfall.steps(fall)
            delta = number(totals["stream"]) - number(totals["batch"])
            off = totals["beyond"] or totals["engine"] or totals["tolerated"]
            found.append(
                {
                    "kpi": name.replace("_", " "),
                    "measure": measure["name"].replace("_", " "),
                    "delta": signed(delta) if delta else "0 in sum",
                    "cells": f"{grouped(off)} of {counted(totals['cells'], 'cell')}",
                    "additive": measure.get("additive", True),
                    "steps": rows,
                    "moved": any(row.gross for row in rows),
                    "absent": waterfall.absent(fall),
                    "note": waterfall.axis_note(fall),
                    "remainder": signed(-fall.remainder),
                    "waived": standing(totals) == "waived",
                }
            )
    return found


def fall_of(
    document: Document, kpi: Mapping[str, Any], day: str, measure: str, totals: Mapping[str, Any]
) -> waterfall.Fall:
    """Return how a measure gets from the batch's sum over all cells of a day to the stream's."""
    events = dict(causes_of(document, day))
    shares: dict[Cause, Decimal] = defaultdict(Decimal)
    gross: dict[Cause, Decimal] = defaultdict(Decimal)
    for one in kpi["causes"]:
        if (one["day"], one["measure"]) == (day, measure):
            shares[Cause(one["cause"])] += number(one["net"])
            gross[Cause(one["cause"])] += number(one["gross"])
    words = {
        cause: phrase(document, cause, events[cause]) if events.get(cause) else MEANINGS[cause][1]
        for cause in shares
    }
    return waterfall.Fall(number(totals["batch"]), number(totals["stream"]), shares, gross, words)


def _cells(document: Document, day: str, kinds: Collection[str]) -> tuple[list[dict[str, Any]], int]:
    """Return the listed cells of measures of these standings, and how many there are in all."""
    zone = ZoneInfo(document["timezone"])
    cells, total = [], 0
    for name, kpi in document["kpis"].items():
        values = {m["name"]: Values.of(m, zone) for m in kpi["measures"]}
        shown_measures = set()
        for one in kpi["days"]:
            for measure, seen in one["measures"].items() if one["day"] == day else ():
                if standing(seen) in kinds:
                    shown_measures.add(measure)
                    total += max(seen["beyond"], seen["engine"]) or seen["tolerated"]
        for cell in kpi["differences"]:
            beyond = cell["beyond"] or "engine" in cell.get("shares", {})
            if cell["day"] != day or cell["measure"] not in shown_measures:
                continue
            if not beyond and "fail" in kinds:
                continue
            shown = values[cell["measure"]]
            cells.append(
                {
                    "kpi": name.replace("_", " "),
                    "where": where(kpi, cell["cell"]),
                    "measure": cell["measure"].replace("_", " "),
                    "batch": shown.shown(cell.get("batch")),
                    "recomputed": shown.shown(cell.get("recomputed")),
                    "stream": shown.shown(cell.get("stream")),
                    "delta": shown.difference(cell.get("batch"), cell.get("stream")),
                    "causes": shown.by_cause(cell),
                    "remainder": signed(number(cell.get("remainder"))),
                    "engine": "engine" in cell.get("shares", {}),
                }
            )
    return cells, max(total, len(cells))


def where(kpi: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    """Return a cell's key in words. The day stands above it; what else a period needs is said here."""
    columns: Sequence[str] = kpi.get("grain") or list(cell)
    parts = [
        _period(kpi.get("period"), cell[column])
        if column == kpi.get("day_column")
        else "unknown"
        if cell[column] is None
        else str(cell[column]) or "(empty)"
        for column in columns
        if column in cell
    ]
    return " · ".join(part for part in parts if part) or "all"


def _period(kind: str | None, value: str) -> str:
    """Return what tells a period from others that close on the same day, in the business time zone."""
    if value == HIDDEN:
        return value
    began = datetime.fromisoformat(value)
    match kind:
        case "minute" | "hour":
            return f"{began:%H:%M} (UTC{value[-6:]})"
        case "week":
            return f"week of {began.day} {began:%B}"
        case "month":
            return f"{began:%B %Y}"
        case _:
            return ""
