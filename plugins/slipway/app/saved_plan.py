"""A plan that was shown to somebody, and whether it still says what would happen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.app.provision_steps import Step
from slipway.domain.changes import compare
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest, canonical, digest_of
from slipway.errors import Permanent

FORM = 1
"""Raised when the shape of the document changes."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What a plan said. contract: the document that it was made from; steps: one mapping each."""

    migration: str
    contract: Mapping[str, Any]
    steps: tuple[Mapping[str, str], ...]

    @property
    def fingerprint(self) -> Digest:
        """Digest of the contract and of everything that was seen and wanted."""
        return digest_of(
            {"migration": self.migration, "contract": self.contract, "steps": [dict(s) for s in self.steps]}
        )

    def to_json(self) -> Mapping[str, Any]:
        """Return the plan as a document for a file."""
        return {
            "slipway_plan": FORM,
            "migration": self.migration,
            "fingerprint": self.fingerprint,
            "steps": [dict(step) for step in self.steps],
            "contract": json.loads(canonical(self.contract)),
        }

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> SavedPlan:
        """Read a document; Permanent when it is no plan, or was changed after it was saved."""
        try:
            if document["slipway_plan"] != FORM:
                raise Permanent(
                    f"the plan has form {document['slipway_plan']}, but this version reads {FORM}; plan again"
                )
            found = SavedPlan(
                str(document["migration"]),
                document["contract"],
                tuple(dict(one) for one in document["steps"]),
            )
            kept = document["fingerprint"]
        except (KeyError, TypeError, ValueError) as error:
            raise Permanent(
                "this is no saved plan, or not a whole one; "
                "make one with `slipway plan <migration> --out FILE`"
            ) from error
        if kept != found.fingerprint:
            raise Permanent(
                f"the plan was changed after it was saved: it carries the fingerprint {str(kept)[:12]}, but "
                f"its content has {found.fingerprint[:12]}; plan again"
            )
        return found


def entry(step: Step) -> Mapping[str, str]:
    """Return a step as a plan keeps it."""
    return {
        "step": type(step).__name__,
        "what": step.what,
        "seen": step.seen,
        "wanted": step.wanted,
        "safety": step.safety.value,
        "reason": step.reason,
        "advice": step.advice,
    }


def save(migration: Migration, steps: Sequence[Step]) -> SavedPlan:
    """Return the plan as it would be kept."""
    contract = json.loads(canonical(migration.document))
    return SavedPlan(migration.name, contract, tuple(entry(step) for step in steps))


def refuse_if_moved(saved: SavedPlan, now: SavedPlan) -> None:
    """Raise Permanent, naming what moved, unless all that is to be done now stands in the saved plan.

    Steps of the saved plan that are done already are no hindrance: an interrupted run is taken up with it.
    """
    if saved.migration != now.migration:
        raise Permanent(f"the plan is for the migration {saved.migration}, not for {now.migration}")
    moved = [
        f"contract {change.path}: {change.before} when planned, {change.after} now"
        for change in compare(saved.contract, now.contract)
    ]
    known = {step["what"]: step for step in saved.steps}
    for step in now.steps:
        before = known.get(step["what"])
        if step in saved.steps:
            continue
        if before is None:
            moved.append(f"{step['what']}: not in the plan; now {step['seen']}, wanted {step['wanted']}")
        else:
            moved.append(
                f"{step['what']}: planned {before['seen']} -> {before['wanted']}, "
                f"now {step['seen']} -> {step['wanted']}"
            )
    if moved:
        raise Permanent(
            "the plan is out of date, and nothing was changed; since it was made there moved:\n  "
            + "\n  ".join(moved)
            + "\nPlan again and look at the new steps"
        )
