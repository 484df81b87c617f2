"""The pages: every link leads to something, and the README names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slipway import cli

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", REPO / "CHANGELOG.md", *sorted((REPO / "docs").rglob("*.md"))]


def anchor(heading: str) -> str:
    """Return what a heading is called in a link."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, section = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name} links to {target}"
        if section:
            headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert section in [anchor(heading) for heading in headings], target


def test_every_page_is_in_the_index() -> None:
    index = (REPO / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (REPO / "docs").rglob("*.md"):
        place = page.relative_to(REPO / "docs")
        if place.parts[0] in ("reference", "how-to", "tutorial"):
            assert f"({place})" in index


def test_the_readme_names_every_dag_and_the_verbs_that_people_need(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (REPO / "README.md").read_text(encoding="utf-8")
    for dag in (REPO / "dags").glob("*.py"):
        if dag.stem != "contracts":
            assert f".{dag.stem}`" in text, dag.stem
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    verbs = set(re.findall(r"^    ([a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert verbs, "the help lists no verb"
    named = {"schema", "render", "ledger"}  # for editors, the curious and the installation
    assert [verb for verb in sorted(verbs - named) if f"`{verb}" not in text] == []
