"""From a migration's observation to what its page shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from slipway.adapters.report import agreements
from slipway.adapters.report.heat_map import WORDS, grid, square
from slipway.adapters.report.records import records
from slipway.domain.figures import full_day, grouped, long_day, short_day
from slipway.domain.narrative import agree
from slipway.domain.observation import DaySeen, NightSeen, Observation, latest, what_is_missing, window_told
from slipway.domain.plurals import counted

_TONES = {"PASS": "ok", "FAIL": "bad", "ERROR": "bad"}


def observation_page(seen: Observation) -> dict[str, Any]:
    """Return everything that the template needs."""
    zone = ZoneInfo(seen.timezone)
    newest = seen.nights[-1] if seen.nights else None
    document = seen.document
    passed = sum(1 for night in seen.nights if night.verdict == "PASS")
    counting = [n for n in seen.nights if newest and n.parity_digest == newest.parity_digest]
    days = latest(counting)
    return {
        "seen": seen,
        "title": f"{seen.migration} · the whole observation",
        "tone": "ok" if seen.go else "bad" if seen.state in ("HELD", "ROLLED_BACK", "ABORTED") else "warn",
        "badge": _badge(seen, newest),
        "next_step": f"{seen.next_step.rstrip('.')}.",
        "missing_line": what_is_missing(seen.go, seen.missing),
        "tiles": _tiles(seen, newest, passed, days),
        "nights": [_night(night, zone) for night in seen.nights],
        "map": _map(days, zone),
        "legend": [
            (kind, {"near": "\u2248 ", "waived": "w: "}.get(kind, "") + WORDS[kind])
            for kind in WORDS
            if kind in {day.kind for _, day in days.values()}
        ],
        "window": _window(seen, newest),
        "failures": [
            {
                "kpi": one.kpi.replace("_", " "),
                "day": full_day(one.day),
                "first": _when(one.first, zone),
                "last": _when(one.last, zone),
                "causes": one.causes,
                "resolved": one.resolved,
                "passed": _when(one.passed, zone) if one.passed else "",
            }
            for one in seen.failures
        ],
        "several": len({kpi for kpi, _ in days}) > 1,
        "records": records(document, seen.amended) if document else None,
        "waivers": agreements.waivers(document) if document else [],
        "restated": agreements.restatements(document) if document else {"rows": []},
        "roles": _roles(seen, newest),
        "closes": [
            {
                **close,
                "at": _when(close["at"], zone),
                "signed": "; ".join(
                    f"{', '.join(people)} ({role.replace('_', ' ')})"
                    for role, people in close["signed_by"].items()
                ),
            }
            for close in seen.closes
        ],
        "deeds": [
            {
                "at": _when(deed.at, zone),
                "what": f"{deed.kind} by {deed.by}, {deed.what}",
                "days": agreements.runs([day.isoformat() for day in deed.days]),
            }
            for deed in sorted((*seen.deeds, *seen.switches), key=lambda deed: deed.at, reverse=True)
        ],
        "moved": seen.moved,
    }


def _tile(label: str, value: str, note: str, tone: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "note": note, "tone": tone}


def _tiles(
    seen: Observation,
    newest: NightSeen | None,
    passed: int,
    days: Mapping[tuple[str, str], tuple[NightSeen, DaySeen]],
) -> list[dict[str, str]]:
    judged = [day for _, day in days.values() if day.kind != "open"]
    agreed = [day for day in judged if day.kind != "fail"]
    whole = {day.day for day in judged} - {day.day for day in judged if day.kind == "fail"}
    still = sum(1 for one in seen.failures if not one.resolved)
    total = len({day.day for day in judged})
    several = len({day.kpi for day in judged}) > 1
    needed = seen.document["window"]["needed"] if seen.document else 0
    run = newest.window_days if newest else 0
    return [
        _tile("Nights that passed", f"{passed} of {len(seen.nights)}", _since(seen)),
        _tile(
            "Days that agree",
            f"{len(whole)} of {total}" if judged else "none yet",
            f"{grouped(len(agreed))} of {grouped(len(judged))} KPI days"
            if several
            else "of those that closed",
            "bad" if len(whole) < total else "",
        ),
        _tile(
            "Observation window",
            counted(run, "day") if run >= needed else f"{run} of {needed} days",
            "complete" if newest and newest.window_complete else "not complete",
        ),
        _tile(
            "Days that ever differed",
            grouped(len({(one.kpi, one.day) for one in seen.failures})),
            f"{still} still {agree(still)}",
            "bad" if still else "",
        ),
    ]


def _since(seen: Observation) -> str:
    if not seen.nights:
        return "nothing reconciled yet"
    first = full_day(seen.nights[0].as_of.date().isoformat())
    return f"since {first}" + ("; older ones are in the ledger" if seen.older else "")


def _badge(seen: Observation, newest: NightSeen | None) -> str:
    if newest is None:
        return "no evidence yet"
    through = (
        f" · closed through {short_day(newest.closed_through.isoformat())}" if newest.closed_through else ""
    )
    return f"newest night {newest.verdict}{through}"


def _night(night: NightSeen, zone: ZoneInfo) -> dict[str, Any]:
    local = night.as_of.astimezone(zone)
    return {
        "day": f"{local.day} {local:%b}",
        "full": f"{local.day} {local:%B %Y}, {local:%H:%M}",
        "verdict": str(night.verdict),
        "short": {"INCONCLUSIVE": "?", "ERROR": "ERROR"}.get(str(night.verdict), str(night.verdict)),
        "tone": _TONES.get(str(night.verdict), "warn"),
        "page": night.page,
        "digest": night.digest,
        "closed": full_day(night.closed_through.isoformat()) if night.closed_through else "none",
        "window": night.window_days,
        "complete": night.window_complete,
        "revision": night.revision,
        "notes": ", ".join(
            [counted(night.waivers, "waiver")] * bool(night.waivers)
            + [counted(night.warnings, "warning")] * bool(night.warnings)
        ),
        "at": f"{night.at:%Y-%m-%d %H:%M}",
    }


def _map(days: Mapping[tuple[str, str], tuple[NightSeen, DaySeen]], zone: ZoneInfo) -> Markup:
    """Return KPI x day, each day as the newest night judged it."""
    if not days:
        return Markup("")
    kpis = list(dict.fromkeys(kpi for kpi, _ in days))
    columns = sorted({day for _, day in days})
    rows = [
        Markup('<tr><th scope="row"><span>{}</span></th>{}</tr>').format(
            kpi.replace("_", " "),
            Markup("").join(_square(days.get((kpi, day)), kpi, day, zone) for day in columns),
        )
        for kpi in kpis
    ]
    return grid("Every KPI on every business day, by its latest judgement", columns, rows)


def _square(found: tuple[NightSeen, DaySeen] | None, kpi: str, day: str, zone: ZoneInfo) -> Markup:
    name = kpi.replace("_", " ")
    if found is None:
        return square("none", "", f"{name}, {long_day(day)}: not compared")
    night, seen = found
    told = f"{name}, {long_day(day)}: {WORDS[seen.kind]}"
    if seen.kind in ("fail", "waived", "near", "warn") and seen.off:
        told += f" in {seen.off} of {counted(seen.measures, 'measure')}"
    told += f"; night of {_when(night.as_of, zone)}"
    words = {"fail": str(seen.off or "\u2260"), "waived": "w", "near": "\u2248"}.get(seen.kind, "")
    return square(seen.kind, words, told, night.page if seen.kind == "fail" else "")


def _window(seen: Observation, newest: NightSeen | None) -> dict[str, Any] | None:
    if newest is None or seen.document is None:
        return None
    window = seen.document["window"]
    share = min(1.0, newest.window_days / window["needed"]) if window["needed"] else 0.0
    return {
        "told": window_told(seen.document),
        "share": f"{share:.0%}",
        "days": newest.window_days,
        "needed": window["needed"],
        "including": [_kind(str(kind)) for kind in window.get("including", ())],
    }


def _kind(kind: str) -> str:
    named = {"month_end": "a month end", "weekly_cycle": "every day of the week"}
    return named.get(kind) or full_day(kind)


def _roles(seen: Observation, newest: NightSeen | None) -> list[dict[str, str]]:
    """Return who answers for it, what they said on the evidence in question, and what is still lacking."""
    if seen.moved:
        return [
            {
                "role": role.replace("_", " "),
                "who": ", ".join(seen.owners.get(role, ())),
                "state": "approved" if any(word["role"] == role for word in seen.moved_by) else "not asked",
                "words": "; ".join(_said(word) for word in seen.moved_by if word["role"] == role),
            }
            for role in seen.needed
        ]
    rows = []
    for role, needed in seen.needed.items():
        signed = seen.signed.get(role, ())
        words = [
            word
            for word in seen.words
            if newest and word["role"] == role and word["evidence"] == newest.digest
        ]
        state = f"{len(signed)} of {needed} signed" if signed or needed else "not needed"
        if any(word["decision"] == "reject" for word in words[-1:]):
            state = "rejected"
        rows.append(
            {
                "role": role.replace("_", " "),
                "who": ", ".join(seen.owners.get(role, ())),
                "state": state,
                "words": "; ".join(_said(word) for word in words),
            }
        )
    return rows


def _said(word: Mapping[str, Any]) -> str:
    return f"{word['user']}: {word['decision']}" + (f", {word['comment']}" if word["comment"] else "")


def _when(instant: datetime, zone: ZoneInfo) -> str:
    local = instant.astimezone(zone)
    return f"{local.day} {local:%b %Y}"
