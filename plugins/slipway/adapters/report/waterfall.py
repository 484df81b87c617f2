"""From the batch's value to the stream's, a row for each cause: a drawing and an account in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from markupsafe import Markup

from slipway.domain.evidence import Cause
from slipway.domain.figures import grouped, signed

_WIDTH = 1000
_HEIGHT = 30


@dataclass(frozen=True, slots=True)
class Fall:
    """From the batch's value over the causes to the stream's.

    shares: what each cause took, as the walk has it (positive: the stream has less); gross: the same of
    magnitudes over all cells, where it is known. They sum to batch - stream but for the remainder.
    """

    batch: Decimal
    stream: Decimal
    shares: Mapping[Cause, Decimal]
    gross: Mapping[Cause, Decimal] = field(default_factory=dict)
    words: Mapping[Cause, str] = field(default_factory=dict)

    @property
    def remainder(self) -> Decimal:
        """What no cause explains; anything but zero is a fault of the comparison."""
        return self.batch - self.stream - sum(self.shares.values(), Decimal(0))


@dataclass(frozen=True, slots=True)
class Step:
    """One row. kind: total, fall, rise or level; change, gross, then: as text; bar: its drawing."""

    kind: str
    name: str
    words: str
    change: str
    gross: str
    then: str
    bar: Markup


def steps(fall: Fall) -> list[Step]:
    """Return the rows, batch first and stream last.

    A cause may have taken nothing and stand there all the same: no value where the other side has zero.
    """
    causes = [cause for cause in Cause if cause in fall.shares]
    levels = [fall.batch]
    for cause in causes:
        levels.append(levels[-1] - fall.shares.get(cause, Decimal(0)))
    axis = _Axis(levels, fall.stream)
    found = [
        Step("total", "batch", "what readers have had", "", "", grouped(fall.batch), axis.total(fall.batch))
    ]
    for before, after, cause in zip(levels, levels[1:], causes, strict=False):
        kind = "level" if before == after else "fall" if after < before else "rise"
        share, gross = fall.shares.get(cause, Decimal(0)), fall.gross.get(cause)
        found.append(
            Step(
                kind,
                cause.value.replace("_", " "),
                fall.words.get(cause, ""),
                signed(-share),
                grouped(gross) if gross is not None and gross != abs(share) else "",
                grouped(after),
                axis.change(kind, before, after),
            )
        )
    if fall.remainder:
        told = "no cause explains this: the comparison is at fault"
        bar = axis.change("fall", levels[-1], fall.stream)
        found.append(Step("fall", "remainder", told, signed(-fall.remainder), "", grouped(fall.stream), bar))
    found.append(
        Step(
            "total", "stream", "what readers would get", "", "", grouped(fall.stream), axis.total(fall.stream)
        )
    )
    return found


def absent(fall: Fall) -> str:
    """Return the causes that were looked for and took nothing, as a list in words."""
    return ", ".join(cause.value.replace("_", " ") for cause in Cause if cause not in fall.shares)


def axis_note(fall: Fall) -> str:
    """Return where the bars begin, when that is not at zero."""
    levels = [fall.batch]
    for cause in Cause:
        levels.append(levels[-1] - fall.shares.get(cause, Decimal(0)))
    start = _Axis(levels, fall.stream).start
    return f"Bars begin at {grouped(start)}." if start else ""


class _Axis:
    """Where values lie from left to right: from zero, or from higher up when changes could not be seen."""

    def __init__(self, levels: Sequence[Decimal], last: Decimal) -> None:
        every = [*levels, last]
        low, high = min(every), max(every)
        self.start = self._start(low, high)
        self._left = min(low, Decimal(0)) if not self.start else self.start
        right = max(high, Decimal(0)) if not self.start or high > self.start else self.start
        self._span = (right - self._left) or Decimal(1)
        self._base = self.start or Decimal(0)

    @staticmethod
    def _start(low: Decimal, high: Decimal) -> Decimal:
        if low < 0 or high - low > high * Decimal("0.12") or high == low:
            return Decimal(0)
        reach = low - 2 * (high - low)
        unit = Decimal(10) ** max((high - low).adjusted(), -12)
        return max(Decimal(0), reach // unit * unit)

    def x(self, value: Decimal) -> float:
        return float((value - self._left) / self._span) * _WIDTH

    def total(self, value: Decimal) -> Markup:
        begin, end = sorted((self.x(self._base), self.x(value)))
        return self._row([_bar("tot", begin, end), _joint(self.x(value))])

    def change(self, kind: str, before: Decimal, after: Decimal) -> Markup:
        begin, end = sorted((self.x(before), self.x(after)))
        if kind == "level":
            return self._row([_joint(begin)])
        return self._row([_joint(self.x(before)), _bar(kind, begin, end), _joint(self.x(after))])

    @staticmethod
    def _row(parts: Sequence[Markup]) -> Markup:
        # The table's text says it all: a voice need not hear of bars.
        return Markup(
            '<svg class="draws" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
        ).format(_WIDTH, _HEIGHT, Markup("").join(parts))


def _bar(kind: str, begin: float, end: float) -> Markup:
    width = max(end - begin, 3.0)
    return Markup('<rect class="{}" x="{:.1f}" y="7" width="{:.1f}" height="16"/>').format(kind, begin, width)


def _joint(x: float) -> Markup:
    return Markup('<line class="joint" x1="{:.1f}" x2="{:.1f}" y1="0" y2="{}"/>').format(x, x, _HEIGHT)
