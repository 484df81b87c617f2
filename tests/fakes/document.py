"""Documents of evidence as reconciliations write them, invented, for pages to show."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
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


Fault = tuple[str, int]
"""A cause of the walk, and what it takes from the batch's value in one cell."""


def night(
    kpis: Mapping[str, Sequence[str]] | None = None,
    first: date = date(2013, 2, 18),
    days: int = 13,
    open_days: int = 1,
    faults: Mapping[tuple[str, str, int], Sequence[Fault]] | None = None,
    waived: Sequence[tuple[str, str, int]] = (),
    size: int = 900,
    segments: int = 4,
    **changes: Any,
) -> dict[str, Any]:
    """Return a whole document with every key that a page reads, of which all figures belong together.

    faults: by (KPI, measure, place of the day) what differs and why; the rest agrees. waived: those of them
    that a waiver covers. size: about the value of a measure on a day. Keys of the evidence can be replaced.
    """
    kinds = kpis or {"flights_daily": MEASURES}
    wrong = dict(faults or {})
    spread = random.Random(7)
    every = [first + timedelta(days=n) for n in range(days)]
    closed = every[: days - open_days]
    built = {
        name: _kpi(name, measures, every, len(closed), wrong, waived, size, segments, spread)
        for name, measures in kinds.items()
    }
    failing = sorted({d["day"] for k in built.values() for d in k["days"] if d["verdict"] == "FAIL"})
    run = len(closed)
    while run and closed[run - 1].isoformat() not in failing:
        run -= 1
    in_a_row = len(closed) - run
    missing = [] if in_a_row >= 5 else [f"{in_a_row} of 5 closed days in a row have passed"]
    through = closed[-1].isoformat() if closed else None
    as_of = datetime(every[-1].year, every[-1].month, every[-1].day, 11, tzinfo=UTC) + timedelta(days=1)
    instant = as_of.isoformat().replace("+00:00", "Z")
    return {
        "format": "slipway/evidence/1",
        "migration": "flights",
        "description": "Daily punctuality of the three New York airports",
        "timezone": "America/New_York",
        "keep": "first",
        "times": [
            {"name": "event time", "where": "the field event_time", "decides": "the business day"},
            {"name": "arrival time", "where": "the field arrived_at", "decides": "what is late"},
        ],
        "contract_digest": "77ab" * 16,
        "parity_digest": "51d0" * 16,
        "revision": 3,
        "verdict": "FAIL" if failing else "PASS",
        "findings": [
            {
                "code": "day_differs",
                "verdict": "FAIL",
                "what": f"flights_daily differs on {day}.",
                "fix": "The causes say what to do",
                "warns": False,
            }
            for day in failing
        ],
        "cut": {
            "as_of": instant,
            "offsets": {"0": 4503, "1": 4498, "10": 4510, "2": 4510},
            "snapshots": {"bronze.flights": 9221748532826355405, "silver.flights__r3": 3819345374418812232},
            "progress": instant,
            "batch_through": instant,
            "amendments": [1],
            "missing": "",
            "topic_id": "k3kVvJ8FTB2Lq8vK1sXq3A",
            "gaps": [{"partition": 2, "first": 118, "through": 118}],
        },
        "days": {
            "first": every[0].isoformat(),
            "closed_through": through,
            "last": every[-1].isoformat(),
            "closed": [day.isoformat() for day in closed],
            "accept_late": 86_400,
            "from": every[0].isoformat(),
            "row_by_row": [day.isoformat() for day in closed[-2:]],
            "fewest": 1,
        },
        "window": {
            "days": in_a_row,
            "needed": 5,
            "first": closed[run].isoformat() if in_a_row else None,
            "through": through,
            "including": ["month_end"],
            "complete": not missing,
            "missing": missing,
        },
        "balance": {
            "produced": 27_014,
            "bronze": 27_014,
            "silver": 26_680,
            "late": 22,
            "rejected": 40,
            "duplicates": 272,
            "replayed": 0,
            "unaccounted": 0,
            "absent": {},
            "backwards": [],
            "closes": True,
        },
        "kpis": built,
        "hidden": [],
        "lateness": [
            {"after": None, "before": 0, "events": 24_295},
            {"after": 0, "before": 3600, "events": 543},
            {"after": 3600, "before": 21_600, "events": 522},
            {"after": 21_600, "before": 86_400, "events": 1},
            {"after": 86_400, "before": None, "events": 26},
        ],
        "advice": advice(),
        "expectations": [
            {
                "suite": suite,
                "expectation": expectation,
                "column": column,
                "success": True,
                "seen": "29 101 rows, 0 unexpected",
                "source": source,
                "kpi": "",
                "otherwise": "fail",
            }
            for suite, expectation, column, source in (
                ("silver", "expect_column_values_to_be_unique", "event_id", "derived"),
                ("silver", "expect_column_values_to_not_be_null", "origin", "derived"),
                ("comparison", "expect_column_values_to_be_between", "beyond_without_cause", "derived"),
                ("serving", "expect_column_values_to_be_between", "seats", "contract"),
            )
        ],
        "waivers": [],
        "period": None,
        "restatements": [],
        "versions": {"comparison": "duckdb 1.5.5", "expectations": "great_expectations 1.24.1"},
        **changes,
    }


def _kpi(
    name: str,
    measures: Sequence[str],
    every: Sequence[date],
    closed: int,
    faults: Mapping[tuple[str, str, int], Sequence[Fault]],
    waived: Sequence[tuple[str, str, int]],
    size: int,
    segments: int,
    spread: random.Random,
) -> dict[str, Any]:
    days, causes, events, differences, examples = [], [], [], [], []
    for place, day in enumerate(every):
        seen = {}
        touched: dict[str, int] = {}
        for step, measure in enumerate(measures):
            found = faults.get((name, measure, place), ())
            taken = sum(share for _, share in found)
            batch = size + 10 * place + size * step // 3 + spread.randrange(max(2, size // 20))
            covered = (name, measure, place) in waived
            seen[measure] = {
                "cells": 38,
                "tolerated": 0,
                "beyond": 3 if found else 0,
                "engine": 1 if any(cause == "engine" for cause, _ in found) else 0,
                "waived": 3 if covered else 0,
                "close": 0,
                "batch": batch,
                "recomputed": batch - sum(share for cause, share in found if cause != "engine"),
                "stream": batch - taken,
            }
            for cause, share in found:
                causes.append(
                    {
                        "day": day.isoformat(),
                        "measure": measure,
                        "cause": cause,
                        "net": share,
                        "gross": abs(share) if share else 4,
                    }
                )
                touched[cause] = max(touched.get(cause, 0), 1, abs(share))
            if found:
                cell = {"flight_date": day.isoformat(), "origin": "EWR", "carrier": "UA"}
                differences.append(
                    {
                        "cell": cell,
                        "day": day.isoformat(),
                        "measure": measure,
                        "batch": batch // segments,
                        "recomputed": batch // segments - taken,
                        "stream": batch // segments - taken,
                        "beyond": True,
                        "shares": {cause: share for cause, share in found if share},
                        "remainder": 0,
                    }
                )
        for cause, count in touched.items():
            if cause not in ("engine", "definition"):
                events.append({"day": day.isoformat(), "cause": cause, "events": count})
                examples.append(
                    {
                        "cell": {"flight_date": day.isoformat(), "origin": "EWR", "carrier": "UA"},
                        "day": day.isoformat(),
                        "cause": cause,
                        "events": count,
                        "ids": [f"{day}-UA-{n}-EWR:D" for n in range(101, 101 + min(count, 10))],
                    }
                )
        failing = any(one["beyond"] > one["waived"] for one in seen.values())
        verdict = None if place >= closed else "FAIL" if failing else "PASS"
        days.append({"day": day.isoformat(), "open": place >= closed, "verdict": verdict, "measures": seen})
    return {
        "verdict": "FAIL" if any(day["verdict"] == "FAIL" for day in days) else "PASS",
        "grain": ["flight_date", "origin", "carrier"],
        "day_column": "flight_date",
        "period": "day",
        "segments": ["origin", "carrier"],
        "measures": [
            {
                "name": measure,
                "function": "count",
                "type": "int",
                "additive": True,
                "absolute": 0,
                "relative": "0.001" if "minutes" in measure else 0,
                "segments": [],
                "error": "",
            }
            for measure in measures
        ],
        "cells": 38 * len(every),
        "differing": 3 * len(differences),
        "walked": 96,
        "crowded": 0,
        "broken": 0,
        "days": days,
        "causes": causes,
        "events": events,
        "differences": differences,
        "examples": examples,
        "losses": [],
        "kept": {"rows": "aa" * 32, "events": None},
    }


def advice(target: str = "0.001") -> dict[str, Any]:
    """Return the advice about accept_late that a night gives."""
    bounds = (0, 3600, 21_600, 43_200, 86_400, 172_800, 259_200)
    shares = ("0.0428", "0.0214", "0.0031", "0.0012", "0.0009", "0.0002", "0")
    return {
        "target": target,
        "accepted": 86_400,
        "recommended": 86_400,
        "days": 9,
        "through": "2013-02-27",
        "left_out": ["2013-02-28"],
        "watched": 259_200,
        "events": 25_387,
        "arrivals": {"p50": -21_600, "p95": -60, "p99": 5400},
        "bounds": list(bounds),
        "ladder": [
            {
                "bound": bound,
                "events": max(0, 1092 - 150 * place),
                "lost": {
                    "events": share,
                    **{f"flights_daily.{m}": str(float(share) * (n + 4) / 9) for n, m in enumerate(MEASURES)},
                },
            }
            for place, (bound, share) in enumerate(zip(bounds, shares, strict=True))
        ],
        "segments": [
            {
                "kpi": "flights_daily",
                "segment": "origin",
                "value": value,
                "events": 9000 - 700 * place,
                "late": 26 // (place + 1),
                "p50": -18_000,
                "p95": 1800 * (place + 1),
                "p99": 9000 * (place + 1),
                "recommended": None if place == 3 else 86_400,
                "worst": list(shares),
            }
            for place, value in enumerate(("EWR", "JFK", "LGA", None))
        ],
        "more": [{"kpi": "flights_daily", "segment": "carrier", "values": 6}],
        "sentence": "24 h would have lost 0.09 % of the events; accept_late: 1d keeps to 0.1 %, and is what "
        "the contract has. Seen on 9 days that were watched for 72 h after the end; 1 younger day left out.",
    }


def waiver(**changes: Any) -> dict[str, Any]:
    """Return a waiver as evidence shows it: three fifths of its bound are used."""
    return {
        "id": 4,
        "kpi": "flights_daily",
        "cause": "late",
        "measures": ["departed"],
        "first_day": "2013-02-27",
        "last_day": "2013-02-27",
        "segments": {"origin": ["EWR"], "carrier": ["UA", None]},
        "at_most": "0.05",
        "expires_at": "2013-04-01T00:00:00Z",
        "by": "ana",
        "role": "data_owner",
        "reason": "The Newark feed was down for three hours; the numbers are on paper only",
        "at": "2013-02-28T09:12:00Z",
        "used": [{"day": "2013-02-27", "measure": "departed", "gross": 37, "batch": 1244, "share": "0.0297"}],
        **changes,
    }


def restatement(**changes: Any) -> dict[str, Any]:
    """Return one value of a closed period that is another one now."""
    return {
        "period": "2013-02",
        "closed_digest": "9c41" * 16,
        "kpi": "flights_daily",
        "cell": {"flight_date": "2013-02-27", "origin": "EWR", "carrier": "UA"},
        "day": "2013-02-27",
        "measure": "departed",
        "side": "stream",
        "was": "113",
        "now": "131",
        "cause": "amendment",
        "reason": "ana: outage of the Newark feed on 27 February",
        **changes,
    }


def hidden(**changes: Any) -> dict[str, Any]:
    """Return a difference that no measure shows."""
    return {
        "model": "flight_events",
        "day": "2013-02-26",
        "kind": "batch_only",
        "events": 14,
        "ids": [f"2013-02-26-B6-{n}-JFK:D" for n in range(900, 910)],
        "fails": False,
        **changes,
    }


def warning(code: str, what: str, fix: str) -> dict[str, Any]:
    """Return a finding that warns without failing the night."""
    return {"code": code, "verdict": "PASS", "what": what, "fix": fix, "warns": True}


def context(**changes: Any) -> dict[str, Any]:
    """Return what a page shows beside the document."""
    return {
        "at": datetime(2013, 3, 3, 11, 4, tzinfo=UTC),
        "by": "scheduler",
        "dag_run": "scheduled__2013-03-03",
        "dbt_run": "5f0c8c4e",
        "data_docs": "docs/index.html",
        "before": "aa10" * 16,
        "amendments": [],
        "roles": {"data_owner": ["ana"], "consumer": ["carla"], "on_call": ["omar"]},
        "sign_offs": [],
        **changes,
    }
