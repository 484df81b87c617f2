"""Drawings of lateness: when events arrive, and what each accepted lateness would have lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from markupsafe import Markup

from slipway.adapters.report import svg
from slipway.domain.figures import grouped, percent

_WIDTH = 440


@dataclass(frozen=True, slots=True)
class Bar:
    """One column of a histogram. beyond: it lies outside of what is accepted."""

    label: str
    value: int
    beyond: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """What each bound would have lost of one measure, as shares by bound (a text such as 6 h), ascending."""

    name: str
    shares: Mapping[str, Decimal]


def histogram(bars: Sequence[Bar], limit: str) -> Markup:
    """Return columns whose heights are logarithmic; limit: the text at the line between accepted and late."""
    bottom, top = 140.0, 34.0
    step = _WIDTH / max(len(bars), 1)
    most = max((_magnitude(bar.value) for bar in bars), default=1) or 1
    parts = []
    accepted = next((column for column, bar in enumerate(bars) if bar.beyond), None)
    for column, bar in enumerate(bars):
        x, wide = column * step + 4, step - 8
        height = _magnitude(bar.value) / most * (bottom - top)
        if bar.value:
            parts.append(svg.rect("hl" if bar.beyond else "h", x, bottom - height, wide, height))
        else:
            parts.append(svg.line("zero", x, bottom, x + wide, bottom))
        parts.append(svg.text(x + wide / 2, bottom - height - 6, grouped(bar.value), "v"))
        parts.append(svg.text(x + wide / 2, 157, bar.label, "ax"))
    if accepted is not None:
        x = accepted * step
        parts.append(svg.line("lim", x, 2, x, 146))
        anchor, shift = ("end", -6.0) if x > _WIDTH / 2 else ("start", 6.0)
        parts.append(svg.text(x + shift, 11, limit, "axl", anchor))
    told = "; ".join(f"{bar.label}: {grouped(bar.value)}" for bar in bars)
    title = "How long after the end of their business day events arrived"
    return svg.drawing(_WIDTH, 164, title, told, parts)


def curves(
    bounds: Sequence[str], lines: Sequence[Curve], accepted: str, advised: str, target: Decimal | None
) -> Markup:
    """Return a line for each measure over the bounds; the first one, which loses most, in front.

    The height is the cube root of the share, so that a ten-thousandth can still be told from nothing.
    accepted, advised: bounds that are marked; target: the share that may be lost, a level line.
    """
    if not bounds or not lines:
        return Markup("")
    left, right, top, bottom = 8.0, _WIDTH - 8.0, 24.0, 138.0
    step = (right - left) / max(len(bounds) - 1, 1)
    most = max([share for line in lines for share in line.shares.values()] + [target or Decimal(0)])

    def place(column: int, share: Decimal) -> tuple[float, float]:
        height = float(share / most) ** (1 / 3) if most else 0.0
        return left + column * step, bottom - height * (bottom - top)

    def drawn(line: Curve, kind: str) -> Markup:
        return svg.path(kind, [place(n, line.shares[b]) for n, b in enumerate(bounds) if b in line.shares])

    worst = lines[0]
    parts = [svg.line("zero", left, bottom, right, bottom)]
    for bound, kind, words, height in (
        (accepted, "lim", "accepted", 12.0),
        (advised if advised != accepted else "", "adv", "advised", 22.0),
    ):
        if bound in bounds:
            x = left + bounds.index(bound) * step
            anchor, shift = ("end", -5.0) if x > _WIDTH / 2 else ("start", 5.0)
            parts.append(svg.line(kind, x, 4, x, bottom + 5))
            parts.append(svg.text(x + shift, height, f"{words}: {bound}", f"{kind}t", anchor))
    if target:
        y = place(0, target)[1]
        parts.append(svg.line("aim", left, y, right, y))
    parts += [drawn(line, "cu") for line in lines[1:]]
    parts.append(drawn(worst, "cw"))
    if target:  # words last, so that no line runs through them
        parts.append(svg.text(left, place(0, target)[1] - 4, f"target {percent(target)}", "ax over", "start"))
    every = max(1, -(-len(bounds) // 8))
    for n, bound in enumerate(bounds):
        if bound in worst.shares:
            parts.append(svg.dot("cd", *place(n, worst.shares[bound]), radius=2.5))
        if n % every == 0:
            parts.append(
                svg.text(
                    left + n * step,
                    156,
                    bound,
                    "ax",
                    "start" if n == 0 else "end" if n == len(bounds) - 1 else "middle",
                )
            )
    told = f"{worst.name}: " + "; ".join(
        f"{b} {percent(worst.shares[b])}" for b in bounds if b in worst.shares
    )
    return svg.drawing(
        _WIDTH, 164, "What each accepted lateness would have lost, the worst measure", told, parts
    )


def _magnitude(value: int) -> float:
    # Digits and a little more: grows with the logarithm, and one event can still be seen.
    return 0.0 if value <= 0 else len(str(value)) - 1 + value / 10 ** len(str(value)) + 0.5
