"""Small parts of drawings in SVG. All text is escaped; the page's CSS has every colour."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def drawing(width: float, height: float, title: str, told: str, parts: Iterable[Markup]) -> Markup:
    """Return a whole drawing. title: what it is; told: what it shows, for who can't see it."""
    opening = Markup('<svg viewBox="0 0 {} {}" role="img"><title>{}</title><desc>{}</desc>').format(
        _short(width), _short(height), title, told
    )
    return Markup("").join([opening, *parts, Markup("</svg>")])


def rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    """Return a rectangle of a class."""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>').format(
        kind, _short(x), _short(y), _short(width), _short(height)
    )


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    """Return a straight line of a class."""
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        kind, _short(x1), _short(y1), _short(x2), _short(y2)
    )


def path(kind: str, points: Iterable[tuple[float, float]]) -> Markup:
    """Return a line through points."""
    drawn = " ".join(f"{_short(x)},{_short(y)}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(kind, drawn)


def dot(kind: str, x: float, y: float, radius: float = 3.5) -> Markup:
    """Return a point of a class."""
    return Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(kind, _short(x), _short(y), radius)


def text(x: float, y: float, words: str, kind: str, anchor: str = "middle") -> Markup:
    """Return words; anchor: start, middle or end."""
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        kind, _short(x), _short(y), anchor, escape(words)
    )


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
