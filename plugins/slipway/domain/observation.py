"""The whole observation of a migration: how each day stands by now, and what was done about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from slipway.domain.evidence import Digest, Verdict
from slipway.domain.figures import short_day
from slipway.domain.narrative import cancelling, causes_of, phrase, standing
from slipway.domain.plurals import counted
from slipway.domain.states import Blocker, State

_WORST_FIRST = ("fail", "waived", "near", "warn", "pass")


@dataclass(frozen=True, slots=True)
class DaySeen:
    """How one KPI stood on one business day in one night.

    kind: open, or the worst standing of its measures. off: measures of that standing, of all `measures`.
    sums: what each side added up to, to see which one changed. causes: in words, of a day that differs.
    waived_by: (who, reason) of the waivers that cover it.
    """

    kpi: str
    day: str
    verdict: str | None
    kind: str
    off: int
    measures: int
    sums: Mapping[str, tuple[str, ...]]
    causes: tuple[str, ...] = ()
    waived_by: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NightSeen:
    """One reconciliation with what the observation needs of its evidence. page: name of its report's file."""

    digest: Digest
    verdict: Verdict
    as_of: datetime
    at: datetime
    revision: int
    parity_digest: Digest
    closed_through: date | None
    window_days: int
    window_complete: bool
    page: str
    days: tuple[DaySeen, ...] = ()
    warnings: int = 0
    waivers: int = 0


@dataclass(frozen=True, slots=True)
class Deed:
    """Something a person did about a difference. days: business days it was about; none: any."""

    kind: str
    by: str
    at: datetime
    what: str
    days: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A day that differed. first, last: instants of the first and the last night that found it so.

    resolved: what made it pass, in words; empty while it still differs. passed: the night that found it so.
    """

    kpi: str
    day: str
    first: datetime
    last: datetime
    causes: tuple[str, ...]
    resolved: tuple[str, ...]
    passed: datetime | None


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that the page of an observation shows. nights: oldest first, at most those last looked at.

    document: the newest evidence. older: whether the ledger has nights from before the first one here.
    signed: users by role whose word counts now; owners: who may say it; needed: how many have to.
    closes: (period, digest, who by role, when) of periods that were signed as closed. changed: whether some
    nights were about another meaning of the KPIs; they count for nothing any more. switches: what the journal
    says. amended: late rows let in. moved: the evidence on which readers were given the stream, empty
    while they have batch; moved_by: the approvals of it.
    """

    migration: str
    description: str
    timezone: str
    at: datetime
    state: str
    go: bool
    title: str
    next_step: str
    missing: tuple[Blocker, ...]
    nights: tuple[NightSeen, ...]
    older: bool
    document: Mapping[str, Any] | None
    failures: tuple[Failure, ...]
    signed: Mapping[str, tuple[str, ...]]
    owners: Mapping[str, tuple[str, ...]]
    needed: Mapping[str, int]
    words: tuple[Mapping[str, Any], ...] = ()
    deeds: tuple[Deed, ...] = ()
    closes: tuple[Mapping[str, Any], ...] = ()
    changed: bool = field(default=False)
    switches: tuple[Deed, ...] = ()
    amended: int = 0
    moved: str = ""
    moved_by: tuple[Mapping[str, Any], ...] = ()


def days_seen(document: Mapping[str, Any]) -> tuple[DaySeen, ...]:
    """Return how every KPI stood on every day of a document of evidence."""
    waivers = [one for one in document.get("waivers", ()) if one.get("used")]
    return tuple(
        _day_seen(document, name, day, waivers)
        for name, kpi in document["kpis"].items()
        for day in kpi["days"]
    )


def _day_seen(
    document: Mapping[str, Any], kpi: str, day: Mapping[str, Any], waivers: Sequence[Mapping[str, Any]]
) -> DaySeen:
    stands = [standing(seen) for seen in day["measures"].values()]
    kind = "open" if day["open"] else next((kind for kind in _WORST_FIRST if kind in stands), "pass")
    off = sum(1 for stand in stands if stand == kind)
    if day["verdict"] == "FAIL" and kind != "fail":
        kind, off = "fail", 0  # differences that cancel, which no measure shows
    told: tuple[str, ...] = ()
    if kind == "fail":
        told = tuple(phrase(document, cause, events) for cause, events in causes_of(document, day["day"]))
    return DaySeen(
        kpi,
        day["day"],
        day["verdict"],
        kind,
        off,
        len(stands),
        {
            side: tuple(str(seen.get(side)) for seen in day["measures"].values())
            for side in ("batch", "stream")
        },
        told or ((cancelling(document, day["day"]) or "the two sides differ",) if kind == "fail" else ()),
        tuple(
            dict.fromkeys(
                (str(one["by"]), str(one["reason"]))
                for one in waivers
                if one["kpi"] == kpi and any(str(use["day"]) == day["day"] for use in one["used"])
            )
        ),
    )


def latest(nights: Iterable[NightSeen]) -> Mapping[tuple[str, str], tuple[NightSeen, DaySeen]]:
    """Return by KPI and day the newest night that judged it; one that found it open counts when none did."""
    found: dict[tuple[str, str], tuple[NightSeen, DaySeen]] = {}
    for night in nights:
        for seen in night.days:
            place = (seen.kpi, seen.day)
            if seen.kind != "open" or place not in found or found[place][1].kind == "open":
                found[place] = (night, seen)
    return found


def failures(nights: Sequence[NightSeen], deeds: Sequence[Deed]) -> tuple[Failure, ...]:
    """Return every day that ever differed, newest day first, and what became of it. nights: oldest first."""
    story: dict[tuple[str, str], list[tuple[NightSeen, DaySeen]]] = {}
    for night in nights:
        for seen in night.days:
            if seen.kind != "open":
                story.setdefault((seen.kpi, seen.day), []).append((night, seen))
    found = []
    for (kpi, day), told in story.items():
        failed = [place for place, (_, seen) in enumerate(told) if seen.kind == "fail"]
        if not failed:
            continue
        last = failed[-1]
        after = told[last + 1] if last + 1 < len(told) else None
        causes = dict.fromkeys(cause for place in failed for cause in told[place][1].causes)
        found.append(
            Failure(
                kpi,
                day,
                told[failed[0]][0].as_of,
                told[last][0].as_of,
                tuple(causes),
                _resolved(told[last], after, deeds) if after else (),
                after[0].as_of if after else None,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.passed is not None, one.day), reverse=False))


def _resolved(
    before: tuple[NightSeen, DaySeen], after: tuple[NightSeen, DaySeen], deeds: Sequence[Deed]
) -> tuple[str, ...]:
    (night, was), (next_night, now) = before, after
    day = date.fromisoformat(was.day)
    told = [
        f"{deed.kind} by {deed.by}, {deed.what}"
        for deed in deeds
        if night.at < deed.at <= next_night.at and (not deed.days or day in deed.days)
    ]
    told += [f"waived by {by}: {reason}" for by, reason in now.waived_by]
    if next_night.revision != night.revision:
        told.append(f"revision {night.revision} was replaced by {next_night.revision}")
    if was.sums["batch"] != now.sums["batch"]:
        told.append("the batch's numbers were mended by a later baseline")
    if not told:
        told.append(
            "the stream's numbers are others since"
            if was.sums["stream"] != now.sums["stream"]
            else "the events behind it were mended"
        )
    return tuple(told)


def what_is_missing(go: bool, missing: Sequence[Blocker]) -> str:
    """Return in a line what keeps readers from moving."""
    if not missing:
        return "Nothing is missing." if go else "Nothing stands in the way of the next step."
    named = "; ".join(blocker.what[0].lower() + blocker.what[1:] for blocker in missing[:4])
    more = f" and {counted(len(missing) - 4, 'more thing')}" if len(missing) > 4 else ""
    verb = "is" if len(missing) == 1 else "are"
    return f"{counted(len(missing), 'thing')} {verb} missing: {named}{more}."


def window_told(document: Mapping[str, Any]) -> str:
    """Return how far the observation window of the newest evidence has come."""
    window = document["window"]
    if window["complete"]:
        return f"complete: {short_day(window['first'])} to {short_day(window['through'])}"
    return "; ".join(window["missing"]) or "not complete"


_PLACED = {
    State.CANARY: "A canary is served",
    State.SWITCHED: "Switched: readers get the stream",
    State.COMPLETED: "Completed: readers get the stream",
    State.ROLLED_BACK: "No go: rolled back",
    State.FALLBACK: "No go: served from batch for now",
    State.HELD: "No go: held",
    State.ABORTED: "Given up",
}


def verdict_of(state: State, missing: Sequence[Blocker]) -> tuple[bool, str]:
    """Return whether readers may move, or have moved, and the words for it."""
    if state in _PLACED:
        return state in (State.CANARY, State.SWITCHED, State.COMPLETED), _PLACED[state]
    return (True, "Go") if state is State.ARMED and not missing else (False, "No go yet")
