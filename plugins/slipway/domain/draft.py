"""A first contract from a sample: what can be guessed with a reason, and what a person must decide."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from slipway.domain.contract import RESERVED_FIELDS
from slipway.domain.identity import identify
from slipway.domain.inference import Guess, LeftOut, infer, instant_of, snake
from slipway.domain.instants import zulu
from slipway.domain.plurals import counted
from slipway.domain.sample import Chosen, Sample

TOPIC = re.compile(r"[a-z0-9]+-[a-z0-9][a-z0-9-]*")
SEGMENTS, SUMS, FEW = 2, 3, 20
SELDOM = 10
"""A time that one record in so many has not is still taken for the event's time."""
_TIME = (
    "event_time",
    "occurred_at",
    "happened_at",
    "event_timestamp",
    "timestamp",
    "time",
    "ts",
    "created_at",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Traffic. peak_per_second: in the busiest second of the sample."""

    peak_per_second: int
    mean_bytes: int
    why: str
    sure: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that the files of a new migration are written from."""

    name: str
    source: str
    topic: Chosen
    format: str
    fields: tuple[Guess, ...]
    left_out: tuple[LeftOut, ...]
    id: Chosen
    key: Chosen
    time: Chosen
    version: Chosen | None
    traffic: Measured
    first_day: date
    segments: tuple[Guess, ...]
    sums: tuple[Guess, ...]
    distinct: Guess | None
    model: str | None
    unreadable: int = 0

    @property
    def decisions(self) -> tuple[str, ...]:
        """What a person must decide, a line each; the files say the same where it belongs."""
        chosen = {"events.topic": self.topic, "events.id": self.id, "events.key": self.key}
        chosen |= {"events.time": self.time}
        lines = [f"{path}: {found.why}" for path, found in chosen.items() if not found.sure]
        if self.unreadable:
            more = f"{counted(self.unreadable, 'more record')} {'is' if self.unreadable == 1 else 'are'}"
            lines.append(f"{more} no JSON object; each such record would be a dead letter")
        if not self.traffic.sure:
            lines.append(f"events.traffic: {self.traffic.why}")
        lines += [f"field {field.name}: {note}" for field in self.fields for note in field.notes]
        lines += [f"field {field.name} was left out: {field.why}" for field in self.left_out]
        return (*lines, "owners, description, parity.timezone, accept_late and the measures: yours to say")


def draft(name: str, sample: Sample, today: date) -> Draft:
    """Return a first contract. today: UTC; where the sample holds no instant, days begin there."""
    guessed, left_out = infer([record.values for record in sample.records], RESERVED_FIELDS)
    fields = list(sample.columns) or guessed
    fields, time = _time(fields, sample)
    identified = identify(fields, time.value, sample, _free("event_id", fields))
    fields, identity = identified.fields, identified.id
    key = _key(fields, identity.value, sample)
    moments = _moments(sample, next(field for field in fields if field.name == time.value))
    return Draft(
        name=name,
        source=sample.source,
        topic=_topic(name, sample),
        format=sample.format,
        fields=tuple(fields),
        left_out=() if sample.columns else tuple(left_out),
        id=identity,
        key=key,
        time=time,
        version=identified.version,
        traffic=_traffic(sample, moments),
        first_day=max((moment.date() for moment in moments), default=today) + timedelta(days=1),
        segments=tuple(_segments(fields, sample))[:SEGMENTS],
        sums=tuple(_sums(fields))[:SUMS],
        distinct=next(
            (f for f in fields if f.name == key.value and f.name != identity.value and not f.personal), None
        ),
        model=sample.model,
        unreadable=sample.unreadable,
    )


def _time(fields: list[Guess], sample: Sample) -> tuple[list[Guess], Chosen]:
    instants = [field for field in fields if field.kind == "timestamp" and not field.nullable]
    if not instants:
        fields, instants = _nearly_always(fields, sample)
    if instants:
        best = min(instants, key=lambda f: (_rank(f, _TIME), fields.index(f)))
        known, others = _rank(best, _TIME) < len(_TIME), [f.name for f in instants if f is not best]
        seldom = any("a time is never null" in note for note in best.notes)
        why = "an instant in most records" if seldom else "an instant in every record"
        if others:
            why += f"; others are {', '.join(others)}: which says when it happened?"
        elif not known:
            why += "; does it say when the event happened?"
        return fields, Chosen(best.name, why, sure=known and not others)
    name = _free("event_time", fields)
    local = [field.name for field in fields if field.local_time]
    why = (
        "no field of the sample is an instant with a time zone that is never null; the producer must send "
        "one, for NO RECORD HAS THIS ONE, and until one does each record is a dead letter"
    )
    if local:
        why += f" ({', '.join(local)} has no offset)"
    avro = {"type": "long", "logicalType": "timestamp-millis"}
    made = Guess(name, avro, "timestamp", False, f"DECIDE: {why}", notes=(why,))
    return [*fields, made], Chosen(name, why, sure=False)


def _nearly_always(fields: list[Guess], sample: Sample) -> tuple[list[Guess], list[Guess]]:
    """Return the fields, with an instant that is seldom null made one that never is; and that one."""
    found = [
        (_rank(field, _TIME), missing, number)
        for number, field in enumerate(fields)
        for missing in [sum(record.values.get(field.name) is None for record in sample.records)]
        if field.kind == "timestamp" and missing * SELDOM <= len(sample.records)
    ]
    if not found:
        return fields, []
    _, missing, number = min(found)
    told = f"null or missing in {counted(missing, 'record')}, each of which would be a dead letter"
    note = f"{told if missing else 'the source does not say that it is never null'}; a time is never null"
    best = replace(fields[number], nullable=False, notes=(*fields[number].notes, note))
    return [*fields[:number], best, *fields[number + 1 :]], [best]


def _key(fields: Sequence[Guess], identity: str, sample: Sample) -> Chosen:
    keyed = [record for record in sample.records if record.key is not None]
    for field in fields:
        if keyed and all(record.values.get(field.name) == record.key for record in keyed):
            told = counted(len(keyed), "keyed record")
            return Chosen(field.name, f"equals the record's key in {'each of ' * (len(keyed) > 1)}{told}")
    # Each id must have one key, so that its records keep their order: the things that events are about.
    things = [
        field
        for field in fields
        if field.kind == "string"
        and not field.nullable
        and not field.symbols
        and field.name != identity
        and re.search(r"(^|_)(id|key|code|number|no)$", snake(field.name))
        and 1 < field.repeats < max(2, len(sample.records) / 4)
        and _one_key_an_id(sample, identity, field.name)
    ]
    if things:
        best = max(things, key=lambda field: field.distinct)
        why = f"{best.distinct} values, {best.repeats:.1f} records each; is it what must keep its order?"
        return Chosen(best.name, why, sure=False)
    return Chosen(
        identity, "no field stands for what must keep its order; so each event is alone", sure=False
    )


def _one_key_an_id(sample: Sample, identity: str, field: str) -> bool:
    keys: dict[Any, Any] = {}
    return all(
        keys.setdefault(record.values.get(identity), record.values.get(field)) == record.values.get(field)
        for record in sample.records
        if record.values.get(identity) is not None
    )


def _rank(field: Guess, names: Sequence[str]) -> int:
    name = snake(field.name)
    return names.index(name) if name in names else len(names)


def _segments(fields: Sequence[Guess], sample: Sample) -> list[Guess]:
    few = [
        field
        for field in fields
        if field.kind in ("string", "boolean")
        and not field.nullable
        and not field.personal
        and not field.unique
        and 2 <= field.distinct <= FEW
        and field.repeats >= min(5, max(2, len(sample.records) / 4))
    ]
    return sorted(few, key=lambda field: (not field.symbols, field.distinct))


def _sums(fields: Sequence[Guess]) -> list[Guess]:
    numbers = [
        field
        for field in fields
        if (field.kind in ("int", "long", "double") or field.kind.startswith("decimal"))
        and not field.personal
        and not re.search(
            r"(^|_)(id|no|number|code|version|revision|year|month|seq|sequence|zip)$", snake(field.name)
        )
    ]
    return sorted(numbers, key=lambda field: not field.kind.startswith("decimal"))


def _moments(sample: Sample, time: Guess) -> list[datetime]:
    arrived = [record.arrived_at for record in sample.records if record.arrived_at is not None]
    if arrived:
        return arrived
    found = [instant_of(record.values.get(time.name), time.avro) for record in sample.records]
    return [moment for moment in found if moment is not None]


def _traffic(sample: Sample, moments: Sequence[datetime]) -> Measured:
    sizes = [record.size for record in sample.records if record.size]
    mean = max(1, round(sum(sizes) / len(sizes))) if sizes else 500
    span = (max(moments) - min(moments)).total_seconds() if moments else 0
    if len(moments) < 2 or span <= 0:
        why = "the sample does not say how fast records come; measure the busiest minute, or ask"
        return Measured(100, mean, why, sure=False)
    busiest = max(Counter(int(moment.timestamp()) for moment in moments).values())
    clock = "arrival" if any(record.arrived_at for record in sample.records) else "event time"
    first, last = (zulu(moment, "seconds") for moment in (min(moments), max(moments)))
    why = (
        f"by {clock}, {len(moments)} records from {first} to {last}: "
        f"mean {len(moments) / span:.3g}/s, busiest second {busiest}; is that the busiest time of the year?"
    )
    return Measured(busiest, mean, why, sure=False)


def _topic(name: str, sample: Sample) -> Chosen:
    seen = sample.topic
    if seen is not None and TOPIC.fullmatch(seen):
        return Chosen(seen, "the topic that was sampled")
    data_type = re.sub(r"[^a-z0-9]+", "-", (seen or name).lower()).strip("-") or "events"
    made = f"raw-{data_type}"
    if seen is None:
        return Chosen(made, "no topic was sampled; this one would be created", sure=False)
    return Chosen(made, f"{seen} is not called <layer>-<data type>; this one would be created", sure=False)


def _free(name: str, fields: Sequence[Guess]) -> str:
    taken, found = {field.name.lower() for field in fields}, name
    while found in taken or found in RESERVED_FIELDS:
        found += "_of_event"
    return found
