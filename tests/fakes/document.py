"""A document of evidence as a reconciliation writes it, small and invented, for pages to show."""

from __future__ import annotations

from typing import Any

MEASURES = (
    "scheduled",
    "cancelled",
    "departed",
    "departed_on_time",
    "arrived",
    "delay_minutes",
    "aircraft",
    "seats",
)
DAYS = ("2013-02-25", "2013-02-26", "2013-02-27", "2013-02-28", "2013-03-01", "2013-03-02")


def document(failing: bool = False, **changes: Any) -> dict[str, Any]:
    """Return a night that passes, or one whose 27 February differs because events arrived late."""
    days = []
    for place, day in enumerate(DAYS):
        measures = {}
        for step, name in enumerate(MEASURES):
            differs = failing and place == 2 and name in ("departed", "delay_minutes", "seats")
            batch = 900 + 10 * place + 400 * step
            stream = batch - 37 if differs else batch - 2 if (place, name) == (1, "delay_minutes") else batch
            measures[name] = {
                "cells": 38,
                "tolerated": 1 if (place, name) == (1, "delay_minutes") else 0,
                "beyond": 3 if differs else 0,
                "engine": 0,
                "batch": batch,
                "recomputed": stream,
                "stream": stream,
            }
        verdict = "FAIL" if failing and place == 2 else "PASS"
        is_open = place == len(DAYS) - 1
        days.append({"day": day, "open": is_open, "verdict": verdict, "measures": measures})
    causes = [
        {"day": "2013-02-27", "measure": measure, "cause": "late", "net": 37, "gross": 37}
        for measure in ("departed", "delay_minutes", "seats")
    ]
    kpi = {
        "verdict": "FAIL" if failing else "PASS",
        "segments": ["origin", "carrier"],
        "measures": [{"name": name, "function": "count", "additive": True} for name in MEASURES],
        "days": days,
        "causes": causes if failing else [],
        "events": [{"day": "2013-02-27", "cause": "late", "events": 37}] if failing else [],
        "differences": [
            {
                "day": "2013-02-27",
                "cell": {"origin": "EWR", "carrier": "UA"},
                "measure": "departed",
                "beyond": True,
            }
        ]
        if failing
        else [],
    }
    return {
        "migration": "flights",
        "verdict": "FAIL" if failing else "PASS",
        "timezone": "America/New_York",
        "window": {
            "days": 2 if failing else 5,
            "needed": 5,
            "complete": not failing,
            "missing": ["3 more days in a row"] if failing else [],
            "first": "2013-02-25",
            "through": "2013-03-01",
        },
        "days": {"closed": list(DAYS[:-1]), "accept_late": 86_400},
        "balance": {"bronze": 29_459, "closes": True},
        "findings": [],
        "kpis": {"flights_daily": kpi},
        **changes,
    }
