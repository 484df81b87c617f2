"""Routed views in memory that behave as the real ones; tests/contract/test_serving.py holds both to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from slipway.domain.closing import closing_day
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.domain.measures import CompiledKpi
from slipway.errors import Permanent, Retryable
from slipway.ports import (
    Actor,
    EpochMoved,
    Published,
    ReaderChange,
    Route,
    RouteChange,
    Served,
    Source,
    SwitchRow,
)

KpiRow = Mapping[str, Any]


class FakeServing:
    """Tables are lists of rows; `meddle` runs before each change, as somebody quicker would."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.batch: dict[str, list[KpiRow]] = {}
        self.stream: dict[tuple[str, int], list[KpiRow]] = {}
        self.meddle: Callable[[], None] | None = None
        self.unreachable = False
        self.corrupt: list[KpiRow] = []
        self._routes: dict[str, tuple[str, Route]] = {}
        self._branches: dict[str, set[int]] = {}
        self._journal: list[SwitchRow] = []
        self.views: set[str] = set()
        self.wrong_columns: list[str] = []
        self._ids = count(1)

    def install(self) -> None:
        """Nothing to do in memory."""

    def publish(self, migration: Migration, revisions: Sequence[int]) -> None:
        self.views.update(migration.kpis)
        for name in migration.kpis:
            self.batch.setdefault(name, [])
            for revision in revisions:
                self.stream.setdefault((name, revision), [])
            self._branches.setdefault(name, set()).update(revisions)
            route = Route(name, Source.BATCH, None, {}, migration.contract.parity.from_day, 1)
            self._routes.setdefault(name, (migration.name, route))

    def published(self, migration: Migration) -> Sequence[Published]:
        self._reach()
        return [
            Published(kpi, kpi in self.views, owner, tuple(self.wrong_columns))
            for kpi in migration.kpis
            for owner in [self._routes[kpi][0] if kpi in self._routes else None]
        ]

    def routes(self, kpis: Sequence[str]) -> Sequence[Route]:
        self._reach()
        return [self._routes[kpi][1] for kpi in sorted(kpis) if kpi in self._routes]

    def change(
        self,
        migration: str,
        changes: Sequence[RouteChange],
        action: str,
        evidence: Digest | None,
        by: Actor,
        reason: str,
    ) -> Sequence[SwitchRow]:
        self._reach()
        if self.meddle:
            meddle, self.meddle = self.meddle, None
            meddle()
        for change in changes:
            now = self._routes[change.seen.kpi][1]
            if now.epoch != change.seen.epoch:
                raise EpochMoved(f"the route of {now.kpi} is at epoch {now.epoch}, not {change.seen.epoch}")
            if change.source is not Source.BATCH and change.revision not in self._branches[now.kpi]:
                raise Permanent(f"the view serving.{now.kpi} has no branch for revision {change.revision}")
        epoch = 1 + max(route.epoch for owner, route in self._routes.values() if owner == migration)
        rows = [self._apply(migration, change, epoch, action, evidence, by, reason) for change in changes]
        self._journal += rows
        return rows

    def journal(self, migration: str, after_id: int = 0) -> Sequence[SwitchRow]:
        self._reach()
        return [row for row in self._journal if row.migration == migration and row.id > after_id]

    def batch_through(self, migration: Migration) -> Mapping[str, date | None]:
        return {
            name: max((_closes_on(kpi, row) for row in self.batch[name]), default=None)
            for name, kpi in migration.kpis.items()
        }

    def reader_changes(self, migration: Migration, revision: int) -> Sequence[ReaderChange]:
        return [self._changes(kpi, revision) for kpi in migration.kpis.values()]

    def served(self, migration: Migration) -> Sequence[Served]:
        found = []
        for name, kpi in migration.kpis.items():
            rows = self.read(kpi)
            counts = Counter(str(row["served_from"]) for row in rows)
            strays = sum(1 for row in self.corrupt if row in rows)
            found.append(Served(name, {"batch": counts["batch"], "stream": counts["stream"]}, strays))
        return found

    def read(self, kpi: CompiledKpi) -> list[KpiRow]:
        """Return what a reader of serving.<kpi> gets."""
        route = self._routes[kpi.name][1]
        batch = [{**row, "served_from": "batch"} for row in self.batch[kpi.name]]
        if route.source is Source.BATCH or route.revision is None:
            return batch
        stream = [{**row, "served_from": "stream"} for row in self.stream[kpi.name, route.revision]]

        def moved(row: KpiRow) -> bool:
            inside = all(row[segment] in values for segment, values in route.canary.items())
            return _opens_on(kpi, row) >= route.from_period and inside

        return [row for row in batch if not moved(row)] + [row for row in stream if moved(row)]

    def _apply(
        self,
        migration: str,
        change: RouteChange,
        epoch: int,
        action: str,
        evidence: Digest | None,
        by: Actor,
        reason: str,
    ) -> SwitchRow:
        before = self._routes[change.seen.kpi][1]
        canary = {segment: list(values) for segment, values in change.canary.items()}
        after = replace(before, source=change.source, revision=change.revision, canary=canary, epoch=epoch)
        self._routes[before.kpi] = (migration, after)
        told = [
            {"source": str(route.source), "revision": route.revision, "canary": dict(route.canary)}
            for route in (before, after)
        ]
        return SwitchRow(
            next(self._ids),
            migration,
            before.kpi,
            epoch,
            action,
            *told,
            evidence,
            by.name,
            reason,
            by.dag_run,
            self.now(),
        )

    def _changes(self, kpi: CompiledKpi, revision: int) -> ReaderChange:
        start = self._routes[kpi.name][1].from_period
        grain = [part.name for part in kpi.grain]

        def keyed(rows: Sequence[KpiRow]) -> dict[tuple[Any, ...], KpiRow]:
            return {tuple(row[name] for name in grain): row for row in rows if _opens_on(kpi, row) >= start}

        batch, stream = keyed(self.batch[kpi.name]), keyed(self.stream[kpi.name, revision])
        changed, measures = 0, {}
        for key in batch.keys() & stream.keys():
            changed += any(batch[key].get(m.name) != stream[key].get(m.name) for m in kpi.measures)
        for measure in kpi.measures:
            values = [
                ((batch.get(key) or {}).get(measure.name), (stream.get(key) or {}).get(measure.name))
                for key in batch.keys() | stream.keys()
            ]
            differing = [(b or 0, s or 0) for b, s in values if b != s]
            if differing:
                measures[measure.name] = (len(differing), str(sum(s - b for b, s in differing)))
        both = batch.keys() | stream.keys()
        return ReaderChange(
            kpi.name,
            len(both),
            changed,
            len(batch.keys() - stream.keys()),
            len(stream.keys() - batch.keys()),
            measures,
        )

    def _reach(self) -> None:
        if self.unreachable:
            raise Retryable("the warehouse can't be reached: it was switched off by the test")


def _opens_on(kpi: CompiledKpi, row: KpiRow) -> date:
    """Return the first business day of a row; an instant in its key begins on that day, local time."""
    value = row[kpi.time.name]
    return value.astimezone(kpi.time.zone).date() if isinstance(value, datetime) else value


def _closes_on(kpi: CompiledKpi, row: KpiRow) -> date:
    return closing_day(kpi.time, _opens_on(kpi, row))
