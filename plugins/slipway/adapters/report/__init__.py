"""Self-contained HTML pages: they open offline, in light and dark, on a phone and on paper."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from slipway.adapters.report.observation import observation_page
from slipway.adapters.report.view import page
from slipway.domain.evidence import Digest
from slipway.domain.figures import grouped, short_day
from slipway.domain.observation import Observation

_HERE = Path(__file__).parent
OBSERVATION = "observation.html"
"""Name of the file of a migration's observation."""


class HtmlReports:
    """slipway.ports.Reports in one folder: <folder>/<migration>/, a file a night and observation.html."""

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

    def write_observation(self, seen: Observation) -> str:
        """Write the page of a migration's whole observation, beside its nights', and return its path."""
        return self._put(seen.migration, OBSERVATION, self.render_observation(seen))

    def render_observation(self, seen: Observation) -> str:
        """Return the HTML of an observation's page."""
        return self._rendered("observation.html.j2", observation_page(seen))

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
