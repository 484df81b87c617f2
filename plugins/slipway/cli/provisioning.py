"""Verbs about what a contract makes of the world: plan and apply."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import bootstrap
from slipway.cli.verbs import DONE, NO, Verbs, operator, print_json
from slipway.domain.contract import Migration
from slipway.errors import Permanent, why

if TYPE_CHECKING:
    from slipway.app.provision_steps import Step
    from slipway.app.saved_plan import SavedPlan
    from slipway.ports import ConnectionSeen


def add(verbs: Verbs) -> None:
    """Add plan and apply."""
    plan = verbs.add(
        "plan",
        _plan,
        "Print what provisioning would do, why, and whether it is safe; changes nothing. "
        "Exit code 1 when a step is refused.",
    )
    plan.add_argument("--out", type=Path, metavar="FILE", help="keep the plan, for `slipway apply --plan`")
    apply = verbs.add(
        "apply",
        _apply,
        "Carry out a plan that was kept; refused when the contract or the world has moved since.",
    )
    apply.add_argument(
        "--plan", type=Path, metavar="FILE", required=True, help="what `slipway plan --out` wrote"
    )
    apply.add_argument(
        "--confirm", action="store_true", help="also do the steps that the plan says need confirmation"
    )


def _plan(given: argparse.Namespace) -> int:
    from slipway.app import provision
    from slipway.app.provision_steps import Safety
    from slipway.app.saved_plan import save

    migration, connections, steps = _look(given.migration)
    saved = save(migration, steps)
    if given.out:
        _keep(given.out, saved)
    if given.json:
        print_json(
            {
                "fingerprint": saved.fingerprint,
                "connections": [
                    {"connection": one.conn_id, "state": one.state.value, "seen": one.seen, "fix": one.fix}
                    for one in connections
                ],
                "steps": saved.steps,
            }
        )
    else:
        print(provision.connections_table(connections))
        print()
        print(provision.table(steps))
        print(f"\nfingerprint {saved.fingerprint[:12]}" + (f", kept in {given.out}" if given.out else ""))
    return NO if any(step.safety is Safety.REFUSED for step in steps) else DONE


def _apply(given: argparse.Namespace) -> int:
    from slipway.app import provision

    saved = _read(given.plan)
    migration = bootstrap.migration(given.migration)
    provision.refuse_disagreements(migration, bootstrap.readable_migrations())
    provision.refuse_connections(bootstrap.check_connections())
    world = bootstrap.world()
    done = provision.apply(migration, saved, world, operator(), confirmed=given.confirm)
    if given.json:
        print_json({"fingerprint": saved.fingerprint, "done": [step.what for step in done]})
    else:
        print("\n".join(f"{_outcome(step)}  {step.what}" for step in done) or "nothing was left to do")
    return DONE


def _outcome(step: Step) -> str:
    from slipway.app.provision_steps import ReplicateTopic

    return "left as it is" if isinstance(step, ReplicateTopic) else "done"


def _look(name: str) -> tuple[Migration, Sequence[ConnectionSeen], Sequence[Step]]:
    """Return the contract as it was read once, so that what is kept is what was planned."""
    from slipway.app import provision

    migration = bootstrap.migration(name)
    provision.refuse_disagreements(migration, bootstrap.readable_migrations())
    connections = bootstrap.check_connections()
    provision.refuse_connections(connections)
    return migration, connections, provision.plan(migration, bootstrap.world())


def _keep(path: Path, saved: SavedPlan) -> None:
    text = json.dumps(saved.to_json(), indent=2, ensure_ascii=False) + "\n"
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise Permanent(
            f"the plan can't be kept in {path}: {why(error)}; name a file in a folder that is there and that "
            "you may write"
        ) from error


def _read(path: Path) -> SavedPlan:
    from slipway.app.saved_plan import SavedPlan

    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Permanent(
            f"the plan {path} can't be read: {why(error)}; make one with "
            "`slipway plan <migration> --out FILE`"
        ) from error
    return SavedPlan.from_json(document)
