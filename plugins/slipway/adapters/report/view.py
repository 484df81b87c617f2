"""From a document of evidence to the page of a night: it can be made again from its evidence."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from slipway.adapters.report import agreements, cut
from slipway.adapters.report.explained import explained
from slipway.adapters.report.glossary import MEANINGS
from slipway.adapters.report.heat_map import WORDS, heat_map, square_of, tolerance_of
from slipway.adapters.report.lateness import lateness
from slipway.adapters.report.records import amended, records
from slipway.adapters.report.values import Values
from slipway.domain.figures import grouped, listed, short_day
from slipway.domain.narrative import (
    Headline,
    agree,
    failing_days,
    headline,
    period_of,
    standing,
    warnings,
)
from slipway.domain.plurals import counted

Document = Mapping[str, Any]
OPEN_DAYS = 3
"""Failing days whose section stands open; those of the others open when they are asked for."""
_SHOWN_ELSEWHERE = ("day_differs", "hidden_difference")


def page(document: Document, digest: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the template needs."""
    failing = failing_days(document)
    told = _told(document, context)
    days = [explained(document, day) for day in failing]
    passing = [explained(document, day) for day in _passing_differences(document)]
    days += [day for day in passing if day["accounts"] or day["cells"]]
    linked = {day["day"] for day in days}
    shown = min(OPEN_DAYS, len(failing))
    findings = [f for f in document["findings"] if f["code"] not in _SHOWN_ELSEWHERE or f.get("warns")]
    return {
        "document": document,
        "period": document.get("period"),
        "times": document.get("times", ()),
        "versions": document.get("versions", {}),
        "digest": digest,
        "context": context,
        "told": told,
        "title": _title(document),
        "tone": tone_of(document),
        "warnings": warnings(document),
        "tiles": _tiles(document, failing),
        "kpis": [_kpi(name, kpi, document, linked) for name, kpi in document["kpis"].items()],
        "several": len(document["kpis"]) > 1,
        "legend": legend(document),
        "days": days[:shown],
        "folded": days[shown:],
        "weighing": [f for f in findings if f["verdict"] != "PASS" and f["what"] not in told.sentence],
        "remarks": [f for f in findings if f["verdict"] == "PASS" and not f.get("warns")],
        "hidden": agreements.hidden(document),
        "row_by_row": agreements.row_by_row(document) if document["days"]["closed"] else "",
        "waivers": agreements.waivers(document),
        "restated": agreements.restatements(document),
        "changed": agreements.changed(document, context.get("before_document")),
        "lateness": lateness(document),
        "records": records(document, amended(context)),
        "checks": _checks(document),
        "signatures": _signatures(document, digest, context),
        "cut": cut.rows(document, context),
        "glossary": [
            {"name": cause.value.replace("_", " "), "whose": whose, "told": meaning}
            for cause, (whose, meaning) in MEANINGS.items()
        ],
    }


def _told(document: Document, context: Mapping[str, Any]) -> Headline:
    """Return the headline; a night that passes asks for no signature once readers have the stream."""
    told = headline(document)
    if not _nobody_signs(document, context) or not document["window"]["complete"]:
        return told
    return replace(
        told, title="Still agrees", step="None is needed: readers have had the stream since the switch."
    )


def _nobody_signs(document: Document, context: Mapping[str, Any]) -> bool:
    return bool(context.get("switched") and document["verdict"] == "PASS" and not document.get("period"))


def _passing_differences(document: Document) -> list[str]:
    """Return the closed days that differ within what is tolerated or waived, ascending."""
    found = {
        day["day"]
        for kpi in document["kpis"].values()
        for day in kpi["days"]
        if not day["open"]
        if any(standing(seen) != "pass" for seen in day["measures"].values())
    }
    return sorted(found - set(failing_days(document)))


def tone_of(document: Document) -> str:
    """Return the colour of a night's verdict."""
    if document["verdict"] == "PASS":
        return "warn" if warnings(document) else "ok"
    return "bad" if document["verdict"] in ("FAIL", "ERROR") else "warn"


def _title(document: Document) -> str:
    name = document["migration"]
    if document.get("period"):
        return f"{name} · close of {period_of(document)}, as of {night_of(document)}"
    return f"{name} · reconciliation of the night of {night_of(document)}"


def night_of(document: Document) -> str:
    """Return the instant of the night in words, in the business time zone."""
    zone = ZoneInfo(document["timezone"])
    local = datetime.fromisoformat(document["cut"]["as_of"]).astimezone(UTC).astimezone(zone)
    return f"{local.day} {local:%B %Y}, {local:%H:%M} {zone.key.rpartition('/')[2].replace('_', ' ')}"


def _tile(label: str, value: str, note: str, tone: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "note": note, "tone": tone}


def _tiles(document: Document, failing: Sequence[str]) -> list[dict[str, str]]:
    closed, window, balance = document["days"]["closed"], document["window"], document["balance"]
    cells = sum(closed_cells(kpi) for kpi in document["kpis"].values())
    agreed = f"{len(closed) - len(failing)} of {len(closed)}" if closed else "none closed"
    tiles = [_tile("Days agreed", agreed, f"{grouped(cells)} cells compared", "bad" if failing else "")]
    if document.get("period"):
        tiles.append(_tile("Period", period_of(document), f"{counted(len(closed), 'closed day')}"))
    else:
        observed = f"{window['days']} of {window['needed']} days"
        if window["days"] >= window["needed"]:
            observed = counted(window["days"], "day")
        state = "complete" if window["complete"] else "not complete"
        tiles.append(_tile("Observation", observed, "; ".join([state, *_span(window)])))
    broken = sum(kpi.get("broken", 0) for kpi in document["kpis"].values())
    differing = sum(kpi.get("differing", 0) for kpi in document["kpis"].values())
    explained_share = f"all but {grouped(broken)}" if broken else "100 %" if differing else "none to explain"
    note = "the walk does not close" if broken else _differing(document, differing)
    tiles.append(_tile("Differences explained", explained_share, note, "bad" if broken else ""))
    lost = balance.get("unaccounted", 0) + sum(balance.get("absent", {}).values())
    sinks = sum(balance.get(key, 0) for key in ("silver", "late", "rejected", "duplicates"))
    doubled = max(0, sinks - balance["bronze"])
    note = f"{grouped(lost)} missing, {grouped(doubled)} doubled"
    tiles.append(_tile("Records accounted", grouped(sinks), note, "bad" if lost or doubled else ""))
    return tiles


def closed_cells(kpi: Mapping[str, Any]) -> int:
    """Return how many cells of closed days were compared: those that a verdict speaks of."""
    return sum(
        max((seen["cells"] for seen in day["measures"].values()), default=0)
        for day in kpi["days"]
        if not day["open"]
    )


def _span(window: Mapping[str, Any]) -> list[str]:
    """Return from which day to which a window reaches; nothing of an empty one, one day of a single one."""
    if not window["first"]:
        return []
    ends = dict.fromkeys(short_day(window[end]) for end in ("first", "through"))
    return [" to ".join(ends)]


def _differing(document: Document, differing: int) -> str:
    """Return how many cells differ, and whether they are of days that nobody judges yet."""
    told = f"{counted(differing, 'cell')} {agree(differing)}" if differing else "no cell differs"
    closed = set(document["days"]["closed"])
    listed_days = {one["day"] for kpi in document["kpis"].values() for one in kpi.get("differences", ())}
    early = " on days still open" if listed_days and not listed_days & closed else ""
    return f"{told}{early}, remainder 0"


def _kpi(name: str, kpi: Mapping[str, Any], document: Document, linked: Collection[str]) -> dict[str, Any]:
    title = name.replace("_", " ")
    exceptions = [
        f"{m['name'].replace('_', ' ')} {tolerance_of(each)} where {_where(each['where'])}"
        for m in kpi["measures"]
        for each in m.get("segments") or ()
    ]
    bounds: dict[str, list[str]] = {}
    for m in kpi["measures"]:
        if m.get("error"):
            bounds.setdefault(m["error"], []).append(m["name"].replace("_", " "))
    return {
        "name": name,
        "title": title,
        "map": heat_map(kpi, linked, title),
        "cells": kpi.get("cells", 0),
        "open_cells": max(0, kpi.get("cells", 0) - closed_cells(kpi)),
        "grain": " \u00d7 ".join(kpi.get("grain", ())).replace("_", " "),
        "exceptions": exceptions,
        "error": [f"{listed(names)}: {told}." for told, names in bounds.items()],
        "rows": [
            _numbers(day, measure, ZoneInfo(document["timezone"]))
            for day in kpi["days"]
            for measure in kpi["measures"]
            if measure["name"] in day["measures"]
        ],
    }


def legend(document: Document) -> list[tuple[str, str]]:
    """Return (class, words) of every kind of square that is on the page."""
    kinds = {
        square_of(day, measure)[0]
        for kpi in document["kpis"].values()
        for day in kpi["days"]
        for measure in kpi["measures"]
    }
    words = {**WORDS, "fail": "differs: stream minus batch"}
    return [(kind, words[kind]) for kind in WORDS if kind in kinds]


def _where(where: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in where.items()) if isinstance(where, Mapping) else str(where)


def _numbers(day: Mapping[str, Any], measure: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    seen, values = day["measures"][measure["name"]], Values.of(measure, zone)
    return {
        "day": day["day"],
        "open": day["open"],
        "measure": measure["name"].replace("_", " "),
        "instant": values.instant,
        "cells": grouped(seen["cells"]),
        **{
            side: "" if values.instant else values.shown(seen[side])
            for side in ("batch", "recomputed", "stream")
        },
        "tolerated": grouped(seen["tolerated"]),
        "waived": grouped(seen.get("waived") or 0),
        "beyond": grouped(max(0, max(seen["beyond"], seen["engine"]) - (seen.get("waived") or 0))),
        "kind": "open" if day["open"] else standing(seen),
    }


def _checks(document: Document) -> dict[str, Any]:
    """Return the expectations, those that fail first, then those that were written by hand."""
    rows = [
        {
            "suite": check["suite"],
            "expectation": str(check["expectation"]).removeprefix("expect_").replace("_", " "),
            "column": check["column"],
            "kpi": (check.get("kpi") or "").replace("_", " "),
            "own": check.get("source") == "contract",
            "warns": check.get("otherwise") == "warn",
            "seen": re.sub(r"^1 rows\b", "1 row", check["seen"]),
            "success": check["success"],
        }
        for check in document["expectations"]
    ]
    rows.sort(key=lambda row: (row["success"], row["warns"], not row["own"]))
    failed = [row for row in rows if not row["success"]]
    return {"rows": rows, "failed": failed, "own": sum(1 for row in rows if row["own"])}


def _signatures(document: Document, digest: str, context: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row for each role and each word that was said on this evidence."""
    rows = []
    for role, people in context["roles"].items():
        words = [w for w in context["sign_offs"] if w["role"] == role and w["evidence"] == digest]
        for word in words:
            said = {"approve": "approved", "reject": "rejected", "withdraw": "withdrawn"}
            state = said.get(word["decision"], word["decision"])
            rows.append({"role": role, "who": word["user"], "state": state, "comment": word["comment"]})
        if not words:
            waits = "may sign" if document["verdict"] == "PASS" else "waits for PASS"
            if _nobody_signs(document, context):
                waits = "not asked: readers have the stream"
            rows.append({"role": role, "who": ", ".join(people), "state": waits, "comment": ""})
    return rows
