"""Which accept_late keeps to a target: what shorter and longer ones would have lost, in all and by segment.

A share that a bound loses: |what the measure had from later arrivals| / |what it had from all of them|. The
arrivals of a day are known only as long as it was watched, so a bound is asked of such days alone that were
watched for as long as the largest bound; the others are named and left out. What came after the largest bound
is lost at every bound, as far as it was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_UP, Decimal
from typing import Any

from slipway.domain.contract import Migration
from slipway.domain.plurals import counted
from slipway.domain.spans import exact_span, spoken_span

MINUTE, HOUR, DAY = 60, 3_600, 86_400
LADDER = (
    0,
    *(n * MINUTE for n in (5, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12, 24, 36, 48, 72)),
    *(n * DAY for n in (7, 14)),
)
"""Bounds that a person would write for accept_late, in seconds, ascending."""

SHOWN = 10
"""Values of a segment that are advised on: those with the most late events."""

_PLACES = Decimal("1e-8")

EVENTS = "events"
"""Stands among the measures for the number of events; no measure is called so, for theirs hold a dot."""

Number = int | Decimal
Lost = Mapping[str, tuple[Number, Number]]
"""(what arrived at or after a bound, all) by measure `<kpi>.<measure>`, and by `events`."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Which closed days can be asked. bound: seconds after its end for which each of them was watched."""

    bound: int
    through: date
    days: int
    left_out: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Rung:
    """What a bound, in seconds after the period's end, would have lost. events: arrivals from it on."""

    bound: int
    events: int
    shares: Mapping[str, Decimal]

    @property
    def worst(self) -> Decimal:
        """The largest share that any measure, or the count of events, loses."""
        return max(self.shares.values(), default=Decimal(0))


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When the events of one KPI arrived, or those with one value of a segment (segment: None for all).

    late: arrivals after the contract's accept_late. p50, p95, p99: seconds after the period's end below which
    these shares arrived, to the minute, before the period's end to the hour; None without events.
    """

    kpi: str
    segment: str | None
    value: str | None
    events: int
    late: int
    p50: int | None
    p95: int | None
    p99: int | None
    rungs: tuple[Rung, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """What was seen of all arrivals. more: values of (kpi, segment) that are not listed."""

    accepted: int
    watched: Watched
    total: tuple[Arrivals, ...]
    segments: tuple[Arrivals, ...]
    more: Mapping[tuple[str, str], int]


def bounds_of(migration: Migration) -> tuple[int, ...]:
    """Return every bound that is looked at, in seconds, ascending: the ladder's and the contract's own."""
    parity = migration.contract.parity
    own = {int(span.total_seconds()) for span in (*parity.lateness_classes, parity.accept_late)}
    return tuple(sorted({*LADDER, *own}))


def watched(bounds: Sequence[int], accepted: int, first: date, closed_through: date) -> Watched:
    """Return the largest bound for which at least half of the closed days were watched, and these days.

    A day that closed was watched for accept_late at the least, and the days before it for a day more each.
    bounds: ascending, `accepted` among them.
    """
    closed = (closed_through - first).days + 1
    middle = closed_through - timedelta(days=closed // 2)
    reach = accepted + (closed_through - middle).days * DAY
    bound = max(bound for bound in bounds if bound <= reach)
    through = closed_through - timedelta(days=max(0, -(-(bound - accepted) // DAY)))
    left_out = tuple(through + timedelta(days=n) for n in range(1, (closed_through - through).days + 1))
    return Watched(bound, through, (through - first).days + 1, left_out)


def rung(bound: int, events: int, lost: Lost) -> Rung:
    """Return what a bound loses, as shares of eight places that are never too small."""
    return Rung(bound, events, {name: _share(*parts) for name, parts in lost.items()})


def smallest(bounds: Sequence[int], worst: Sequence[Decimal], target: Decimal) -> int | None:
    """Return the smallest bound that loses at most the target; None when even the largest loses more."""
    return next((bound for bound, share in zip(bounds, worst, strict=True) if share <= target), None)


def advice_document(advice: Advice, target: Decimal, shown: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return the evidence's `advice`.

    shown: what stands for the values of a (kpi, segment) that may not be seen.
    """
    together = _together(advice.total)
    bounds = [one.bound for one in together]
    found: dict[str, Any] = {
        "accepted": advice.accepted,
        "days": advice.watched.days,
        "through": advice.watched.through,
        "left_out": list(advice.watched.left_out),
        "watched": advice.watched.bound,
        "events": max((one.events for one in advice.total), default=0),
        "ladder": [
            {"bound": one.bound, "events": one.events, "lost": dict(sorted(one.shares.items()))}
            for one in together
        ],
        "arrivals": {
            name: getattr(advice.total[0], name) if advice.total else None for name in ("p50", "p95", "p99")
        },
        "segments": [
            {
                "kpi": one.kpi,
                "segment": one.segment,
                "value": one.value
                if one.value is None
                else shown.get((one.kpi, str(one.segment)), one.value),
                "events": one.events,
                "late": one.late,
                "p50": one.p50,
                "p95": one.p95,
                "p99": one.p99,
                "worst": [step.worst for step in one.rungs],
            }
            for one in advice.segments
        ],
        "more": [
            {"kpi": kpi, "segment": segment, "values": values}
            for (kpi, segment), values in sorted(advice.more.items())
            if values
        ],
        "bounds": bounds,
    }
    return for_target(found, target)


def for_target(advice: Mapping[str, Any], target: Decimal) -> dict[str, Any]:
    """Return the evidence's `advice` for a target: what is recommended, in all and by segment, in words."""
    bounds = [one["bound"] for one in advice["ladder"]]
    worst = [_worst(one)[0] for one in advice["ladder"]]
    found = {
        **advice,
        "target": target,
        "recommended": smallest(bounds, worst, target) if advice["events"] else None,
        "segments": [
            {**one, "recommended": smallest(bounds, [Decimal(share) for share in one["worst"]], target)}
            for one in advice["segments"]
        ],
    }
    return {**found, "sentence": sentence(found)}


def sentence(advice: Mapping[str, Any]) -> str:
    """Return the advice in words."""
    if not advice["events"]:
        return "No event of a closed day has been seen, so there is nothing to advise."
    by_bound = {one["bound"]: one for one in advice["ladder"]}
    accepted, recommended = advice["accepted"], advice["recommended"]
    target, basis = percent(Decimal(advice["target"])), _basis(advice)
    if recommended is None:
        largest = advice["ladder"][-1]
        return (
            f"Even {_span(largest['bound'])} would have lost {_loss(largest)}, more than the target of "
            f"{target}: see why events come so late, or accept a larger loss. {basis}"
        )
    keeps = f"accept_late: {spoken_span(timedelta(seconds=recommended))} keeps to {target}"
    told = f"{_span(recommended)} would have lost {_loss(by_bound[recommended])}; {keeps}"
    if recommended == accepted:
        return f"{told}, and is what the contract has. {basis}"
    now = f"the contract's {_span(accepted)} would have lost {_loss(by_bound[accepted])}"
    if recommended < accepted:
        return f"{told}. Days would close sooner: {now}. {basis}"
    lost, less = _loss(by_bound[accepted]), _loss(by_bound[recommended])
    better = f"accept_late: {spoken_span(timedelta(seconds=recommended))} would have lost {less}"
    now = f"{_span(accepted)}, as the contract has it, would have lost {lost}"
    return f"{now}, more than the target of {target}; {better}. {basis}"


def percent(share: Decimal) -> str:
    """Return a share in words, with two digits that count: 0.02 %, 12 %."""
    value = share * 100
    if not value:
        return "0 %"
    if value < Decimal("0.0001"):
        return "less than 0.0001 %"
    digits = max(0, 1 - value.adjusted())
    text = format(round(value, digits), "f")
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def _together(total: Sequence[Arrivals]) -> list[Rung]:
    """Return the rungs with the measures of every KPI; the events are the same for all."""
    return [
        Rung(same[0].bound, same[0].events, {name: s for one in same for name, s in one.shares.items()})
        for same in zip(*(one.rungs for one in total), strict=True)
    ]


def _share(lost: Number, total: Number) -> Decimal:
    if not lost:
        return Decimal(0)
    if not total:
        return Decimal(1)
    return (abs(Decimal(lost)) / abs(Decimal(total))).quantize(_PLACES, ROUND_UP)


def _worst(step: Mapping[str, Any]) -> tuple[Decimal, str]:
    shares = sorted(
        ((Decimal(share), name) for name, share in step["lost"].items()), key=lambda s: (-s[0], s[1])
    )
    return shares[0] if shares else (Decimal(0), EVENTS)


def _loss(step: Mapping[str, Any]) -> str:
    share, name = _worst(step)
    if not share:
        return "nothing"
    what = "of the events" if name == EVENTS else f"of {name.partition('.')[2].replace('_', ' ')}"
    return f"{percent(share)} {what}"


def _span(seconds: int) -> str:
    return exact_span(timedelta(seconds=seconds))


def _basis(advice: Mapping[str, Any]) -> str:
    left, days = len(advice["left_out"]), advice["days"]
    out = f"; {counted(left, 'younger day')} left out" if left else ""
    return (
        f"Seen on {counted(days, 'day')} that {'was' if days == 1 else 'were'} watched for"
        f" {_span(advice['watched'])} after the end{out}."
    )
