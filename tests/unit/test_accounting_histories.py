"""Random histories with several faults at once: nothing is lost, and nobody is blamed for another's."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.adapters.evidence_files import EvidenceFiles
from slipway.domain.accounting import Compared, ComparedKpi, compared_columns
from slipway.domain.contract import Migration
from slipway.domain.evidence import Cause
from tests.fakes.two_sides import TOLLED, Kpi, Trip, TwoSides, migration

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)
CLOSED, OPEN = 8, 8
"""Eight days are closed, Sunday 1 March to Sunday 8 March; the ninth, of index 8, is open."""

POOL: Mapping[str, Mapping[str, Any]] = {
    "trips": {"count": "*"},
    "short": {"count": "*", "where": "fare < 500"},
    "fares": {"sum": "fare", "tolerance": {"relative": 0.01}},
    "tolls": {"sum": "toll"},
    "distance": {"sum": "miles"},
    "weights": {"sum": "cabs.weight"},
    "riders": {"count_distinct": "rider"},
    "first": {"min": "started"},
    "last": {"max": "started"},
    "dearest": {"max": "fare"},
    "cheapest": {"min": "toll"},
    "mean_miles": {"avg": "miles"},
    "mean_toll": {"avg": "toll"},
}
MISSING = (Cause.LATE, Cause.REJECTED, Cause.LOST_IN_STREAM, Cause.NOT_ARRIVED)
SURPLUS = (Cause.NOT_IN_BATCH, Cause.AFTER_BATCH_CUT)
CHANGED = (Cause.TIME_BUCKET, Cause.VALUE, Cause.DIMENSION)
COPIED = (Cause.DUPLICATE_IN_BATCH, Cause.DUPLICATE_IN_STREAM)


@dataclass(frozen=True)
class Event:
    """A trip as it truly was, and what happened to it. far: it moves to another day, not by minutes."""

    trip: Trip
    faults: frozenset[Cause]
    far: bool
    revised: bool

    def changed(self, day: int) -> Trip:
        """Return what the stream has of it."""
        found = self.trip
        if Cause.TIME_BUCKET in self.faults:
            step = timedelta(days=1 if day < 4 else -1) if self.far else timedelta(minutes=1)
            found = found.but(started=found.started + step)
        if Cause.VALUE in self.faults:
            found = found.but(fare=(found.fare or 0) + 7, zone="X" if self.far else found.zone)
        if Cause.DIMENSION in self.faults:
            found = found.but(cabs__weight=(found.cabs__weight or 0) + 1)
        return found

    def seen_by(self, columns: set[str]) -> set[Cause]:
        """Return the faults that change a KPI which reads these columns."""
        reads = {
            Cause.VALUE: {"fare", "zone"} if self.far else {"fare"},
            Cause.DIMENSION: {"cabs__weight"},
        }
        return {fault for fault in self.faults if reads.get(fault, columns) & columns}


def possible(drawn: set[Cause]) -> frozenset[Cause]:
    """Return those of the drawn faults that one event can have together."""
    fate = next((fault for fault in (*MISSING, *SURPLUS) if fault in drawn), None)
    faults = {fault for fault in drawn if fault not in (*MISSING, *SURPLUS)}
    if fate is not None:
        faults -= {*CHANGED, Cause.DUPLICATE_IN_STREAM if fate in MISSING else Cause.DUPLICATE_IN_BATCH}
        faults.add(fate)
    return frozenset(faults)


kpis = st.builds(
    Kpi,
    st.sampled_from(["day(started)", "hour(started)", "week(started)", "month(started)"]),
    st.sets(st.sampled_from(sorted(POOL)), min_size=1, max_size=4).map(
        lambda names: {name: POOL[name] for name in sorted(names)}
    ),
    st.sampled_from([("zone",), ("rider",), ("zone", "kind")]),
)
events = st.lists(
    st.tuples(
        st.sets(st.sampled_from([*MISSING, *SURPLUS, *CHANGED, *COPIED]), max_size=3).map(possible),
        st.integers(0, 7),
        st.sampled_from(["N", "S", None]),
        st.one_of(st.none(), st.integers(0, 1000)),
        st.one_of(st.none(), st.just(0.0), st.floats(-99, 99)),
        st.one_of(st.none(), st.integers(-999, 999)),
        st.integers(0, 2),
        st.booleans(),
        st.booleans(),
    ),
    max_size=10,
)


def put(sides: TwoSides, event: Event, day: int) -> None:
    """Bring one event to both sides."""
    truth, faults = event.trip, event.faults
    if not faults & {*SURPLUS}:
        sides.batch += [truth] * (2 if Cause.DUPLICATE_IN_BATCH in faults else 1)
    if event.revised:
        sides.accept(truth.but(version=1, fare=1, started=NOON))
    if Cause.LATE in faults:
        sides.come_late(truth)
    elif Cause.REJECTED in faults:
        # Every other bad value still yields its id; the rest are known by their key only.
        named = len(sides.rejected) % 2
        sides.reject(truth.rider, truth.trip_id if named else None, truth.version if named else None)
    elif Cause.LOST_IN_STREAM in faults:
        sides.arrive(truth.trip_id, version=truth.version)
    elif Cause.NOT_ARRIVED not in faults:
        at = sides.question_batch_through() if Cause.AFTER_BATCH_CUT in faults else None
        for _ in range(2 if Cause.DUPLICATE_IN_STREAM in faults else 1):
            sides.accept(event.changed(day), at)


def compared(sides: TwoSides) -> Compared:
    return sides.comparison().compare(
        sides.migration, sides.question(), EvidenceFiles(sides.folder / "store")
    )


def named_by(kpi: ComparedKpi) -> Mapping[str, set[Cause]]:
    named: dict[str, set[Cause]] = defaultdict(set)
    for example in kpi.examples:
        for identity in example.ids:
            named[identity].add(example.cause)
    return named


def sums(kpi: ComparedKpi) -> None:
    """The causes sum to the difference: in each listed cell, and over the cells of each day."""
    assert kpi.broken == 0
    assert kpi.differing == len({tuple(d.cell.items()) for d in kpi.listed})
    for one in kpi.listed:
        assert one.remainder == 0
        assert one.shares, one
        assert sum(Decimal(share or 0) for share in one.shares.values()) == (one.batch or 0) - (
            one.stream or 0
        )
    shares: dict[tuple[Any, str], Decimal] = defaultdict(Decimal)
    for cause in kpi.causes:
        shares[cause.day, cause.measure] += Decimal(cause.net or 0)
    for total in kpi.days:
        assert shares[total.day, total.measure] == (total.batch or 0) - (total.stream or 0)


def columns_of(m: Migration, kpi: str) -> set[str]:
    return {*compared_columns(m, m.kpis[kpi])}


def day_column(m: Migration, kpi: str) -> str:
    return str(m.kpis[kpi].time.function)


@given(
    st.lists(kpis, min_size=1, max_size=2),
    events,
    st.sampled_from(["first", "latest"]),
    st.sampled_from([None, "batch", "stream"]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25)
def test_every_fault_is_named_or_found_hidden_and_nothing_else_is(
    several: list[Kpi], drawn: list[tuple[Any, ...]], keep: str, liar: str | None, random: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        named_kpis = {f"kpi_{n}": kpi for n, kpi in enumerate(several)}
        m = migration(keep=keep, schema=TOLLED, kpis=dict(named_kpis))
        sides = TwoSides(Path(folder), m, days=CLOSED + 1, closed=CLOSED)
        happened: dict[str, tuple[Event, int]] = {}
        for n, (faults, closed_day, zone, fare, miles, toll, rider, far, revised) in enumerate(drawn):
            day = OPEN if Cause.AFTER_BATCH_CUT in faults else closed_day
            # Powers of two: no two sets of trips weigh the same, and a changed weight is less than any.
            one = Trip(
                f"t{n}",
                # A rejected record without an id is known by its key: one that no other event has.
                f"only{n}" if Cause.REJECTED in faults else f"r{rider}",
                "A",
                NOON + timedelta(days=day, minutes=n),
                zone,
                fare,
                miles,
                2 ** (n + 5),
                2,
                None if toll is None else Decimal(toll).scaleb(-2),
            )
            older = revised and keep == "latest" and not faults & {*MISSING, *SURPLUS}
            happened[one.trip_id] = Event(one, faults, far, older), day
        order = list(happened.values())
        random.shuffle(order)
        for event, day in order:
            put(sides, event, day)
        lie = None
        if liar:
            lie = sorted(m.kpis)[0], sorted(measure.name for measure in m.kpis["kpi_0"].measures)[0]
            sides.rows_of = {(liar, lie[0]): wrong(m, *lie)}

        found = compared(sides)

    hidden = {identity for one in found.hidden for identity in one.ids}
    told: dict[str, set[Cause]] = defaultdict(set)
    for name, kpi in found.kpis.items():
        sums(kpi)
        named = named_by(kpi)
        for identity, causes in named.items():
            told[identity] |= causes
            event, _ = happened[identity]
            assert causes <= event.seen_by(columns_of(m, name))
        exact = {"weights"} & {measure.name for measure in m.kpis[name].measures}
        for identity, (event, day) in happened.items():
            strong = event.faults & {*MISSING, *SURPLUS, *COPIED, Cause.DIMENSION}
            if exact and strong and (day > 0 or day_column(m, name) != "week"):
                assert named[identity] == event.seen_by(columns_of(m, name))
        blamed = {cause.measure for cause in kpi.causes if cause.cause in (Cause.DEFINITION, Cause.ENGINE)}
        assert blamed <= ({lie[1]} if lie and lie[0] == name else set())
        lied = {cause.cause for cause in kpi.causes} & {Cause.DEFINITION, Cause.ENGINE}
        assert lied <= ({Cause.DEFINITION} if liar == "batch" else {Cause.ENGINE})
    visible = set().union(*(columns_of(m, name) for name in m.kpis))
    for identity, (event, day) in happened.items():
        if event.seen_by(visible) and day < CLOSED:
            assert told[identity] or identity in hidden, (identity, event)
        if not event.seen_by(visible):
            assert identity not in hidden
    if not lie and not any(event.seen_by(visible) for event, _ in happened.values()):
        assert found.hidden == ()
        assert all(kpi.differing == 0 for kpi in found.kpis.values())


def wrong(m: Migration, kpi: str, measure: str) -> str:
    """Return rows in which one measure is not the fold of its events: another value, or one for nothing."""
    kind = m.kpis[kpi].measure(measure).type
    other = {
        "timestamp": f"{measure} + INTERVAL 1 HOUR",
        "double": f"coalesce({measure}, 0)",
        "long": f"{measure} + 3",
    }.get(kind, f"coalesce({measure} + 1, 0)")
    return f"SELECT * REPLACE ({other} AS {measure}) FROM folded"
