"""Verbs about what a contract makes of the world: the plan."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from slipway import bootstrap
from slipway.cli.verbs import DONE, Verbs, print_json


def add(verbs: Verbs) -> None:
    """Add plan."""
    verbs.add("plan", _plan, "Print what provisioning would do, and why; changes nothing.")


def _plan(given: argparse.Namespace) -> int:
    from slipway.app import provision

    steps = provision.plan(bootstrap.migration(given.migration), bootstrap.world())
    if given.json:
        print_json([{"step": type(step).__name__, **asdict(step)} for step in steps])
    else:
        print(provision.table(steps))
    return DONE
