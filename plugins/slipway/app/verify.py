"""Computing a piece of evidence again from what was kept: the same, or what differs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from slipway.app.balance import files_of
from slipway.domain.closing import reach
from slipway.domain.contract import Migration
from slipway.domain.document import kpi_document
from slipway.domain.evidence import Digest, canonical
from slipway.domain.plurals import counted
from slipway.domain.waivers import waiver_from
from slipway.errors import Permanent
from slipway.ports import LakeFiles, Question, World

_REPEATED = (
    "verdict",
    "cells",
    "differing",
    "walked",
    "crowded",
    "broken",
    "days",
    "causes",
    "events",
    "differences",
    "examples",
)
"""Parts of a KPI's document that follow from the kept rows and events alone."""

_NAMES = ("day", "cell", "measure", "cause")
"""What tells the items of a list apart, where they have it."""

_LONGEST = 160
"""Characters of a value that a line shows."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out. differences: line by line; folded_again: False when silver's snapshot is gone."""

    digest: Digest
    differences: tuple[str, ...]
    folded_again: bool
    kpis: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """True when everything was found again."""
        return not self.differences

    def __str__(self) -> str:
        told = "same" if self.same else f"DIFFERS in {counted(len(self.differences), 'place')}"
        lines = [f"evidence {self.digest[:12]}: {told}", *(f"  {line}" for line in self.differences)]
        if self.kpis:
            lines.append(f"compared and walked again from what was kept: {', '.join(self.kpis)}")
        if self.folded_again:
            lines.append("silver was folded again at the snapshots of the cut")
        elif self.kpis:
            lines.append(
                "silver was not folded again, for its snapshots are gone or what was amended is not there:"
                " its side is what was kept"
            )
        else:
            lines.append("no KPI was compared again")
        return "\n".join(lines)


def verify(migration: Migration, digest: Digest, world: World) -> Verified:
    """Repeat comparison and walk from the kept inputs, whatever dbt and the jobs have written since.

    A kept file that is gone or was changed is a difference. Permanent when the document itself is, or when
    the contract means something else by now.
    """
    document = world.evidence.get(digest)
    if document["migration"] != migration.name:
        raise Permanent(f"evidence {digest[:12]} is about {document['migration']}, not {migration.name}")
    if document["parity_digest"] != migration.parity_digest:
        raise Permanent(
            f"evidence {digest[:12]} was made under another meaning of the KPIs (parity digest"
            f" {document['parity_digest'][:12]}, the contract now has {migration.parity_digest[:12]});"
            " check out the contract of that time to verify it"
        )
    if not document["kpis"]:
        return Verified(digest, (), folded_again=False)
    differences: list[str] = []
    kept: dict[str, Mapping[str, Path]] = {}
    for name, kpi in document["kpis"].items():
        parts = {part: _kept(kpi["kept"][part], world) for part in ("rows", "events")}
        differences += [
            f"{name}.kept.{part}: {path}" for part, path in parts.items() if isinstance(path, str)
        ]
        if paths := {part: path for part, path in parts.items() if isinstance(path, Path)}:
            kept.update({name: paths} if len(paths) == len(parts) else {})
    amended = None if document["cut"].get("amended") is None else _kept(document["cut"]["amended"], world)
    if isinstance(amended, str):
        differences.append(f"cut.amended: {amended}")
    question, folded_again = _question(migration, document, world, fold=not isinstance(amended, str))
    places = amended if isinstance(amended, Path) else None
    found = world.comparison.repeat(migration, question, kept, places) if kept else {}
    closed = question.closed_through
    for name, one in found.items():
        hidden = [date.fromisoformat(day) for day in document["kpis"][name].get("hidden_days", ())]
        again = json.loads(canonical(kpi_document(migration, name, one, closed, hidden)))
        for part in _REPEATED:
            differences += _compare(f"{name}.{part}", document["kpis"][name][part], again[part])
    return Verified(digest, tuple(differences), folded_again and bool(found), tuple(found))


def _kept(digest: str, world: World) -> Path | str:
    """Return the path of a kept file, or what is wrong with it."""
    try:
        path = world.evidence.path_of(Digest(digest))
    except Permanent:
        return f"the kept file {digest[:12]} is gone; restore it from a backup"
    with path.open("rb") as file:
        seen = hashlib.file_digest(file, "sha256").hexdigest()
    if seen != digest:
        return (
            f"the kept file {digest[:12]} was changed after it was stored: its content now has the digest"
            f" {seen[:12]}; restore {path} from a backup"
        )
    return path


def _question(
    migration: Migration, document: Mapping[str, Any], world: World, *, fold: bool
) -> tuple[Question, bool]:
    cut, days = document["cut"], document["days"]
    first, last = date.fromisoformat(days["first"]), date.fromisoformat(days["last"])
    opened = reach(migration, first)
    span = [date.fromordinal(n) for n in range(opened.toordinal(), last.toordinal() + 1)]
    files, folded_again = LakeFiles((), (), (), (), ()), False
    if fold:
        # A snapshot that is gone leaves the kept rows; nothing else does.
        with suppress(Permanent):
            files = files_of(migration, document["revision"], cut["snapshots"], world, span)
            folded_again = True
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
            whole=last if document.get("period") else None,
        ),
        folded_again,
    )


def _bound(document: Mapping[str, Any], name: str) -> Decimal:
    """Return a bound that the evidence was judged by; the contract may have another by now."""
    return Decimal(document.get("judged_by", {}).get(name, 1))


def _compare(path: str, kept: Any, again: Any) -> Iterator[str]:
    """Yield a line for each value that is not the same, with its place."""
    if isinstance(kept, list) and isinstance(again, list):
        kept, again = _by_name(kept), _by_name(again)
    if isinstance(kept, dict) and isinstance(again, dict):
        for key in sorted(kept.keys() | again.keys()):
            place = f"{path}{key if key.startswith('[') else f'.{key}'}"
            if key not in again:
                yield f"{place}: was {_short(kept[key])}, is not there any more"
            elif key not in kept:
                yield f"{place}: was not there, is {_short(again[key])}"
            else:
                yield from _compare(place, kept[key], again[key])
    elif kept != again:
        yield f"{path}: was {_short(kept)}, is {_short(again)}"


def _by_name(items: list[Any]) -> dict[str, Any]:
    """Return the items of a list by what tells them apart, else by their number."""
    found: dict[str, Any] = {}
    for n, item in enumerate(items):
        names = [item[name] for name in _NAMES if name in item] if isinstance(item, dict) else []
        told = ", ".join(
            " ".join(str(value) for value in name.values()) if isinstance(name, dict) else str(name)
            for name in names
        )
        found[f"[{told or n}]" if f"[{told}]" not in found else f"[{told} {n}]"] = item
    return found


def _short(value: Any) -> str:
    told = json.dumps(value, ensure_ascii=False)
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}..."
