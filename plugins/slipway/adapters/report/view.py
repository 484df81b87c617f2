"""From a document of evidence to what the page shows: a page can be made again from its evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from slipway.adapters.report.charts import Bar, Fall, heat_map, histogram, waterfall
from slipway.adapters.report.values import Values
from slipway.domain.evidence import Cause
from slipway.domain.masking import HIDDEN
from slipway.domain.narrative import (
    Headline,
    causes_of,
    failing_days,
    grouped,
    headline,
    hours,
    long_day,
    number,
    phrase,
    plural,
    short_day,
)

Document = Mapping[str, Any]
EXPLAINED_DAYS = 5
"""Failing days that get a section of their own; all are in the heat map and in the evidence."""


def page(document: Document, digest: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the template needs."""
    failing = failing_days(document)
    told: Headline = headline(document)
    return {
        "document": document,
        "digest": digest,
        "context": context,
        "told": told,
        "night": _night(document),
        "tone": {"PASS": "ok", "FAIL": "bad"}.get(document["verdict"], "warn"),
        "tiles": _tiles(document, failing),
        "kpis": [
            {
                "name": name,
                "title": name.replace("_", " "),
                "map": heat_map(kpi, failing[:EXPLAINED_DAYS]),
                "kpi": kpi,
            }
            for name, kpi in document["kpis"].items()
        ],
        "explained": [_explained(document, day) for day in failing[:EXPLAINED_DAYS]],
        # A day that differs has its section already.
        "findings": [f for f in document["findings"] if f["code"] != "day_differs"],
        "lateness": _lateness(document),
        "records": _records(document),
        "signatures": _signatures(document, digest, context),
        "checks_failed": sum(1 for check in document["expectations"] if not check["success"]),
    }


def _night(document: Document) -> str:
    zone = ZoneInfo(document["timezone"])
    local = _instant(document["cut"]["as_of"]).astimezone(zone)
    return f"{local.day} {local:%B %Y}, {local:%H:%M} {zone.key.rpartition('/')[2].replace('_', ' ')}"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _tiles(document: Document, failing: Sequence[str]) -> list[dict[str, str]]:
    closed, window, balance = document["days"]["closed"], document["window"], document["balance"]
    tiles = [
        {
            "label": "Days agreed",
            "value": f"{len(closed) - len(failing)} of {len(closed)}" if closed else "none closed",
            "note": f"{window['days']} in a row, {window['needed']} needed",
        },
        {
            "label": "Window",
            "value": "whole" if window["complete"] else "not whole",
            "note": f"{short_day(window['first'])} to {short_day(window['through'])}"
            if window["first"]
            else "no passing day at its end",
        },
    ]
    beyond = [d for kpi in document["kpis"].values() for d in kpi["differences"] if d["beyond"]]
    broken = sum(kpi["broken"] for kpi in document["kpis"].values())
    tiles.append(
        {
            "label": "Differences explained",
            "value": ("100 %" if not broken else f"all but {broken}") if beyond else "none to explain",
            "note": "remainder 0" if not broken else "the walk does not close",
        }
    )
    lost = balance["unaccounted"] + sum(balance["absent"].values())
    sinks = balance["silver"] + balance["late"] + balance["rejected"] + balance["duplicates"]
    tiles.append(
        {
            "label": "Records accounted",
            "value": grouped(sinks),
            "note": f"{grouped(lost)} missing, {grouped(max(0, sinks - balance['bronze']))} doubled",
        }
    )
    return tiles


def _explained(document: Document, day: str) -> dict[str, Any]:
    """Return one failing day: its causes, a waterfall of its first differing measure, its cells and ids."""
    cells, name, measure = [], "", ""
    zone = ZoneInfo(document["timezone"])
    for kpi_name, kpi in document["kpis"].items():
        values = {m["name"]: Values.of(m, zone) for m in kpi["measures"]}
        for difference in kpi["differences"]:
            if difference["day"] == day and difference["beyond"]:
                told = {"where": _where(kpi, difference["cell"]), "values": values[difference["measure"]]}
                cells.append({**difference, **told, "kpi": kpi_name})
    summed = [cell for cell in cells if not cell["values"].instant]
    if summed:
        name = summed[0]["kpi"]
        order = [m["name"] for m in document["kpis"][name]["measures"]]
        measure = min({c["measure"] for c in summed if c["kpi"] == name}, key=order.index)
    drawn = [c for c in cells if c["kpi"] == name and c["measure"] == measure]
    return {
        "day": day,
        "title": long_day(day),
        "causes": [phrase(document, cause, events) for cause, events in causes_of(document, day)],
        "measure": measure.replace("_", " "),
        "drawn": f"the {len(drawn)} {plural(len(drawn), 'cell')}",
        "waterfall": waterfall(_fall(drawn)) if drawn else Markup(""),
        "cells": [
            {
                "where": cell["where"],
                "measure": cell["measure"].replace("_", " "),
                "batch": cell["values"].shown(cell["batch"]),
                "stream": cell["values"].shown(cell["stream"]),
                "delta": cell["values"].difference(cell["batch"], cell["stream"]),
                "causes": cell["values"].by_cause(cell),
            }
            for cell in cells[:60]
        ],
        "more": max(0, len(cells) - 60),
        "examples": [
            {
                "cause": example["cause"].replace("_", " "),
                "where": _where(kpi, example["cell"]),
                "events": example["events"],
                "ids": example["ids"],
            }
            for kpi in document["kpis"].values()
            for example in kpi["examples"]
            if example["day"] == day
        ],
    }


def _fall(cells: Sequence[Mapping[str, Any]]) -> Fall:
    shares: dict[Cause, float] = defaultdict(float)
    for cell in cells:
        for cause, share in cell["shares"].items():
            shares[Cause(cause)] += number(share)
    return Fall(
        batch=sum(number(cell["batch"]) for cell in cells),
        stream=sum(number(cell["stream"]) for cell in cells),
        shares=shares,
    )


def _where(kpi: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    """Return a cell's key in words. The day stands above it; what else a period needs is said here."""
    parts = [
        _period(kpi.get("period"), cell[column]) if column == kpi["day_column"] else cell[column] or "unknown"
        for column in kpi["grain"]
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


def _lateness(document: Document) -> dict[str, Any]:
    accepted = document["days"]["accept_late"]
    bars = [
        Bar(
            _class(one["after"], one["before"]),
            one["events"],
            one["after"] is not None and one["after"] >= accepted,
        )
        for one in document["lateness"]
    ]
    if not any(bar.value for bar in bars):
        return {"drawing": Markup(""), "losses": [], "measures": []}
    measures = [
        (name, m["name"])
        for name, kpi in document["kpis"].items()
        for m in kpi["measures"]
        if any(loss["measure"] == m["name"] for loss in kpi["losses"])
    ]
    lost = {
        (name, loss["measure"], loss["bound"]): loss
        for name, kpi in document["kpis"].items()
        for loss in kpi["losses"]
    }
    bounds = sorted({bound for _, _, bound in lost})
    several = len({name for name, _ in measures}) > 1
    return {
        "drawing": histogram(bars, f"accepted: {hours(accepted)}"),
        "bounds": [f"{hours(bound)}{' (now)' if bound == accepted else ''}" for bound in bounds],
        "losses": [
            {
                "measure": f"{f'{name}: ' if several else ''}{measure}".replace("_", " "),
                "cells": [_loss(lost[name, measure, b]) for b in bounds],
            }
            for name, measure in measures
        ],
        "sentence": _loss_sentence(bounds, accepted, measures, lost),
    }


def _loss_sentence(
    bounds: Sequence[int],
    accepted: int,
    measures: Sequence[tuple[str, str]],
    lost: Mapping[tuple[str, str, int], Mapping[str, Any]],
) -> str:
    shorter = [bound for bound in bounds if bound < accepted]
    if not shorter or not measures:
        return ""
    bound = shorter[-1]

    def more(one: tuple[str, str]) -> float:
        return _share(lost[(*one, bound)]) - _share(lost[(*one, accepted)])

    worst = max(measures, key=more)
    if more(worst) <= 0:
        return f"With {hours(bound)} accepted, nothing more would have been lost."
    return (
        f"With {hours(bound)} accepted, {more(worst):.2%} more of {worst[1].replace('_', ' ')} would be lost."
    )


def _share(loss: Mapping[str, Any]) -> float:
    total = number(loss["total"])
    return number(loss["lost"]) / total if total else 0.0


def _loss(loss: Mapping[str, Any]) -> str:
    return f"{grouped(number(loss['lost']))} ({_share(loss):.2%})" if number(loss["lost"]) else "0"


def _class(after: int | None, before: int | None) -> str:
    if after is None:
        return "same day" if before == 0 else f"< {hours(before or 0)}"
    if before is None:
        return f"> {hours(after)}"
    if after == 0:
        return f"< {hours(before)}"
    return (
        f"{after // 3600}\u2013{hours(before)}"
        if after % 3600 == 0
        else f"{hours(after)}\u2013{hours(before)}"
    )


def _account(balance: Mapping[str, Any]) -> str:
    if not balance["closes"]:
        return "The account does not close; the findings say what to do."
    told = "Every record of the topic is in bronze, and every record of bronze is in one place."
    again = balance.get("replayed", 0)  # absent in evidence of before there were replays
    return f"{told} {grouped(again)} of them were dead letters that were sent again." if again else told


_SILVER = {
    "first": "silver, counted in the KPIs",
    "latest": "silver, accepted; of each id the newest version counts",
}


def _records(document: Document) -> dict[str, Any]:
    balance = document["balance"]
    rows = [
        ("silver", _SILVER.get(document.get("keep", ""), _SILVER["first"]), "ok"),
        ("duplicates", "duplicates, dropped", "tot"),
        ("rejected", "rejected, in the dead-letter topic", "warn"),
        ("late", "late, kept aside", "bad"),
        ("unaccounted", "in no table", "bad"),
    ]
    return {
        "total": grouped(balance["bronze"]),
        "rows": [
            {"label": label, "value": balance[key], "shown": grouped(balance[key]), "tone": tone}
            for key, label, tone in rows
            if balance[key] or key not in ("unaccounted",)
        ],
        "sentence": _account(balance),
    }


def _signatures(document: Document, digest: str, context: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row for each role and each word that was said on this evidence."""
    rows = []
    for role, people in context["roles"].items():
        words = [w for w in context["sign_offs"] if w["role"] == role and w["evidence"] == digest]
        for word in words:
            rows.append(
                {"role": role, "who": word["user"], "state": word["decision"], "comment": word["comment"]}
            )
        if not words:
            waits = "may sign" if document["verdict"] == "PASS" else "waits for PASS"
            rows.append({"role": role, "who": ", ".join(people), "state": waits, "comment": ""})
    return rows
