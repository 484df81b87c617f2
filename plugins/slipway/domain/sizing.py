"""How large things get: partitions, storage, state and checkpoints, each figure with how it was reckoned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from slipway.domain import derive
from slipway.domain.contract import Migration
from slipway.domain.spans import spoken_span

if TYPE_CHECKING:  # brings sqlglot, which the parsing of DAGs does without
    from slipway.domain.grain import GrainColumn
    from slipway.domain.measures import CompiledKpi

BYTES_PER_ID = 150
"""State that deduplication keeps for one id: its text, the row's envelope, the index (an assumption)."""

RESTORE_BYTES_PER_SECOND = 100_000_000
"""How fast state comes back from disk (an assumption; a network disk may be slower)."""

BYTES_PER_CELL = 100
"""State of one measure of one row, its share of the key and the index among it (an assumption)."""

SECONDS_A_DAY = 86_400
_PERIODS_A_DAY = {"minute": 1440, "hour": 24, "day": 1, "week": 1 / 7, "month": 12 / 365}
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a worksheet. how: the reckoning, with its inputs. bytes: the value, where it is a size."""

    name: str
    value: str
    how: str
    bytes: int | None = None


def partition_sheet(migration: Migration, brokers: int) -> tuple[Figure, ...]:
    """Return the worksheet behind the number of partitions, and what the topic takes on disk."""
    traffic = migration.contract.events.traffic
    planned = traffic.peak_per_second * traffic.yearly_growth
    partitions = derive.partition_count(traffic.peak_per_second, traffic.yearly_growth)
    replicas = int(str(derive.replication(brokers).value))
    retention = int(str(derive.raw_retention(migration).value))
    a_day = planned * traffic.mean_bytes * SECONDS_A_DAY * replicas
    days = retention / (DAY / timedelta(milliseconds=1))
    kept = (
        Figure(
            "storage of the topic",
            f"at most {size(a_day)} a day, for ever",
            "peak all day x replicas",
            round(a_day),
        )
        if retention == -1
        else Figure(
            "storage of the topic",
            f"at most {size(a_day * days)}",
            f"peak all day x {days:g} d of retention x {replicas} replicas",
            round(a_day * days),
        )
    )
    return (
        Figure("peak now", f"{traffic.peak_per_second:,}/s", "events.traffic.peak_per_second"),
        Figure("peak in a year", f"{planned:,.0f}/s", f"x yearly growth {traffic.yearly_growth:g}"),
        Figure(
            "bytes at that peak",
            f"{size(planned * traffic.mean_bytes)}/s",
            f"x mean_bytes {traffic.mean_bytes}, without keys and headers",
            round(planned * traffic.mean_bytes),
        ),
        Figure(
            "partitions for the rate",
            f"{planned / derive.PER_PARTITION_RATE:.2f}",
            f"one is planned for {derive.PER_PARTITION_RATE:,}/s, a quarter of what one subtask did",
        ),
        Figure("partitions for the jobs", str(derive.PARALLELISM), "each subtask reads at least one"),
        Figure("partitions", str(partitions), "the larger of both, rounded up to a power of two"),
        Figure(
            "room above the peak in a year",
            f"{partitions * derive.PER_PARTITION_RATE / planned:.1f} x",
            "partitions x rate of one partition / peak in a year",
        ),
        kept,
    )


def state_sheet(migration: Migration, keys_per_day: int | None) -> tuple[Figure, ...]:
    """Return how large state and checkpoints get.

    keys_per_day: new ids a day; None: the peak of a year from now, all day.
    """
    traffic = migration.contract.events.traffic
    planned = traffic.peak_per_second * traffic.yearly_growth
    a_day = keys_per_day or round(planned * SECONDS_A_DAY)
    source = (
        "given, or from the sample"
        if keys_per_day
        else "assumed: the peak in a year, all day, an upper bound"
    )
    ttl = derive.state_ttl(migration).value
    interval = derive.checkpoint_interval().value
    spans = [span if isinstance(span, timedelta) else timedelta(0) for span in (ttl, interval)]
    state = a_day * (spans[0] / DAY if spans[0] else 365) * BYTES_PER_ID
    kept = f"kept for {spoken_span(spans[0])}" if spans[0] else "kept for ever; after a year"
    changed = a_day / SECONDS_A_DAY * spans[1].total_seconds() * BYTES_PER_ID
    peak = min(planned, a_day) * spans[1].total_seconds() * BYTES_PER_ID
    return (
        Figure("new ids a day", f"{a_day:,}", source),
        Figure(
            "state of the deduplication",
            size(state),
            f"{kept}, {BYTES_PER_ID} B an id (assumed)",
            round(state),
        ),
        *_aggregates(migration),
        Figure(
            "checkpoint, incremental",
            f"{size(changed)} on average, {size(peak)} at the peak",
            f"what changed in {spoken_span(spans[1])}",
            round(changed),
        ),
        Figure(
            "time to restore",
            f"{state / RESTORE_BYTES_PER_SECOND:,.0f} s",
            f"whole state at {size(RESTORE_BYTES_PER_SECOND)}/s (assumed)",
        ),
    )


def _aggregates(migration: Migration) -> tuple[Figure, ...]:
    return tuple(_aggregate(migration, kpi) for kpi in migration.kpis.values())


def _aggregate(migration: Migration, kpi: CompiledKpi) -> Figure:
    """Return the state of a KPI's rows: reckoned where the contract knows all values of its grain."""
    distinct = [measure.name for measure in kpi.measures if measure.function == "count_distinct"]
    sets = f"; the values of {', '.join(distinct)} come on top, by row" if distinct else ""
    others = {part.name: _values(migration, part) for part in kpi.grain if part is not kpi.time}
    unknown = [name for name, values in others.items() if values is None]
    periods = _PERIODS_A_DAY[str(kpi.time.function)] / kpi.time.minutes
    name, factors = f"state of {kpi.name}", " x ".join(part.name for part in kpi.grain)
    if unknown:
        return Figure(
            name,
            f"one entry a row, {BYTES_PER_CELL} B a measure",
            f"rows: {factors}, kept for ever; to reckon it, count how many different "
            f"{' x '.join(unknown)} there are in a {kpi.time.function}{sets}",
        )
    rows = periods * math.prod(values for values in others.values() if values is not None)
    amount = rows * 365 * len(kpi.measures) * BYTES_PER_CELL
    how = f"{factors}: {rows:,.2g} rows a day at most x {len(kpi.measures)} measures x {BYTES_PER_CELL} B"
    return Figure(
        name, f"{size(amount)} after a year", f"{how} (assumed), kept for ever{sets}", round(amount)
    )


def _values(migration: Migration, part: GrainColumn) -> int | None:
    """Return how many values a grain column can have; None when the contract does not say."""
    field = migration.schema.field(part.source.name)
    if part.function is not None or field is None:
        return None
    known = len(field.symbols) or (2 if field.type == "boolean" else 0)
    return known + field.nullable if known else None


def size(amount: float) -> str:
    """Return bytes in the unit that a person reads."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError(amount)
