"""The report's drawings as SVG: heat map, waterfall, histogram. All text is escaped; CSS has the colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from markupsafe import Markup, escape

from slipway.domain.evidence import Cause
from slipway.domain.narrative import (
    difference_text,
    grouped,
    is_instant,
    long_day,
    number,
    short_day,
    signed,
)

_WIDTH = 880
_LABELS = 170


@dataclass(frozen=True, slots=True)
class Bar:
    """One column of a histogram. beyond: it lies outside of what is accepted."""

    label: str
    value: int
    beyond: bool


@dataclass(frozen=True, slots=True)
class Fall:
    """A waterfall: from the batch's value over the causes to the stream's. shares sum to batch - stream."""

    batch: float
    stream: float
    shares: Mapping[Cause, float]


def heat_map(kpi: Mapping[str, Any], linked: Sequence[str] = ()) -> Markup:
    """Return measure x day; linked: days (ISO) that have a section `day-<date>` further down."""
    days, measures = kpi["days"], kpi["measures"]
    step = (_WIDTH - _LABELS - 10) / max(len(days), 1)
    width = min(step - 5, 90)
    height = 24 + 29 * len(measures) + 4
    parts = [_open(height, "Every measure on every business day: equal, tolerated, differing or still open")]
    for column, day in enumerate(days):
        x = _LABELS + column * step + width / 2
        first = column == 0 or date.fromisoformat(day["day"]).day == 1
        label = short_day(day["day"]) if first else str(date.fromisoformat(day["day"]).day)
        parts.append(_text(x, 14, label, "ax", "middle"))
    for row, measure in enumerate(measures):
        y = 24 + 29 * row
        parts.append(_text(_LABELS - 10, y + 17, _words(measure["name"]), "lb", "end"))
        for column, day in enumerate(days):
            square = _square(day, measure, _LABELS + column * step, y, width)
            if day["day"] in linked:
                square = Markup('<a href="#day-{}">{}</a>').format(day["day"], square)
            parts.append(square)
    return Markup("").join([*parts, Markup("</svg>")])


def square_of(day: Mapping[str, Any], measure: Mapping[str, Any]) -> tuple[str, str]:
    """Return (class, text) of one square of the heat map: pass, warn, fail, open or none."""
    seen = day["measures"].get(measure["name"])
    if seen is None:
        return "none", ""
    if day["open"]:
        return "open", ""
    if seen["beyond"] or seen["engine"]:
        return "fail", difference_text(seen, measure)
    if seen["tolerated"] and is_instant(measure):
        return "warn", f"±{seen['tolerated']}"
    if seen["tolerated"]:
        batch = number(seen["batch"])
        share = abs(number(seen["stream"]) - batch) / abs(batch) if batch else 0.0
        return "warn", f"{share:.2%}"
    return "pass", ""


def waterfall(fall: Fall) -> Markup:
    """Return the columns from batch to stream, a cause each, in the order of the walk."""
    causes = list(Cause)
    columns = len(causes) + 2
    step = _WIDTH / columns
    width = step - 12
    top, bottom = 30.0, 178.0
    levels = [fall.batch]
    for cause in causes:
        levels.append(levels[-1] - fall.shares.get(cause, 0.0))
    floor = _floor(levels)
    span = max(levels) - floor or 1.0

    def y(value: float) -> float:
        return bottom - (value - floor) / span * (bottom - top)

    parts = [_open(226, "From batch to stream, cause by cause")]
    if floor:
        parts.append(_text(0, bottom + 44, f"the columns start at {grouped(floor)}", "ax", "start"))
    parts.append(_total(6, y(fall.batch), width, bottom, fall.batch, "batch"))
    for column, cause in enumerate(causes, start=1):
        before, after = levels[column - 1], levels[column]
        x = column * step + 6
        middle = x + width / 2
        if before == after:
            parts.append(
                Markup('<line class="zero" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
                    x, x + width, y(after), y(after)
                )
            )
            parts.append(_text(middle, y(after) - 6, "0", "z", "middle"))
        else:
            high, low = y(max(before, after)), y(min(before, after))
            kind = "neg" if after < before else "pos"
            parts.append(_rect(kind, x, high, width, max(low - high, 2)))
            parts.append(_text(middle, high - 6, signed(after - before), "v", "middle"))
        for line, word in enumerate(_lines(cause.value)):
            parts.append(_text(middle, bottom + 16 + 12 * line, word, "ax", "middle"))
    parts.append(_total((columns - 1) * step + 6, y(levels[-1]), width, bottom, levels[-1], "stream"))
    return Markup("").join([*parts, Markup("</svg>")])


def histogram(bars: Sequence[Bar], limit: str) -> Markup:
    """Return columns whose heights are logarithmic; limit: the text at the line between accepted and late."""
    width, bottom, top = 440, 140.0, 26.0
    step = width / max(len(bars), 1)
    most = max((_magnitude(bar.value) for bar in bars), default=1) or 1
    parts = [_open(164, "How long after the end of their business day events arrived", width)]
    accepted = next((column for column, bar in enumerate(bars) if bar.beyond), None)
    for column, bar in enumerate(bars):
        x, wide = column * step + 5, step - 10
        height = _magnitude(bar.value) / most * (bottom - top)
        if bar.value:
            parts.append(_rect("hl" if bar.beyond else "h", x, bottom - height, wide, height))
        else:
            parts.append(
                Markup('<line class="zero" x1="{:.1f}" x2="{:.1f}" y1="140" y2="140"/>').format(x, x + wide)
            )
        parts.append(_text(x + wide / 2, bottom - height - 6, grouped(bar.value), "v", "middle"))
        parts.append(_text(x + wide / 2, 156, bar.label, "ax", "middle"))
    if accepted is not None:
        x = accepted * step
        parts.append(Markup('<line class="lim" x1="{:.1f}" x2="{:.1f}" y1="2" y2="146"/>').format(x, x))
        parts.append(_text(x - 6, 11, limit, "axl", "end"))
    return Markup("").join([*parts, Markup("</svg>")])


def _square(day: Mapping[str, Any], measure: Mapping[str, Any], x: float, y: float, width: float) -> Markup:
    kind, text = square_of(day, measure)
    seen = day["measures"].get(measure["name"])
    told = f"{_words(measure['name'])}, {long_day(day['day'])}: "
    if not seen:
        told += "not compared"
    elif is_instant(measure):
        told += f"{grouped(seen['beyond'] + seen['tolerated'])} of {grouped(seen['cells'])} cells differ"
    else:
        told += f"batch {grouped(number(seen['batch']))}, stream {grouped(number(seen['stream']))}"
    if day["open"]:
        told += " (still open)"
    written = _text(x + width / 2, y + 17, text, "", "middle") if text else Markup("")
    return Markup(
        '<g class="c {}"><title>{}</title><rect x="{:.1f}" y="{}" width="{:.1f}" height="26" rx="3"/>{}</g>'
    ).format(kind, told, x, y, width, written)


def _total(x: float, top: float, width: float, bottom: float, value: float, label: str) -> Markup:
    middle = x + width / 2
    return Markup("").join(
        [
            _rect("tot", x, top, width, max(bottom - top, 1)),
            _text(middle, top - 6, grouped(value), "v", "middle"),
            _text(middle, bottom + 16, label, "ax", "middle"),
        ]
    )


def _floor(levels: Sequence[float]) -> float:
    """Return where the columns start: at zero, or higher when the changes would be too small to be seen."""
    low, high = min(levels), max(levels)
    if low < 0:
        return low
    if high - low > 0.12 * high or high == low:
        return 0.0
    return float(int(max(0.0, low - 2 * (high - low))))


def _lines(name: str) -> list[str]:
    words = name.split("_")
    if len(words) == 3:
        return [words[0], " ".join(words[1:])]
    return words


def _words(name: str) -> str:
    return name.replace("_", " ")


def _magnitude(value: int) -> float:
    # Digits and a little more: grows with the logarithm, and one event can still be seen.
    return 0.0 if value <= 0 else len(str(value)) - 1 + value / 10 ** len(str(value)) + 0.5


def _open(height: float, label: str, width: int = _WIDTH) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(width, height, label)


def _rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2"/>').format(
        kind, x, y, width, height
    )


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, escape(text)
    )
