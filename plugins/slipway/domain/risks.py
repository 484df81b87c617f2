"""What a contract leaves open: each risk with what may happen and the key that closes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from slipway.domain import derive
from slipway.domain.closing import closing_days
from slipway.domain.contract import Migration
from slipway.domain.looking_back import enough_days, enough_for, fewest_days
from slipway.domain.spans import spoken_span
from slipway.domain.tree import columns
from slipway.domain.window import kind_of_day

WEEK = 7


@dataclass(frozen=True, slots=True)
class Risk:
    """Something that the contract does not rule out. closed_by: what a person can do; may be to accept it."""

    about: str
    what: str
    closed_by: str


def risks(migration: Migration, brokers: int | None = None) -> tuple[Risk, ...]:
    """Return the risks of a contract. brokers: of the cluster; None when it was not asked."""
    return (
        *_times(migration),
        *_identity(migration),
        *_numbers(migration),
        *_keeping(migration),
        *_looking_back(migration),
        *_people(migration),
        *_cluster(brokers),
    )


def _times(migration: Migration) -> Iterator[Risk]:
    events, parity = migration.contract.events, migration.contract.parity
    if events.arrival == "producer":
        yield Risk(
            "events.arrival",
            "producers set the arrival: a wrong clock makes events late or early, and no record ages",
            "arrival: broker for a live feed; else a connection that only the replayer has",
        )
    if not parity.accept_late:
        yield Risk(
            "parity.accept_late",
            "a record that arrives a moment after its period's end is late for good",
            "an accept_late as long as the feed's usual delay",
        )
    known = max(parity.lateness_classes, default=timedelta(0))
    if known > parity.accept_late:
        yield Risk(
            "parity.accept_late",
            f"delays up to {spoken_span(known)} are expected (lateness_classes), but those above "
            f"{spoken_span(parity.accept_late)} do not enter the KPI by themselves",
            "a longer accept_late, or amendments",
        )
    if events.ahead_at_most > timedelta(days=1):
        yield Risk(
            "events.ahead_at_most",
            f"an event may claim a time {spoken_span(events.ahead_at_most)} ahead, and fill a future period",
            "a shorter ahead_at_most, or accept it for events that announce something",
        )


def _identity(migration: Migration) -> Iterator[Risk]:
    events = migration.contract.events
    if events.id not in events.key:
        yield Risk(
            "events.key",
            f"that all records of one {events.id} carry the same {', '.join(events.key)} is taken for "
            "granted; where they do not, their order is lost",
            "check a sample (`slipway explain --sample-...`), or make the id the key",
        )
    if events.keep == "latest":
        yield Risk(
            "events.version",
            f"two records with one {events.id} and one {events.version}: the first to be processed wins",
            "a version that grows with every change",
        )
    if events.format == "json":
        yield Risk(
            "events.format",
            "nothing keeps a producer from sending a record that does not fit; it is refused when it is read",
            "slipway.producer, or format: avro",
        )


def _numbers(migration: Migration) -> Iterator[Risk]:
    for name, kpi in migration.kpis.items():
        for part in kpi.grain:
            if part.source.nullable:
                yield Risk(
                    f"kpis.{name}.grain.{part.name}",
                    "it may be null, and such events make a row of their own with a null key",
                    "make the field required; or see that the batch model keeps such rows, with the key null",
                )
        for measure in kpi.measures:
            here = f"kpis.{name}.measures.{measure.name}"
            used = {
                column.name
                for node in (measure.argument, measure.where)
                if node is not None
                for column in columns(node)
            }
            looked_up = sorted({column.partition("__")[0] for column in used if "__" in column})
            if looked_up:
                yield Risk(
                    here,
                    f"{', '.join(looked_up)} is looked up once, when the event is read: a later change "
                    "is not followed, and what is absent then stays null",
                    "load dimensions before their events; differences show as `dimension` in the report",
                )
            if not measure.tolerance.exact:
                yield Risk(here, "a difference within the tolerance passes", "no tolerance: exact")
            if measure.type == "double" or (measure.argument and measure.argument.type == "double"):
                yield Risk(
                    here,
                    "binary fractions: sums are taken with six decimals, averages are compared as they are",
                    "a decimal field for money and quantities",
                )
            if measure.function == "count_distinct":
                yield Risk(
                    here,
                    "it does not add up over rows, and the job keeps every value of every row for ever",
                    "accept it, or count something coarser",
                )


def _keeping(migration: Migration) -> Iterator[Risk]:
    contract = migration.contract
    kept, needed = contract.retention, derive.raw_needed(migration)
    if contract.events.arrival == "broker" and kept.raw is not None and kept.raw < needed:
        yield Risk(
            "retention.raw",
            f"the topic keeps {spoken_span(kept.raw)}, but a replay after a long outage needs "
            f"{spoken_span(needed)}",
            "leave it out, and it is derived",
        )
    looked_at = contract.parity.reconcile_back + contract.parity.accept_late
    if kept.bronze < looked_at:
        yield Risk(
            "retention.bronze",
            f"days are compared for {spoken_span(looked_at)}, but bronze keeps {spoken_span(kept.bronze)}: "
            "records of the older ones can't be counted",
            "a longer retention.bronze, or a shorter reconcile_back",
        )
    if kept.silver < kept.bronze:
        yield Risk("retention.silver", "gone before bronze: days can't be recomputed", "keep it longer")
    if any(field.pii for field in migration.event_fields):
        fields = ", ".join(field.name for field in migration.event_fields if field.pii)
        yield Risk(
            "schema",
            f"{fields} (pii) is masked where it is shown, but lies in topic, bronze and silver as it came",
            "short retentions, access by role; or leave it out of the event",
        )


def _looking_back(migration: Migration) -> Iterator[Risk]:
    parity, observe = migration.contract.parity, migration.contract.gates.observe
    back, enough = parity.reconcile_back.days, enough_days(migration)
    seen = spoken_span(parity.reconcile_back)
    for name, kpi in migration.kpis.items():
        if back < enough_for(kpi.time):
            yield Risk(
                "parity.reconcile_back",
                f"{name} is by {kpi.time.function}, and a row that closed is looked at for {seen} only: on "
                "the other nights none of its rows is compared, and nothing is proven of it",
                f"reconcile_back: {enough_for(kpi.time)}d",
            )
    days = f"{observe.closed_days} closed days in a row" if observe.closed_days > 1 else "a closed day"
    if back < fewest_days(migration):
        yield Risk(
            "gates.observe",
            f"a night looks back {seen}, which never holds {days} with which rows close: the gate stays "
            "closed",
            f"parity.reconcile_back: {enough}d, or fewer closed_days",
        )
    elif back < enough:
        among = "".join(f", {kind_of_day(kind)} among them" for kind in observe.including)
        yield Risk(
            "gates.observe",
            f"a night looks back {seen}, which holds {days} with which rows close{among} on some nights "
            "only: on the others the gate is closed",
            f"parity.reconcile_back: {enough}d",
        )
    grains = {kpi.time.function for kpi in migration.kpis.values()}
    if grains == {"week"} and "month_end" in observe.including:
        yield Risk(
            "gates.observe.including",
            "all rows are by week and close on a Sunday, which is seldom the end of a month: the gate "
            "waits for one that is",
            "leave month_end out",
        )
    if grains <= {"week", "month"} and "weekly_cycle" in observe.including:
        yield Risk(
            "gates.observe.including",
            "no row closes on most days of the week, so the gate waits for every one of them in vain",
            "leave weekly_cycle out; a row by week holds all of them",
        )
    for day in (kind for kind in observe.including if isinstance(kind, date)):
        yield from _named_day(migration, day)


def _named_day(migration: Migration, day: date) -> Iterator[Risk]:
    parity, here = migration.contract.parity, "gates.observe.including"
    if not any(closing_days(migration, kpi, day, day) for kpi in migration.kpis.values()):
        yield Risk(
            here,
            f"no row that is compared closes on {kind_of_day(day)}: the gate stays closed",
            "a day with which a row closes, after parity.from; or leave it out",
        )
    else:
        yield Risk(
            here,
            f"a night looks back {spoken_span(parity.reconcile_back)}: once {kind_of_day(day)} lies further "
            "back, the gate closes for good",
            "switch in that time, or a longer parity.reconcile_back",
        )


def _people(migration: Migration) -> Iterator[Risk]:
    contract = migration.contract
    observe, coarse = (
        contract.gates.observe,
        [name for name, kpi in migration.kpis.items() if kpi.time.function == "month"],
    )
    if observe.closed_days < WEEK:
        yield Risk(
            "gates.observe.closed_days",
            f"{observe.closed_days} days may hold no weekend, when traffic is another",
            "7 or more",
        )
    if "month_end" not in observe.including:
        more = f"; {', '.join(coarse)} is by month" if coarse else ""
        yield Risk("gates.observe.including", f"no month end need be seen{more}", "including: [month_end]")
    if not contract.cutover.canary:
        yield Risk("cutover.canary", "all readers move at once", "a canary of one segment")
    several = sorted(
        {
            user
            for role in contract.gates.sign_offs
            for user in contract.owners[role]
            if sum(user in contract.owners[other] for other in contract.gates.sign_offs) > 1
        }
    )
    if several:
        yield Risk(
            "owners",
            f"{', '.join(several)} holds several of the roles that sign; one person counts for one of them",
            "different people",
        )
    if contract.escalation is None:
        yield Risk(
            "escalation", "nobody is told when nobody answers", "escalation: {after: 30m, to: on_call}"
        )


def _cluster(brokers: int | None) -> Iterator[Risk]:
    if brokers is not None and brokers < 3:
        what = (
            "1 broker holds the only copy: with it down, no record can be written or read; with its disk "
            "lost, acknowledged records are"
            if brokers == 1
            else f"{brokers} brokers: with one down, the other acknowledges records alone "
            "(min.insync.replicas 1), and they are lost if it fails before the first has caught up"
        )
        yield Risk("Kafka cluster", what, "three brokers or more")
