"""Verbs about a migration that is under way."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from slipway import bootstrap
from slipway.cli.verbs import DONE, NO, Verbs, print_json, print_table
from slipway.domain.evidence import Digest
from slipway.errors import Permanent


def add(verbs: Verbs) -> None:
    """Add status, history, waivers, verify and ledger."""
    verbs.add("status", _status, "Print where a migration stands and what blocks it.")
    verbs.add("history", _history, "Print the switch journal.")
    verbs.add(
        "waivers", _waivers, "Print which differences data owners have accepted, and what became of it."
    )
    verify = verbs.add("verify", _verify, "Compute a piece of evidence again and say whether it is the same.")
    verify.add_argument("digest", help="SHA-256 of the evidence, as printed in the report")
    ledger = verbs.add("ledger", _ledger, "Look after the ledger's database.", migration=False)
    ledger.add_argument("action", choices=["upgrade"], help="upgrade: bring its schema up to date")


def _status(given: argparse.Namespace) -> int:
    from slipway.app import status

    found = status.status(bootstrap.migration(given.migration), bootstrap.world())
    if given.json:
        print_json(asdict(found))
        return DONE
    print(f"{given.migration}: {found.state}\nnext step: {found.next_step}")
    for blocker in found.blocked_by:
        print(
            f"\n{blocker.what}\n  seen    {blocker.seen}\n  needed  {blocker.needed}\n  fix     {blocker.fix}"
        )
    return DONE


def _history(given: argparse.Namespace) -> int:
    migration = bootstrap.migration(given.migration)
    rows = bootstrap.world().serving.journal(migration.name)
    if given.json:
        print_json([asdict(row) for row in rows])
    elif not rows:
        print(f"readers of {migration.name} were never moved: they have batch")
    else:
        print_table(
            ("at", "KPI", "epoch", "action", "by", "reason"),
            [
                (row.at.isoformat(timespec="seconds"), row.kpi, row.epoch, row.action, row.by, row.reason)
                for row in rows
            ],
        )
    return DONE


def _waivers(given: argparse.Namespace) -> int:
    from slipway.app.waive import state_of, told

    migration, world = bootstrap.migration(given.migration), bootstrap.world()
    found = world.ledger.waivers(migration.name)
    now = world.clock.now()
    if given.json:
        print_json([{**asdict(one), "state": state_of(one, migration, now)} for one in found])
    elif not found:
        print(f"nobody has waived a difference of {migration.name}")
    else:
        print_table(
            ("given", "state", "waiver", "expires"),
            [
                (
                    one.at.isoformat(timespec="seconds"),
                    state_of(one, migration, now),
                    told(one),
                    one.expires_at.isoformat(timespec="minutes") if one.expires_at else "",
                )
                for one in found
            ],
        )
    return DONE


def _verify(given: argparse.Namespace) -> int:
    from slipway.app.verify import verify

    if len(given.digest) != 64:
        raise Permanent(f"{given.digest!r} is not a digest; expected the 64 hexadecimal digits of the report")
    found = verify(bootstrap.migration(given.migration), Digest(given.digest), bootstrap.world())
    if given.json:
        print_json(asdict(found))
    else:
        print(found)
    return DONE if found.same else NO


def _ledger(given: argparse.Namespace) -> int:
    bootstrap.ledger().upgrade()
    print("the ledger's schema is up to date")
    return DONE
