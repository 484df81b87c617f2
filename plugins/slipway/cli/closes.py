"""The verb `closes`: which periods were signed as final, and what moved since."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from slipway import bootstrap
from slipway.cli.verbs import DONE, NO, Verbs, print_json, print_table
from slipway.domain.evidence import Verdict
from slipway.errors import Permanent

if TYPE_CHECKING:
    from slipway.app.close import PeriodStanding


def add(verbs: Verbs) -> None:
    """Add closes."""
    found = verbs.add(
        "closes",
        _closes,
        "Print the closed periods and every value that is not what was signed any more; exit code 1 when"
        " nobody accounts for one of them.",
    )
    found.add_argument("period", nargs="?", help="one period, such as 2013-02; all of them when left out")


def _closes(given: argparse.Namespace) -> int:
    from slipway.app import close
    from slipway.domain import periods
    from slipway.domain.restatements import Reason

    migration = bootstrap.migration(given.migration)
    name = periods.period(given.period).name if given.period else None
    every = close.standings(migration, bootstrap.world())
    found = [one for one in every if name in (None, one.period.name)]
    if name and not found:
        raise Permanent(
            f"{name} was never closed, nor run for it; trigger {migration.name}.reconcile with this period"
        )
    if given.json:
        print_json([one.to_json() for one in found])
    else:
        _print(found)
    unexplained = any(row.cause is Reason.UNEXPLAINED for one in found for row in one.restated)
    return NO if unexplained else DONE


def _print(found: list[PeriodStanding]) -> None:
    if not found:
        print("no period has been closed")
        return
    print_table(
        ("period", "first", "last", "closed at", "by", "evidence", "revision", "waits for", "restated"),
        [_row(one) for one in found],
    )
    rows = [
        (
            one.period.name,
            row.kpi,
            row.row,
            row.measure,
            row.side,
            "no row" if row.was is None else row.was,
            "no row" if row.now is None else row.now,
            row.cause,
            row.reason,
        )
        for one in found
        for row in one.restated
    ]
    if rows:
        print()
        print_table(("period", "KPI", "row", "measure", "side", "signed", "now", "cause", "reason"), rows)


def _row(one: PeriodStanding) -> tuple[object, ...]:
    closed = one.close
    people = sorted({user for users in closed.signed_by.values() for user in users}) if closed else []
    waits = ""
    if one.run is not None:
        waits = "; ".join(blocker.what for blocker in one.missing) or "nothing"
        if one.run.verdict is not Verdict.PASS:
            waits = f"a close run that passes (the newest is {one.run.verdict})"
    return (
        one.period.name,
        one.period.first,
        one.period.last,
        closed.at.isoformat(timespec="seconds") if closed else "not closed",
        ", ".join(people),
        closed.digest[:12] if closed else "",
        closed.revision if closed else "",
        waits,
        len(one.restated),
    )
