"""Which field of a sample tells one event from another, and which orders the revisions of an event.

A field that records have goes before one that would have to be invented: a live topic holds redeliveries, so
an id may come twice, and revisions of an event share its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Any

from slipway.domain.inference import Guess, instant_of, snake
from slipway.domain.plurals import counted
from slipway.domain.sample import Chosen, Record, Sample

_OF_EVENTS = ("event_id", "eventid", "message_id")
_NAMES = (*_OF_EVENTS, "uuid", "guid", "id")
_VERSIONS = ("version", "revision", "sequence", "seq", "updated_at", "modified_at")
_LONGEST_GAP = 10
"""One record in so many may bear an id that came before, or none, and the field is still taken for the id."""


class _Fit(IntEnum):
    """How far the records bear a candidate out."""

    UNIQUE = 0
    REDELIVERED = 1
    REVISED = 2


@dataclass(frozen=True, slots=True)
class _Candidate:
    field: Guess
    fit: _Fit
    why: str
    question: str = ""
    version: Guess | None = None


@dataclass(frozen=True, slots=True)
class Identified:
    """The fields of the draft, the event's id among them. version: where a field looks like one."""

    fields: list[Guess]
    id: Chosen
    version: Chosen | None


def identify(fields: list[Guess], time: str, sample: Sample, free: str) -> Identified:
    """Choose the id and the version. time: the field of the event's time. free: a name that no field has."""
    candidates = list(_candidates(fields, time, sample))
    if candidates:
        best = min(candidates, key=lambda found: (*_rank(found), fields.index(found.field)))
        chosen = Chosen(best.field.name, best.why)
        sure = not best.question and _named(best.field) and len(sample.records) != 1
        if not sure:
            chosen = chosen.asked(best.question or "does it identify the event?")
        fields = [_as_id(field, sample) if field is best.field else field for field in fields]
        if best.version is not None:
            return Identified(fields, chosen, Chosen(best.version.name, "the newest one counts"))
    else:
        why = (
            "no field of the sample identifies an event; the producer must send one that never repeats, "
            "for NO RECORD HAS THIS ONE, and until one does each record is a dead letter"
        )
        seen = [f"{f.name} has {counted(f.distinct, 'value')}" for f in fields if _named(f) and f.distinct]
        if seen:
            why += f" (of {counted(len(sample.records), 'record')}, {', '.join(seen)})"
        made = Guess(free, "string", "string", False, f"DECIDE: {why}", notes=(why,), unique=True)
        fields, chosen = [made, *fields], Chosen(free, why, sure=False)
    versions = [field for field in _versions(fields) if field.name not in (chosen.value, time)]
    looks = Chosen(versions[0].name, "looks as if events were revised", sure=False) if versions else None
    return Identified(fields, chosen, looks)


def _candidates(fields: Sequence[Guess], time: str, sample: Sample) -> Iterator[_Candidate]:
    for field in fields:
        number = field.kind in ("int", "long") and snake(field.name) in _NAMES
        if field.name == time or field.symbols or not (field.kind == "string" or number):
            continue
        if not sample.records:
            if field.unique and not field.nullable:
                yield _Candidate(field, _Fit.UNIQUE, "the source calls it unique")
            elif snake(field.name) in _NAMES:
                why = "its name says so, and the source does not call it unique"
                yield _Candidate(field, _Fit.REDELIVERED, why, "does it identify the event?")
        elif (found := _borne_out(field, fields, time, sample)) is not None:
            yield found


def _borne_out(field: Guess, fields: Sequence[Guess], time: str, sample: Sample) -> _Candidate | None:
    # A record that came twice is the same event: distinct values are measured against distinct records.
    with_it = [record for record in sample.records if record.values.get(field.name) is not None]
    whole = _distinct(with_it)
    missing = len(sample.records) - len(with_it)
    if not missing and (field.unique or (len(whole) > 1 and field.distinct >= len(whole))):
        told = counted(len(whole), "record")
        why = f"different in all {told} of the sample" if len(whole) > 1 else f"the sample has {told} only"
        return _Candidate(field, _Fit.UNIQUE, why)
    if not _named(field) or missing * _LONGEST_GAP > len(sample.records):
        return None
    told = f"{counted(len(whole), 'different record')} of the sample with {counted(field.distinct, 'id')}"
    again = len(whole) - field.distinct
    few = again <= max(1, len(whole) // _LONGEST_GAP)
    # Times may differ between two deliveries; a version that grows says more than how seldom it happens.
    for version in sorted(_versions(fields), key=lambda found: found.name == time):
        if version is not field and again and _grows(whole, field.name, version):
            why = f"{told}, and {version.name} grows within an id, so the newest counts"
            question = "are these revisions of one event?"
            return _Candidate(field, _Fit.REVISED, why, question, version if version.name != time else None)
    event = snake(field.name) in _OF_EVENTS and 2 * field.distinct >= len(whole)
    if (few or event) and (field.distinct > 1 or snake(field.name) in _NAMES):
        if not again:
            return _Candidate(field, _Fit.REDELIVERED, told, "does it identify the event?")
        question = "a second record of an id is dropped as a duplicate: were these delivered again?"
        return _Candidate(field, _Fit.REDELIVERED, told, question)
    return None


def _rank(found: _Candidate) -> tuple[int, int, int, int]:
    """Return the order of candidates: what is named as an id, then what is unique, then what nearly is."""
    name, fit = snake(found.field.name), found.fit
    if name in _NAMES:
        return 0, fit is _Fit.REVISED, _NAMES.index(name), fit
    by_name = {_Fit.UNIQUE: 1, _Fit.REVISED: 2, _Fit.REDELIVERED: 4}
    tier = by_name[fit] if _named(found.field) else 5 if found.field.personal else 3
    return tier, found.field.personal, 0, fit


def _named(field: Guess) -> bool:
    name = snake(field.name)
    return name in _NAMES or name.endswith("_id")


def _as_id(field: Guess, sample: Sample) -> Guess:
    """Return the field as an id can be: a text, never null; a note says what that asks of the producer."""
    notes = field.notes
    if field.nullable:
        missing = sum(record.values.get(field.name) is None for record in sample.records)
        seen = f"null or missing in {counted(missing, 'record')} of the sample, each of which would be"
        seen = f"{seen} a dead letter" if missing else "the source does not say that it is never null"
        notes = (*notes, f"{seen}; an id is never null")
    if field.kind != "string":
        whole = "whole numbers, and an id is a text; until the producer sends it as one, "
        notes = (*notes, f"{whole}EACH RECORD IS A DEAD LETTER")
    return replace(field, avro="string", kind="string", nullable=False, notes=notes)


def _versions(fields: Sequence[Guess]) -> list[Guess]:
    return [
        field
        for field in fields
        if field.kind in ("int", "long", "timestamp")
        and not field.nullable
        and snake(field.name) in _VERSIONS
    ]


def _grows(records: Sequence[Record], identity: str, version: Guess) -> bool:
    """Say whether records of one id bear different versions, later ones mostly higher."""
    last: dict[Any, Any] = {}
    rises = falls = again = 0
    for record in records:
        now = _ordered(record.values[version.name], version)
        if now is None:
            return False
        before = last.get(record.values[identity])
        if before is not None:
            rises, falls, again = rises + (now > before), falls + (now < before), again + (now == before)
        last[record.values[identity]] = now
    return rises > falls + again


def _ordered(value: Any, version: Guess) -> int | datetime | None:
    if version.kind == "timestamp":
        return instant_of(value, version.avro)
    return value if isinstance(value, int) else None


def _distinct(records: Sequence[Record]) -> list[Record]:
    found = {repr(sorted(record.values.items())): record for record in reversed(records)}
    return list(reversed(found.values()))
