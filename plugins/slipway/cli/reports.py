"""The verb that finds pages for people: of a night, or of the whole observation."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from slipway import bootstrap
from slipway.cli.verbs import DONE, Verbs, print_json
from slipway.errors import Permanent
from slipway.ports import World


def add(verbs: Verbs) -> None:
    """Add report."""
    report = verbs.add("report", _report, "Print where the page of a night lies, or copy it.")
    report.add_argument(
        "--observation",
        action="store_true",
        help="the page of the whole observation, written as things stand",
    )
    report.add_argument("--evidence", metavar="DIGEST", help="of this evidence, instead of the newest night")
    report.add_argument(
        "--to", type=Path, metavar="PATH", help="copy the page there; the observation takes its nights along"
    )


def _report(given: argparse.Namespace) -> int:
    world = bootstrap.world()
    if given.observation and given.evidence:
        raise Permanent("--observation is about all evidence: give it or --evidence, not both")
    page = _observation(given.migration, world) if given.observation else _night(given, world)
    if given.to is not None:
        page = _copied(page, given.to, with_nights=given.observation)
    if given.json:
        print_json({"report": str(page)})
    else:
        print(page)
    return DONE


def _observation(migration: str, world: World) -> Path:
    from slipway.app import observation

    return Path(observation.write(bootstrap.migration(migration), world))


def _night(given: argparse.Namespace, world: World) -> Path:
    name, wanted = given.migration, given.evidence or ""
    recorded = [*world.ledger.reconciliations(name, limit=1000)]
    if wanted:
        recorded += world.ledger.close_runs(name, limit=1000)
    found = [one for one in recorded if one.digest.startswith(wanted)]
    if not found:
        what = f"evidence that begins with {wanted}" if wanted else "reconciliation"
        raise Permanent(
            f"the ledger has no {what} of {name}; trigger {name}.reconcile, or see slipway history"
        )
    if len({one.digest for one in found}) > 1 and wanted:
        raise Permanent(f"several pieces of evidence begin with {wanted}: give more of the digest")
    page = Path(found[0].report)
    if not page.is_file():
        raise Permanent(f"{page} is gone; trigger {name}.reconcile, which writes a new page")
    return page


def _copied(page: Path, to: Path, *, with_nights: bool) -> Path:
    """Copy a page; an observation leads to its nights by the names of their files, so they come along."""
    target = to / page.name if to.is_dir() else to
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(page, target)
    if with_nights:
        for night in page.parent.glob("*.html"):
            if night != page:
                shutil.copyfile(night, target.parent / night.name)
    return target
