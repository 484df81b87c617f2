"""Self-contained HTML pages: they open offline, in light and dark, on a phone and on paper."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from slipway.adapters.report.view import page
from slipway.domain.evidence import Digest
from slipway.domain.figures import grouped, short_day

_HERE = Path(__file__).parent


class HtmlReports:
    """slipway.ports.Reports in one folder: <folder>/<migration>/<as_of>-<digest>.html."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE),
            undefined=jinja2.StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"grouped": grouped, "short_day": short_day}

    def write(self, document: Mapping[str, Any], digest: Digest, context: Mapping[str, Any]) -> str:
        """Write the page of a night, or of a close run, and return its path; written again it is replaced."""
        instant = str(document["cut"]["as_of"]).replace(":", "").replace("-", "")
        period = document.get("period")
        name = f"close-{period['name'].replace('..', '-')}-{instant}" if period else instant
        html = self.render(document, digest, context)
        return self._put(str(document["migration"]), f"{name}-{digest[:12]}.html", html)

    def render(self, document: Mapping[str, Any], digest: Digest, context: Mapping[str, Any]) -> str:
        """Return the HTML of a night's page."""
        return self._rendered("night.html.j2", page(document, digest, context))

    def _rendered(self, template: str, values: Mapping[str, Any]) -> str:
        css = (_HERE / "pages.css").read_text("utf-8")
        return self._environment.get_template(template).render(**values, css=css)

    def _put(self, migration: str, name: str, html: str) -> str:
        folder = self._folder / migration
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
            file.write(html)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
        return str(path)
