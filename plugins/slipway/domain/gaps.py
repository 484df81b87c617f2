"""Offsets below a cut that bronze lacks: not there yet, proven empty, or lost to the topic's retention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Neighbouring offsets of one partition that bronze lacks, first and through among them."""

    partition: int
    first: int
    through: int

    @property
    def offsets(self) -> int:
        return self.through - self.first + 1


@dataclass(frozen=True, slots=True)
class Held:
    """What bronze holds below the ends of a cut, by partition.

    lacking: offsets that it lacks, from the first one that counts (`base`: bronze holds it, or the topic
    still has it). settled: those of them below the offset that the look was given. gaps: the others,
    ascending; where `more` is set there are further ones behind the last. newest: largest offset that bronze
    holds at all, above the cut too. last_arrival: largest arrival below the cut, UTC.
    """

    base: Mapping[int, int]
    lacking: Mapping[int, int]
    settled: Mapping[int, int]
    newest: Mapping[int, int]
    last_arrival: Mapping[int, datetime]
    gaps: Sequence[Gap]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Lacking offsets of one partition under one head: `offsets` of them lie from first to through.

    before: an instant before which all of them had arrived, UTC; None while no night has recorded them.
    """

    partition: int
    first: int
    through: int
    offsets: int
    before: datetime | None = None

    @staticmethod
    def of(gap: Gap) -> Run:
        return Run(gap.partition, gap.first, gap.through, gap.offsets)

    def and_(self, other: Run | None) -> Run:
        """Return both as one."""
        if other is None:
            return self
        known = self.before is not None and other.before is not None
        return Run(
            self.partition,
            min(self.first, other.first),
            max(self.through, other.through),
            self.offsets + other.offsets,
            max(self.before, other.before) if known else None,  # type: ignore[type-var]
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """What is known of one partition's gaps below an offset: each of them is empty, or lost for good.

    Kafka never fills an offset later, so what was proven once stays proven.
    """

    below: int
    empty: Run | None = None
    expired: Run | None = None

    @property
    def offsets(self) -> int:
        return sum(run.offsets for run in (self.empty, self.expired) if run)

    def agrees(self, base: int, lacking: int) -> bool:
        """Say whether bronze still lacks just these offsets; base: the first offset that counts now."""
        firsts = [run.first for run in (self.empty, self.expired) if run]
        if firsts and base > min(firsts):
            return lacking <= self.offsets
        return lacking == self.offsets


@dataclass(frozen=True, slots=True)
class Gaps:
    """What became of every offset that bronze lacks.

    empty: markers and aborted records, as a reader of committed records has proven. expired: removed by the
    topic's retention before bronze had them; they can't arrive any more. absent: all others, by partition.
    settled: for the next look.
    """

    empty: tuple[Run, ...] = ()
    expired: tuple[Run, ...] = ()
    absent: Mapping[int, int] = field(default_factory=dict)
    settled: Mapping[int, Settled] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(
            f"{records} of partition {partition} are not in bronze"
            for partition, records in sorted(self.absent.items())
        )


class Settling:
    """Sorts gaps, given in ascending order, under their heads."""

    def __init__(self, known: Mapping[int, Settled]) -> None:
        self._settled = dict(known)
        self._empty = {p: s.empty for p, s in known.items() if s.empty}
        self._expired = {p: s.expired for p, s in known.items() if s.expired}
        self._absent: dict[int, int] = {}

    def add(self, gap: Gap, *, empty: bool = False, expired: bool = False) -> None:
        """Put a gap under a head; one that is neither empty nor expired is absent."""
        partition = gap.partition
        if not empty and not expired:
            self._absent[partition] = self._absent.get(partition, 0) + gap.offsets
            self._settled.setdefault(partition, Settled(gap.first))
            return
        runs = self._empty if empty else self._expired
        runs[partition] = Run.of(gap).and_(runs.get(partition))
        if partition not in self._absent:
            known = self._settled.get(partition, Settled(0))
            self._settled[partition] = replace(
                known,
                below=gap.through + 1,
                **{"empty" if empty else "expired": runs[partition]},
            )

    def result(self) -> Gaps:
        return Gaps(
            empty=tuple(run for _, run in sorted(self._empty.items())),
            expired=tuple(run for _, run in sorted(self._expired.items())),
            absent=dict(sorted(self._absent.items())),
            settled=self._settled,
        )


def told(runs: Sequence[Run]) -> str:
    """Return lost offsets as words."""
    return "; ".join(
        f"{run.offsets} of partition {run.partition} (offsets {run.first} to {run.through})" for run in runs
    )
