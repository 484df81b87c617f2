"""From a document of evidence to the page of a night: it can be made again from its evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from slipway.adapters.report import agreements, cut
from slipway.adapters.report.explained import explained
from slipway.adapters.report.glossary import MEANINGS
from slipway.adapters.report.heat_map import WORDS, heat_map, square_of, tolerance_of
from slipway.adapters.report.lateness import lateness
from slipway.adapters.report.values import Values
from slipway.domain.figures import full_day, grouped, listed, short_day
from slipway.domain.narrative import (
    Headline,
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
    told: Headline = headline(document)
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
        "records": records(document),
        "checks": _checks(document),
        "signatures": _signatures(document, digest, context),
        "cut": cut.rows(document, context),
        "glossary": [
            {"name": cause.value.replace("_", " "), "whose": whose, "told": meaning}
            for cause, (whose, meaning) in MEANINGS.items()
        ],
    }


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
    cells = sum(kpi.get("cells", 0) for kpi in document["kpis"].values())
    agreed = f"{len(closed) - len(failing)} of {len(closed)}" if closed else "none closed"
    tiles = [_tile("Days agreed", agreed, f"{grouped(cells)} cells compared", "bad" if failing else "")]
    if document.get("period"):
        period = document["period"]
        tiles.append(
            _tile("Period", period["name"], f"{short_day(period['first'])} to {full_day(period['last'])}")
        )
    else:
        span = (
            f"{short_day(window['first'])} to {short_day(window['through'])}" if window["first"] else "none"
        )
        observed = f"{window['days']} of {window['needed']} days"
        if window["days"] >= window["needed"]:
            observed = counted(window["days"], "day")
        state = "complete" if window["complete"] else "not complete"
        tiles.append(_tile("Observation", observed, f"{state}; {span}"))
    broken = sum(kpi.get("broken", 0) for kpi in document["kpis"].values())
    differing = sum(kpi.get("differing", 0) for kpi in document["kpis"].values())
    explained_share = f"all but {grouped(broken)}" if broken else "100 %" if differing else "none to explain"
    note = "the walk does not close" if broken else f"{counted(differing, 'difference')}, remainder 0"
    tiles.append(_tile("Differences explained", explained_share, note, "bad" if broken else ""))
    lost = balance.get("unaccounted", 0) + sum(balance.get("absent", {}).values())
    sinks = sum(balance.get(key, 0) for key in ("silver", "late", "rejected", "duplicates"))
    doubled = max(0, sinks - balance["bronze"])
    note = f"{grouped(lost)} missing, {grouped(doubled)} doubled"
    tiles.append(_tile("Records accounted", grouped(sinks), note, "bad" if lost or doubled else ""))
    return tiles


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
            "seen": check["seen"],
            "success": check["success"],
        }
        for check in document["expectations"]
    ]
    rows.sort(key=lambda row: (row["success"], row["warns"], not row["own"]))
    failed = [row for row in rows if not row["success"]]
    return {"rows": rows, "failed": failed, "own": sum(1 for row in rows if row["own"])}


_SILVER = {
    "first": "silver, counted in the KPIs",
    "latest": "silver, accepted; of each id the newest version counts",
}


def records(document: Document) -> dict[str, Any]:
    """Return where every record of the topic went."""
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
        "produced": grouped(balance.get("produced", balance["bronze"])),
        "rows": [
            {
                "label": label,
                "value": balance.get(key, 0),
                "shown": grouped(balance.get(key, 0)),
                "tone": tone,
            }
            for key, label, tone in rows
            if balance.get(key) or key != "unaccounted"
        ],
        "sentence": _account(balance),
    }


def _account(balance: Mapping[str, Any]) -> str:
    if not balance["closes"]:
        return "The account does not close; the findings say what to do."
    told = "Every record of the topic is in bronze, and every record of bronze is in one place."
    again = balance.get("replayed", 0)  # absent in evidence of before there were replays
    return f"{told} {grouped(again)} of them were dead letters that were sent again." if again else told


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
            rows.append({"role": role, "who": ", ".join(people), "state": waits, "comment": ""})
    return rows
