"""One self-contained HTML page a night: it opens offline, in light and dark, on a phone and on paper."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from slipway.adapters.report.view import page
from slipway.domain.evidence import Digest
from slipway.domain.narrative import grouped, short_day

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
        """Write the page and return its path. The same night written again replaces its page."""
        instant = str(document["cut"]["as_of"]).replace(":", "").replace("-", "")
        folder = self._folder / str(document["migration"])
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{instant}-{digest[:12]}.html"
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
            file.write(self.render(document, digest, context))
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
        return str(path)

    def render(self, document: Mapping[str, Any], digest: Digest, context: Mapping[str, Any]) -> str:
        """Return the page's HTML."""
        css = (_HERE / "report.css").read_text("utf-8")
        template = self._environment.get_template("report.html.j2")
        return template.render(**page(document, digest, context), css=css)
