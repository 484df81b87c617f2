"""When events arrived, what each accepted lateness would have lost, and which one is advised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from slipway.adapters.report.arrivals import Bar, Curve, curves, histogram
from slipway.domain.figures import grouped, number, percent
from slipway.domain.spans import exact_span

Document = Mapping[str, Any]
SEGMENTS = 40
"""Values of segments that are listed, those with the most late events first."""


def lateness(document: Document) -> dict[str, Any]:
    """Return everything about arrival; `seen` is False when no event of a closed day has been."""
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
        return {"seen": False}
    advice = document.get("advice") or {}
    ladder = _advised(advice) if advice.get("ladder") else _counted(document)
    recommended, target = advice.get("recommended"), advice.get("target")
    total = sum(bar.value for bar in bars)
    lines = sorted(ladder["curves"], key=lambda line: _weight(line, span(accepted)), reverse=True)
    bounds = [span(bound) for bound in ladder["bounds"]]
    return {
        "seen": True,
        "drawing": histogram(bars, f"accepted: {span(accepted)}"),
        "bars": [
            {
                "label": b.label,
                "events": grouped(b.value),
                "share": percent(b.value / total),
                "late": b.beyond,
            }
            for b in bars
        ],
        "curve": curves(
            bounds,
            lines,
            span(accepted),
            span(recommended) if recommended is not None else "",
            number(target) if target else None,
        ),
        "measures": [line.name for line in lines],
        "ladder": [
            {
                "bound": span(bound),
                "accepted": bound == accepted,
                "advised": bound == recommended,
                "events": ladder["events"].get(bound, ""),
                "lost": [percent(line.shares.get(span(bound), Decimal(0))) for line in lines],
            }
            for bound in ladder["bounds"]
        ],
        "sentence": advice.get("sentence") or _sentence(ladder["bounds"], accepted, lines),
        "segments": [_segment(one) for one in (advice.get("segments") or ())[:SEGMENTS]],
        "more": max(0, len(advice.get("segments") or ()) - SEGMENTS)
        + sum(one["values"] for one in advice.get("more") or ()),
    }


def _weight(line: Curve, accepted: str) -> tuple[Decimal, Decimal]:
    return line.shares.get(accepted, Decimal(0)), sum(line.shares.values(), Decimal(0))


def _advised(advice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ladder of the advice; where all KPIs are one, its name goes without saying."""
    steps = advice["ladder"]
    names = sorted({name for step in steps for name in step["lost"]}, key=lambda n: (n != "events", n))
    single = len({name.partition(".")[0] for name in names if "." in name}) <= 1
    return {
        "bounds": [step["bound"] for step in steps],
        "events": {step["bound"]: grouped(step["events"]) for step in steps},
        "curves": [
            Curve(
                _spoken(name.partition(".")[2] if single and "." in name else name),
                {span(step["bound"]): number(step["lost"].get(name, 0)) for step in steps},
            )
            for name in names
        ],
    }


def _counted(document: Document) -> dict[str, Any]:
    """Return the same from the losses of each KPI, which evidence of before there was advice has alone."""
    found: dict[tuple[str, str], dict[int, Decimal]] = {}
    for name, kpi in document["kpis"].items():
        for loss in kpi.get("losses", ()):
            total = number(loss["total"])
            share = number(loss["lost"]) / total if total else Decimal(0)
            found.setdefault((name, loss["measure"]), {})[loss["bound"]] = share
    several = len({name for name, _ in found}) > 1
    return {
        "bounds": sorted({bound for shares in found.values() for bound in shares}),
        "events": {},
        "curves": [
            Curve(
                _spoken(f"{name}.{measure}" if several else measure),
                {span(bound): share for bound, share in shares.items()},
            )
            for (name, measure), shares in found.items()
        ],
    }


def _sentence(bounds: Sequence[int], accepted: int, lines: Sequence[Curve]) -> str:
    shorter = [bound for bound in bounds if bound < accepted]
    if not shorter or not lines:
        return ""
    bound, now = span(shorter[-1]), span(accepted)

    def more(line: Curve) -> Decimal:
        return line.shares.get(bound, Decimal(0)) - line.shares.get(now, Decimal(0))

    worst = max(lines, key=more)
    if more(worst) <= 0:
        return f"With {bound} accepted, nothing more would have been lost."
    return f"With {bound} accepted, {percent(more(worst))} more of {worst.name} would be lost."


def _segment(one: Mapping[str, Any]) -> dict[str, str]:
    recommended = one.get("recommended")
    return {
        "kpi": _spoken(str(one["kpi"])),
        "segment": f"{_spoken(str(one['segment']))} {'unknown' if one['value'] is None else one['value']}",
        "events": grouped(one["events"]),
        "late": grouped(one["late"]),
        **{key: _quantile(one.get(key)) for key in ("p50", "p95", "p99")},
        "recommended": "none reaches it" if recommended is None else span(recommended),
    }


def _quantile(seconds: int | None) -> str:
    if seconds is None:
        return ""
    return "before the end" if seconds < 0 else _roughly(seconds)


def _roughly(seconds: int) -> str:
    if seconds < 3600:
        return f"{seconds // 60} min"
    return f"{seconds / 3600:.1f} h".replace(".0 ", " ")


def span(seconds: int) -> str:
    """Return a bound in words: 24 h, 15 min; days from two whole ones on."""
    if seconds >= 172_800 and seconds % 86_400 == 0:
        return f"{seconds // 86_400} d"
    return exact_span(timedelta(seconds=seconds))


def _class(after: int | None, before: int | None) -> str:
    if after is None:
        return "same day" if before == 0 else f"< {span(before or 0)}"
    if before is None:
        return f"> {span(after)}"
    if after == 0:
        return f"< {span(before)}"
    begin, end = span(after), span(before)
    same = begin.rpartition(" ")[2] == end.rpartition(" ")[2]
    return f"{begin.rpartition(' ')[0] if same else begin}\u2013{end}"


def _spoken(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")
