"""Everything that follows from a contract, as data; how it is printed is the command line's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from slipway.domain import derive, promises, sizing, times
from slipway.domain.contract import Migration
from slipway.domain.promises import Guarantee, Promise
from slipway.domain.risks import Risk, risks
from slipway.domain.sizing import Figure
from slipway.domain.skew import KeySample, Skew, skew
from slipway.domain.spans import spoken_span
from slipway.domain.times import KindOfTime
from slipway.errors import Permanent

ASSUMED_BROKERS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A derived value. inputs: what went into it, by name."""

    name: str
    value: str
    rule: str
    inputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Explained:
    """What `slipway explain` tells. assumptions: what was taken for granted because nobody was asked."""

    migration: str
    assumptions: tuple[str, ...]
    derived: tuple[Line, ...]
    kinds_of_time: tuple[KindOfTime, ...]
    guarantees: tuple[Guarantee, ...]
    promises: tuple[Promise, ...]
    partitions: tuple[Figure, ...]
    state: tuple[Figure, ...]
    skew: Skew | None
    risks: tuple[Risk, ...]


def explain(
    migration: Migration,
    *,
    brokers: int | None = None,
    keys_per_day: int | None = None,
    sample: KeySample | None = None,
    partitions: int | None = None,
) -> Explained:
    """Derive everything. brokers, partitions: of the real cluster and topic; None takes an assumption.

    keys_per_day: new ids a day; None takes the peak all day as an upper bound.
    """
    if sample is not None and not sample.records:
        raise Permanent(
            f"the sample {sample.source} has no record with a key and says nothing about keys; take another"
        )
    known = brokers or ASSUMED_BROKERS
    assumptions = []
    if brokers is None:
        assumptions.append(f"the cluster has {ASSUMED_BROKERS} brokers; --cluster asks it")
    if keys_per_day is None and sample is not None:
        traffic = migration.contract.events.traffic
        share, told = _new_ids(migration, sample)
        peak_of_a_year = traffic.peak_per_second * traffic.yearly_growth
        keys_per_day = max(round(peak_of_a_year * sizing.SECONDS_A_DAY * share), 1)
        assumptions.append(f"every second of the day is a peak, a year from now, and {told}")
    elif keys_per_day is None:
        assumptions.append("every second of the day is a peak, a year from now; --keys-per-day tells better")
    made = partitions or int(str(derive.partitions(migration).value))
    key = migration.contract.events.key
    pii = {field.name for field in migration.event_fields if field.pii}
    return Explained(
        migration=migration.name,
        assumptions=tuple(assumptions),
        derived=tuple(
            Line(name, _told(found.value), found.rule, found.inputs)
            for name, found in derive.explain(migration, known).items()
        ),
        kinds_of_time=times.kinds_of_time(migration),
        guarantees=promises.guarantees(migration),
        promises=promises.promises(migration),
        partitions=sizing.partition_sheet(migration, known),
        state=sizing.state_sheet(migration, keys_per_day),
        skew=skew(
            sample,
            made,
            key,
            masked=sample.foreign or not pii.isdisjoint(key),
            by_id=key == (migration.contract.events.id,),
        )
        if sample
        else None,
        risks=risks(migration, brokers),
    )


def _new_ids(migration: Migration, sample: KeySample) -> tuple[float, str]:
    """Return the share of records that bring a new id, and where it is from."""
    events = migration.contract.events
    if sample.new_ids is not None:
        return sample.new_ids, (
            f"{sample.new_ids:.0%} of the records bring a new id, as in the sample: {sample.ids:,} ids in "
            f"{sample.identified:,} records"
        )
    if events.key == (events.id,) and not sample.foreign:
        return sample.new_keys, f"{sample.new_keys:.0%} of the records bring a new id, which is the key"
    return 1.0, "every record brings a new id, for the sample shows keys and no ids"


def _told(value: int | str | timedelta) -> str:
    if isinstance(value, timedelta):
        return spoken_span(value) if value else "for ever"
    return str(value)
