"""Measure x day as a table whose cells are coloured: it is read by eye, by keyboard and by voice alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from markupsafe import Markup

from slipway.domain.figures import compact, full_day, grouped, long_day, number, percent
from slipway.domain.narrative import difference_text, is_instant, standing

Square = tuple[str, str]
"""Class and text: pass, warn, near, waived, fail, open or none."""

WORDS = {
    "pass": "equal",
    "warn": "within tolerance",
    "near": "close to its tolerance",
    "waived": "waived",
    "fail": "differs",
    "open": "still open",
    "none": "not compared",
}
_EXPLAINED = ("fail", "waived", "near", "warn")
_ROOM = 106
"""Characters that fit side by side into the width of all days."""
_DENSE = 12
"""Rows from which on they are lower."""


def heat_map(kpi: Mapping[str, Any], linked: Collection[str] = (), name: str = "") -> Markup:
    """Return one KPI's table; linked: days (ISO) that have a section `day-<date>` further down."""
    days, measures = kpi["days"], kpi["measures"]
    rows = [
        Markup("<tr>{}{}</tr>").format(
            _row_head(measure),
            Markup("").join(_cell(day, measure, linked, len(days)) for day in days),
        )
        for measure in measures
    ]
    failing = [day for day in days if day.get("verdict") == "FAIL"]
    cancelling = [
        day["day"] for day in failing if all(standing(seen) != "fail" for seen in day["measures"].values())
    ]
    caption = f"{name or 'KPI'}: every measure on every business day"
    return grid(caption, [d["day"] for d in days], rows, cancelling)


def grid(
    caption: str, days: Sequence[str], rows: Sequence[Markup], cancelling: Collection[str] = ()
) -> Markup:
    """Return a table of squares under its days; rows: whole rows, one square a day.

    cancelling: days that fail although no square does, for their events differ and cancel each other out.
    """
    months = [(key, list(group)) for key, group in groupby(days, key=lambda day: day[:7])]
    above = Markup("").join(
        Markup('<th scope="colgroup" colspan="{}">{}</th>').format(len(group), _month(group))
        for _, group in months
    )
    numbers = Markup("").join(_column(day, day in cancelling) for day in days)
    size = "dense" if len(rows) > _DENSE or len(days) > 24 else "roomy"
    columns = len(days)  # on a phone the map scrolls sideways rather than cut its numbers
    size += " few" if columns <= 5 else " week" if columns <= 7 else " some" if columns <= 16 else " many"
    return Markup(
        '<table class="heat {}"><caption class="sr">{}</caption><thead><tr><td></td>{}</tr>'
        "<tr><td></td>{}</tr></thead><tbody>{}</tbody></table>"
    ).format(size, caption, above, numbers, Markup("").join(rows))


def _column(day: str, cancels: bool) -> Markup:
    kind = "off" if cancels else "we" if date.fromisoformat(day).weekday() >= 5 else ""
    told = full_day(day) + (": events differ though every measure agrees" if cancels else "")
    return Markup('<th scope="col"{}><abbr title="{}">{}{}</abbr></th>').format(
        Markup(' class="{}"').format(kind) if kind else "",
        told,
        date.fromisoformat(day).day,
        "\u2260" if cancels else "",
    )


def square(kind: str, words: str, told: str, link: str = "") -> Markup:
    """Return one square. words: what stands in it; told: the whole of it, for a pointer and for a voice."""
    shown = (
        Markup('<span aria-hidden="true">{}</span><span class="sr">{}</span>').format(words, told)
        if words
        else Markup('<span class="sr">{}</span>').format(told)
    )
    if link:
        shown = Markup('<a href="{}">{}</a>').format(link, shown)
    return Markup('<td class="q {}" title="{}">{}</td>').format(kind, told, shown)


def square_of(day: Mapping[str, Any], measure: Mapping[str, Any]) -> Square:
    """Return (class, text) of one square of the heat map."""
    seen = day["measures"].get(measure["name"])
    if seen is None:
        return "none", ""
    if day["open"]:
        return "open", ""
    kind = standing(seen)
    if kind in ("fail", "waived"):
        return kind, difference_text(seen, measure)
    if kind in ("warn", "near"):
        if is_instant(measure):
            return kind, f"±{seen['tolerated']}"
        batch = number(seen["batch"])
        return kind, percent(abs(number(seen["stream"]) - batch) / abs(batch)) if batch else "0 %"
    return kind, ""


def fitting(words: str, delta: Any, columns: int) -> str:
    """Return words that fit into a square when there are so many columns: whole, short, or a sign."""
    room = max(2, _ROOM // max(columns, 1))
    if len(words) <= room:
        return words
    short = compact(delta) if delta is not None else ""
    return short if short and len(short) <= room else "\u2260" if delta is not None else "\u2248"


def _cell(
    day: Mapping[str, Any], measure: Mapping[str, Any], linked: Collection[str], columns: int
) -> Markup:
    kind, words = square_of(day, measure)
    seen = day["measures"].get(measure["name"])
    delta = None
    if seen and kind in ("fail", "waived") and not is_instant(measure):
        delta = number(seen["stream"]) - number(seen["batch"]) or None
    shown = fitting(words, delta, columns) if words else ""
    link = f"#day-{day['day']}" if kind in _EXPLAINED and day["day"] in linked else ""
    return square(kind, shown, _told(kind, day, measure), link)


def _told(kind: str, day: Mapping[str, Any], measure: Mapping[str, Any]) -> str:
    told = f"{_words(measure['name'])}, {long_day(day['day'])}: {WORDS[kind]}"
    seen = day["measures"].get(measure["name"])
    if not seen:
        return told
    if is_instant(measure):
        off = (seen["beyond"] or 0) + (seen["tolerated"] or 0)
        return f"{told}; {grouped(off)} of {grouped(seen['cells'])} cells differ"
    return f"{told}; batch {grouped(number(seen['batch']))}, stream {grouped(number(seen['stream']))}"


def _row_head(measure: Mapping[str, Any]) -> Markup:
    allowed = tolerance_of(measure)
    note = (
        Markup(' <small title="tolerance of one cell">{}</small>').format(allowed) if allowed else Markup("")
    )
    return Markup('<th scope="row"><span>{}</span>{}</th>').format(_words(measure["name"]), note)


def tolerance_of(measure: Mapping[str, Any]) -> str:
    """Return how far one cell may differ: ±0.1 % or 2; nothing where it must be equal."""
    absolute, relative = number(measure.get("absolute") or 0), number(measure.get("relative") or 0)
    bounds = [f"±{percent(relative)}"] if relative else []
    bounds += [f"±{grouped(absolute)}"] if absolute else []
    return " or ".join(bounds) + ("*" if measure.get("segments") else "")


def _month(days: Sequence[str]) -> str:
    first = date.fromisoformat(days[0])
    return f"{first:%B %Y}" if len(days) > 3 else f"{first:%b}"


def _words(name: str) -> str:
    return name.replace("_", " ")
