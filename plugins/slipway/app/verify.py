"""Computing a piece of evidence again from what was kept: the same, or what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from slipway.app.balance import files_of
from slipway.domain.closing import reach
from slipway.domain.contract import Migration
from slipway.domain.document import kpi_document
from slipway.domain.evidence import Digest, canonical
from slipway.domain.waivers import waiver_from
from slipway.errors import Permanent
from slipway.ports import LakeFiles, Question, World

_REPEATED = ("verdict", "cells", "differing", "broken", "days", "causes", "events", "differences", "examples")
"""Parts of a KPI's document that follow from the kept rows and events alone."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out. differences: line by line; folded_again: False when silver's snapshot is gone."""

    digest: Digest
    differences: tuple[str, ...]
    folded_again: bool

    @property
    def same(self) -> bool:
        """True when everything was found again."""
        return not self.differences

    def __str__(self) -> str:
        head = f"evidence {self.digest[:12]}: " + ("same" if self.same else "DIFFERS")
        note = (
            ""
            if self.folded_again
            else ("; silver's snapshot is gone, so cells that agreed were not folded again")
        )
        return "\n".join([head + note, *self.differences])


def verify(migration: Migration, digest: Digest, world: World) -> Verified:
    """Repeat comparison and walk from the kept inputs; Permanent when the evidence is gone or was changed."""
    document = world.evidence.get(digest)
    if document["migration"] != migration.name:
        raise Permanent(f"evidence {digest[:12]} is about {document['migration']}, not {migration.name}")
    differences: list[str] = []
    if document["parity_digest"] != migration.parity_digest:
        raise Permanent(
            f"evidence {digest[:12]} was made under another meaning of the KPIs (parity digest"
            f" {document['parity_digest'][:12]}, the contract now has {migration.parity_digest[:12]});"
            " check out the contract of that time to verify it"
        )
    if not document["kpis"]:
        return Verified(digest, (), folded_again=False)
    question, folded_again = _question(migration, document, world)
    kept = {
        name: {part: world.evidence.path_of(Digest(kpi["kept"][part])) for part in ("rows", "events")}
        for name, kpi in document["kpis"].items()
    }
    found = world.comparison.repeat(migration, question, kept)
    closed = question.closed_through
    for name, kpi in found.items():
        hidden = [date.fromisoformat(day) for day in document["kpis"][name].get("hidden_days", ())]
        again = json.loads(canonical(kpi_document(migration, name, kpi, closed, hidden)))
        for part in _REPEATED:
            differences += _compare(f"{name}.{part}", document["kpis"][name][part], again[part])
    return Verified(digest, tuple(differences), folded_again)


def _question(migration: Migration, document: Mapping[str, Any], world: World) -> tuple[Question, bool]:
    cut, days = document["cut"], document["days"]
    first, last = date.fromisoformat(days["first"]), date.fromisoformat(days["last"])
    opened = reach(migration, first)
    span = [date.fromordinal(n) for n in range(opened.toordinal(), last.toordinal() + 1)]
    try:
        files = files_of(migration, document["revision"], cut["snapshots"], world, span)
        folded_again = True
    except Permanent:
        files, folded_again = LakeFiles((), (), (), (), ()), False
    return (
        Question(
            revision=document["revision"],
            offsets={int(partition): offset for partition, offset in cut["offsets"].items()},
            files=files,
            first=first,
            closed_through=date.fromisoformat(days["closed_through"]),
            last=last,
            batch_through=datetime.fromisoformat(cut["batch_through"]),
            amendments=tuple(cut["amendments"]),
            waivers=tuple(
                waiver_from(migration.name, migration.parity_digest, kept) for kept in document["waivers"]
            ),
            waiver_at_most=_bound(document, "waiver_at_most"),
            close_from=_bound(document, "tolerance_used"),
        ),
        folded_again,
    )


def _bound(document: Mapping[str, Any], name: str) -> Decimal:
    """Return a bound that the evidence was judged by; the contract may have another by now."""
    return Decimal(document.get("judged_by", {}).get(name, 1))


def _compare(path: str, kept: Any, again: Any) -> Iterator[str]:
    """Yield a line for each value that is not the same, with its place."""
    if isinstance(kept, dict) and isinstance(again, dict):
        for key in sorted(kept.keys() | again.keys()):
            yield from _compare(f"{path}.{key}", kept.get(key), again.get(key))
    elif isinstance(kept, list) and isinstance(again, list) and len(kept) == len(again):
        for n, (before, after) in enumerate(zip(kept, again, strict=True)):
            yield from _compare(f"{path}[{n}]", before, after)
    elif kept != again:
        yield f"{path}: was {json.dumps(kept)[:200]}, is {json.dumps(again)[:200]}"
