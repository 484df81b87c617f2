"""Verbs about a migration that is under way."""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict

from slipway import bootstrap
from slipway.cli.verbs import DONE, NO, Verbs, print_json, print_table
from slipway.domain.evidence import Digest
from slipway.errors import Permanent
from slipway.ports import World


def add(verbs: Verbs) -> None:
    """Add status, history, waivers, verify and ledger."""
    verbs.add("status", _status, "Print where a migration stands and what blocks it.")
    verbs.add("history", _history, "Print the switch journal.")
    verbs.add(
        "waivers", _waivers, "Print which differences data owners have accepted, and what became of it."
    )
    verify = verbs.add("verify", _verify, "Compute a piece of evidence again and say whether it is the same.")
    verify.add_argument("digest", help="SHA-256 of the evidence, whole or its first 12 digits")
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

    if not re.fullmatch("[0-9a-f]{12,64}", given.digest):
        raise Permanent(
            f"{given.digest!r} is not a digest; expected the 64 hexadecimal digits of the report,"
            " or the first 12"
        )
    migration, world = bootstrap.migration(given.migration), bootstrap.world()
    digest = given.digest if len(given.digest) == 64 else _whole(given.digest, migration.name, world)
    found = verify(migration, Digest(digest), world)
    if given.json:
        print_json(asdict(found))
    else:
        print(found)
    return DONE if found.same else NO


def _whole(begin: str, migration: str, world: World) -> str:
    """Return the only digest of the ledger with such a begin: tables for people print twelve digits."""
    rows = [
        *world.ledger.reconciliations(migration, limit=1000),
        *world.ledger.close_runs(migration, limit=1000),
    ]
    found = {row.digest for row in rows if row.digest.startswith(begin)}
    if len(found) != 1:
        many = "several pieces of evidence begin" if found else f"no evidence of {migration} begins"
        raise Permanent(f"{many} with {begin}; give all 64 digits, which stand in the report")
    return found.pop()


def _ledger(given: argparse.Namespace) -> int:
    bootstrap.ledger().upgrade()
    print("the ledger's schema is up to date")
    return DONE
