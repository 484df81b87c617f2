"""What people accepted, what changed after it was agreed on, and what agrees in sum alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from slipway.adapters.report.explained import where
from slipway.adapters.report.glossary import HIDDEN_KINDS
from slipway.adapters.report.values import Values
from slipway.domain.figures import full_day, grouped, number, percent, short_day
from slipway.domain.narrative import standing

Document = Mapping[str, Any]
ROWS = 100
"""Rows of restatements and of changed values that are listed."""


def hidden(document: Document) -> list[dict[str, Any]]:
    """Return the days whose measures agree although events differ."""
    return [
        {
            "day": full_day(one["day"]),
            "kind": HIDDEN_KINDS.get(one["kind"], one["kind"].replace("_", " ")),
            "model": one.get("model", ""),
            "events": grouped(one["events"]),
            "ids": one["ids"],
            "more": max(0, one["events"] - len(one["ids"])),
            "fails": bool(one.get("fails")),
        }
        for one in document.get("hidden") or ()
    ]


def row_by_row(document: Document) -> str:
    """Return on which days the events themselves were compared, not only what they add up to."""
    days = document["days"].get("row_by_row")
    if days is None:
        return ""
    if not days:
        return "No day has been compared event by event tonight: nothing about the closed days is new."
    return f"Compared event by event tonight: {runs(days)}."


def runs(days: Sequence[str]) -> str:
    """Return days as runs: 25 Feb to 1 Mar, 3 Mar."""
    found: list[list[date]] = []
    for day in sorted(date.fromisoformat(day) for day in days):
        if found and day - found[-1][-1] == timedelta(days=1):
            found[-1].append(day)
        else:
            found.append([day])
    return ", ".join(
        short_day(run[0].isoformat())
        if len(run) == 1
        else f"{short_day(run[0].isoformat())} to {short_day(run[-1].isoformat())}"
        for run in found
    )


def waivers(document: Document) -> list[dict[str, Any]]:
    """Return every waiver that stands, with how much of its bound each night's worst day uses."""
    return [_waiver(one) for one in document.get("waivers") or ()]


def _waiver(one: Mapping[str, Any]) -> dict[str, Any]:
    used = list(one.get("used") or ())
    bound = number(one["at_most"])
    worst = max((number(use["share"]) for use in used), default=Decimal(0))
    first, last = str(one["first_day"]), str(one["last_day"])
    segments = one.get("segments") or {}
    return {
        "id": one.get("id", ""),
        "by": one["by"],
        "role": str(one.get("role", "")).replace("_", " "),
        "at": str(one.get("at", ""))[:16].replace("T", " "),
        "cause": one["cause"].replace("_", " "),
        "kpi": one["kpi"].replace("_", " "),
        "measures": ", ".join(m.replace("_", " ") for m in one.get("measures") or ()) or "all measures",
        "days": full_day(first) if first == last else f"{short_day(first)} to {full_day(last)}",
        "cells": "; ".join(f"{column} {_values(values)}" for column, values in segments.items())
        or "all cells",
        "bound": percent(bound),
        "used": percent(worst) if used else "nothing",
        "filled": float(min(worst / bound, Decimal(1))) * 100 if bound else 0.0,
        "beyond": worst > bound,
        "expires": str(one["expires_at"])[:10] if one.get("expires_at") else "never",
        "reason": one["reason"],
        "uses": [
            {
                "day": short_day(str(use["day"])),
                "measure": use["measure"].replace("_", " "),
                "gross": grouped(number(use["gross"])),
                "batch": grouped(number(use["batch"])),
                "share": percent(use["share"]),
                "over": number(use["share"]) > bound,
            }
            for use in used
        ],
    }


def _values(values: Any) -> str:
    if isinstance(values, list | tuple):
        return ", ".join("unknown" if value is None else str(value) for value in values)
    return "unknown" if values is None else str(values)


def restatements(document: Document) -> dict[str, Any]:
    """Return the values of closed periods that are no longer what was signed."""
    zone = ZoneInfo(document["timezone"])
    rows = []
    for one in document.get("restatements") or ():
        kpi = document["kpis"].get(one["kpi"]) or {}
        measure = next(
            (m for m in kpi.get("measures", ()) if m["name"] == one["measure"]), {"name": one["measure"]}
        )
        values = Values.of(measure, zone)
        rows.append(
            {
                "period": one["period"],
                "digest": one.get("closed_digest", ""),
                "kpi": one["kpi"].replace("_", " "),
                "day": short_day(one["day"]),
                "cell": where(kpi, one["cell"]),
                "measure": one["measure"].replace("_", " "),
                "side": one["side"],
                "was": values.shown(one["was"]),
                "now": values.shown(one["now"]),
                "delta": values.difference(one["was"], one["now"]),
                "cause": one["cause"].replace("_", " "),
                "reason": one.get("reason") or "",
                "unexplained": one["cause"] == "unexplained",
            }
        )
    rows.sort(key=lambda row: not row["unexplained"])
    return {
        "rows": rows[:ROWS],
        "more": max(0, len(rows) - ROWS),
        "unexplained": sum(1 for row in rows if row["unexplained"]),
        "periods": sorted({row["period"] for row in rows}),
    }


def changed(document: Document, before: Document | None) -> dict[str, Any]:
    """Return the closed days whose judgement or sums are others than in the evidence before.

    Days that only one of the two has are no change; neither is anything when KPIs mean something else now.
    """
    same = before is not None and before.get("parity_digest") == document.get("parity_digest")
    if before is None or not same:
        return {"rows": [], "more": 0, "compared": 0, "meaning": before is not None}
    closed = set(document["days"]["closed"]) & set(before["days"]["closed"])
    zone = ZoneInfo(document["timezone"])
    rows = []
    for name, kpi in document["kpis"].items():
        past = {day["day"]: day for day in before["kpis"].get(name, {}).get("days", ())}
        for day in kpi["days"]:
            if day["day"] not in closed or day["day"] not in past or past[day["day"]]["open"]:
                continue
            for measure in kpi["measures"]:
                now = day["measures"].get(measure["name"])
                was = past[day["day"]]["measures"].get(measure["name"])
                if now is None or was is None:
                    continue
                values = Values.of(measure, zone)
                moved = [
                    f"{side} {values.shown(was[side])} \u2192 {values.shown(now[side])}"
                    for side in ("batch", "stream")
                    if was.get(side) != now.get(side) and not values.instant
                ]
                turned = standing(was) != standing(now)
                if moved or turned:
                    rows.append(
                        {
                            "day": short_day(day["day"]),
                            "kpi": name.replace("_", " "),
                            "measure": measure["name"].replace("_", " "),
                            "moved": "; ".join(moved) or "the sums are the same",
                            "was": _judged(was),
                            "now": _judged(now),
                            "worse": standing(now) == "fail" != standing(was),
                        }
                    )
    rows.sort(key=lambda row: not row["worse"])
    return {"rows": rows[:ROWS], "more": max(0, len(rows) - ROWS), "compared": len(closed), "meaning": False}


_JUDGED = {
    "pass": "equal",
    "warn": "within tolerance",
    "near": "near its tolerance",
    "waived": "waived",
    "fail": "differs",
}


def _judged(seen: Mapping[str, Any]) -> str:
    return _JUDGED[standing(seen)]
