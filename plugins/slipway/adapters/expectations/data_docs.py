"""Data Docs that need no network: the library's pages would load their looks and their scripts from CDNs.

Of each page the findings are kept and everything else is left out; what was folded away by a script folds by
itself. The library's index is a script's work as a whole, so there is another one in its place.
"""

from __future__ import annotations

import html
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from slipway.domain.expectations import COMPARISON, RECORDS, SERVING, SILVER
from slipway.ports import Check

_HERE = Path(__file__).parent
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
_DROPPED = frozenset(
    {"script", "style", "link", "img", "button", "input", "form", "footer", "iframe", "svg", "title"}
)
_DROPPED_CLASSES = frozenset({"navbar", "col-lg-2", "modal", "top"})
_KEPT = frozenset({"class", "id", "colspan", "rowspan", "scope", "hidden"})
_ICONS = {
    "fa-check-circle": '<span class="good">✓ holds</span>',
    "fa-times": '<span class="bad">✗ fails</span>',
    "fa-exclamation-triangle": '<span class="warn">! raised an error</span>',
}
_ABOUT = {
    RECORDS: ("Records", "Does every record of the topic lie in one place?"),
    SILVER: ("Silver", "The accepted events of the closed days."),
    COMPARISON: ("Comparison", "What came of holding batch against stream."),
    SERVING: ("Serving", "The rows of closed days that the stream serves."),
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of details. path: from the index."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Suite:
    """What the index shows of one suite."""

    title: str
    about: str
    checks: Sequence[Check]
    pages: Sequence[Page] = field(default_factory=tuple)


def site(folder: Path) -> dict[str, Any]:
    """Return the library's configuration of a site in a folder."""
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
    }


def make_self_contained(
    folder: Path,
    heading: tuple[str, date, date, str],
    checks: Sequence[Check],
    names: Mapping[str, tuple[str, str]],
) -> None:
    """Rewrite every page below a folder so that it loads nothing from anywhere, and write the index.

    heading: migration, first and last day, the library's version. names: (suite, KPI) by the name of a run.
    """
    css = (_HERE / "pages.css").read_text("utf-8")
    pages: dict[tuple[str, str], list[Page]] = {}
    for path in sorted(folder.rglob("*.html")):
        relative = path.relative_to(folder)
        if relative.parts == ("index.html",):
            continue
        home = "../" * (len(relative.parts) - 1) + "index.html"
        path.write_text(rewritten(path.read_text("utf-8"), css, home), "utf-8")
        name = path.stem.partition("-")[2]
        if relative.parts[0] == "validations" and name in names:
            pages.setdefault(names[name], []).append(Page(name.replace("__", " "), relative.as_posix()))
    for left in ("static",):
        shutil.rmtree(folder / left, ignore_errors=True)
    (folder / "index.html").write_text(_index(css, heading, checks, pages), "utf-8")


def rewritten(page: str, css: str, home: str) -> str:
    """Return a page of the library without anything that comes from elsewhere. home: the index, from here."""
    body = _Body()
    body.feed(page)
    body.close()
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Data quality: details</title>\n<style>{css}</style>\n</head>\n<body>\n"
        f'<header><p><a href="{html.escape(home)}">All expectations of this night</a></p></header>\n'
        f"<main>\n{body.text()}\n</main>\n</body>\n</html>\n"
    )


def _index(
    css: str,
    heading: tuple[str, date, date, str],
    checks: Sequence[Check],
    pages: Mapping[tuple[str, str], Sequence[Page]],
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    migration, first, last, version = heading
    suites = []
    for suite, (title, about) in _ABOUT.items():
        for kpi in sorted({check.kpi for check in checks if check.suite == suite}):
            found = [check for check in checks if (check.suite, check.kpi) == (suite, kpi)]
            found.sort(key=lambda check: check.success)
            named = f"{title} of {kpi.replace('_', ' ')}" if kpi else title
            suites.append(Suite(named, about, found, pages.get((suite, kpi), ())))
    return environment.get_template("index.html.j2").render(
        css=Markup(css),  # noqa: S704  our own file
        migration=migration,
        first=first,
        last=last,
        version=version,
        suites=suites,
        total=len(checks),
        failed=sum(1 for check in checks if not check.success and check.otherwise == "fail"),
        warned=sum(1 for check in checks if not check.success and check.otherwise == "warn"),
    )


class _Body(HTMLParser):
    """Copies what lies in the body, without scripts, looks and what only works with them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._open: list[tuple[str, str]] = []
        self._dropping = 0
        self._inside = False

    def text(self) -> str:
        """Return what was copied."""
        return "".join(self._out)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = set(given.get("class", "").split())
        if tag == "body":
            self._inside = True
        if not self._inside or tag in ("body", "html"):
            return
        drops = tag in _DROPPED or classes & _DROPPED_CLASSES or given.get("data-toggle") == "collapse"
        if tag in _VOID:
            if not drops and not self._dropping:
                self._out.append(f"<{tag}>")
            return
        if self._dropping or drops:
            self._dropping += 1
            self._open.append((tag, ""))
            return
        if tag == "i":
            self._out += [shown for icon, shown in _ICONS.items() if icon in classes]
            self._open.append((tag, ""))
            return
        if "collapse" in classes and tag == "div":
            self._out.append(f"<details{_attributes(given)}><summary>More</summary>")
            self._open.append((tag, "details"))
            return
        self._out.append(f"<{tag}{_attributes(given)}>")
        self._open.append((tag, tag))

    def handle_endtag(self, tag: str) -> None:
        if tag not in (name for name, _ in self._open):
            return
        while self._open:
            name, written = self._open.pop()
            if written:
                self._out.append(f"</{written}>")
            elif self._dropping:
                self._dropping -= 1
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if self._inside and not self._dropping:
            self._out.append(html.escape(data, quote=False))


def _attributes(given: Mapping[str, str]) -> str:
    kept = {name: value for name, value in given.items() if name in _KEPT}
    target = given.get("href", "")
    if target and "//" not in target and ":" not in target:
        kept["href"] = target
    return "".join(f' {name}="{html.escape(value)}"' for name, value in kept.items())
