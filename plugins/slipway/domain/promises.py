"""What a contract promises: what sinks guarantee, what consumers may expect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from slipway.domain import derive, names
from slipway.domain.cells import Where
from slipway.domain.contract import Migration
from slipway.domain.spans import spoken_span

if TYPE_CHECKING:  # brings sqlglot, which the parsing of DAGs does without
    from slipway.domain.measures import Tolerance


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a sink keeps when a job dies. prerequisites: what it rests on, a sentence each."""

    sink: str
    guarantee: str
    prerequisites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Promise:
    """One KPI's row of the matrix for consumers."""

    kpi: str
    latency: str
    completeness: str
    consistency: str
    degraded: str


def guarantees(migration: Migration) -> tuple[Guarantee, ...]:
    """Return every sink with its guarantee and what that rests on."""
    name, dlq = migration.name, names.dlq_topic(migration.contract.events.topic)
    interval = derive.checkpoint_interval().value
    every = f" (every {spoken_span(interval)})" if isinstance(interval, timedelta) else ""
    lake = (
        f"a commit with each checkpoint{every}, never without one",
        "every attempt has a job id of its own; an old one would take its commits for done",
        "a start from before the last commit rolls the table back first",
        "one job writes a table; maintenance carries the job's commit mark along",
    )
    return (
        Guarantee(f"lake: {names.bronze(name)} (ingest job)", "exactly-once", lake),
        Guarantee(f"lake: silver, late, rejected of {name} (revision job)", "exactly-once", lake),
        Guarantee(
            f"topic: {dlq}",
            "exactly-once",
            (
                "readers use isolation.level=read_committed; others may see a record again",
                "the broker's transaction.max.timeout.ms is above the longest pause between checkpoints",
            ),
        ),
        *(
            Guarantee(
                f"warehouse: stream.{kpi}__r<N>",
                "effectively-once",
                (
                    "rows are upserted by their primary key, so a repeated write gives the same row",
                    "only the newest attempt's role may write; the one before is revoked first",
                    "after a restart open rows may go back for as long as the job catches up",
                ),
            )
            for kpi in migration.kpis
        ),
        Guarantee(
            "warehouse: amendments, routes",
            "exactly-once",
            ("rows and journal are one transaction", "a route changes only at the epoch that was seen"),
        ),
    )


def promises(migration: Migration) -> tuple[Promise, ...]:
    """Return what consumers of each KPI may expect, from the contract."""
    parity = migration.contract.parity
    late = spoken_span(parity.accept_late)
    rows = []
    for name, kpi in migration.contract.kpis.items():
        serving = kpi.serving
        tolerances = [
            f"{measure.name} {_tolerance(measure.tolerance)}"
            for measure in migration.kpis[name].measures
            if not measure.tolerance.exact
        ]
        rows.append(
            Promise(
                name,
                f"a row follows its event within {spoken_span(serving.fresh_within)} (stream); next morning "
                "(batch)",
                f"a period is complete {late} after its end ({parity.timezone.key}); later records are "
                "counted and shown, and enter only by an amendment",
                "one source a row, by its route; a closed period changes only by an amendment; "
                + (f"equal to batch but {', '.join(tolerances)}" if tolerances else "equal to batch"),
                f"older than {spoken_span(serving.stale_after)}: readers get batch again (a rollback, no "
                "approval needed); the view itself stays",
            )
        )
    return tuple(rows)


def _tolerance(tolerance: Tolerance) -> str:
    """Return how far a measure may be off, and how far in the cells that have a bound of their own."""
    parts = [
        f"within {_bound(bound.absolute, bound.relative) or '0'} where {_cells(bound.where)}"
        for bound in tolerance.segments
    ]
    own = _bound(tolerance.absolute, tolerance.relative)
    if parts:
        return f"{', '.join(parts)}, else {f'within {own}' if own else 'equal'}"
    return f"within {own}"


def _cells(where: Where) -> str:
    return " and ".join(
        f"{column} is {' or '.join('none' if value is None else value for value in values)}"
        for column, values in where.items()
    )


def _bound(absolute: object, relative: object) -> str:
    parts = [str(absolute)] if absolute else []
    parts += [f"{float(str(relative)) * 100:g} %"] if relative else []
    return " or ".join(parts)
