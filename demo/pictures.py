"""`make pictures`: what the demo's nights look like, as pictures for the documentation, light and dark.

Takes the pages that reconciliations wrote and draws their upper part with Chromium: of the newest night that
failed, down to the first account of causes, and of the whole observation, down to what became of differences.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

REPO = Path(__file__).parents[1]
PAGES = REPO / ".local" / "worlds" / "main" / "evidence" / "reports" / "flights"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, TALLEST = 1000, 1750
"""Of a picture, in CSS pixels; a reader of a README scrolls no further."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One page and how much of it is shown: down to the first element of `until`, or to the tallest."""

    page: Path
    until: str


def pictures(folder: Path) -> Mapping[str, Picture]:
    """Return what can be drawn of a folder of pages, by the name of the picture."""
    nights = sorted(path for path in folder.glob("*.html") if path.name[:1].isdigit())
    failed = [path for path in nights if ": FAIL</title>" in path.read_text("utf-8")]
    found = {}
    if nights:
        found["night"] = Picture((failed or nights)[-1], ".fallt + .s")
    if (folder / "observation.html").is_file():
        found["observation"] = Picture(folder / "observation.html", "#differed")
    return found


def draw(browser: Browser, picture: Picture, scheme: str, into: Path) -> None:
    """Write one picture as PNG; scheme: light or dark."""
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": WIDTH, "height": 800}
    )
    page = context.new_page()
    page.goto(picture.page.resolve().as_uri())
    whole = float(page.evaluate("document.documentElement.scrollHeight"))
    last = page.locator(picture.until).first
    box = last.bounding_box() if last.count() else None
    height = min(box["y"] + box["height"] + 16 if box else whole, whole, TALLEST)
    clip = {"x": 0.0, "y": 0.0, "width": float(WIDTH), "height": height}
    page.screenshot(path=into, full_page=True, clip=clip)  # type: ignore[arg-type]
    context.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw every picture; 1 when there is no page to draw."""
    parser = argparse.ArgumentParser(description="Pictures of a folder of reports, light and dark.")
    parser.add_argument("pages", nargs="?", type=Path, default=PAGES, help="folder of a migration's reports")
    parser.add_argument("--into", type=Path, default=REPO / "docs" / "images", help="folder of the pictures")
    given = parser.parse_args(arguments)
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        print("no Chromium: install Debian's package `chromium`", file=sys.stderr)
        return 1
    wanted = pictures(given.pages)
    if not wanted:
        print(f"no reports in {given.pages}: run `make demo` first, or name a folder", file=sys.stderr)
        return 1
    given.into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, picture in wanted.items():
            for scheme in ("light", "dark"):
                file = given.into / f"{name}-{scheme}.png"
                draw(browser, picture, scheme, file)
                print(f"{file.name}: {picture.page.name}, {file.stat().st_size // 1024} KiB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
