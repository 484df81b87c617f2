"""The fake serving side behaves as the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from slipway.adapters.contracts import load_migration
from slipway.domain.contract import Migration
from tests.contract.serving_behaviour import KPI, ServingBehaviour
from tests.contract.serving_grains_behaviour import ServingGrainsBehaviour
from tests.fakes.control import CONTRACT
from tests.fakes.serving import FakeServing


class FakeTables:
    def __init__(self, serving: FakeServing, migration: Migration) -> None:
        self.serving, self.migration = serving, migration

    def fill(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        kept = self.serving.batch[KPI] if table == "batch" else self.serving.stream[KPI, int(table[-1])]
        kept.extend(rows)

    def read(self) -> list[tuple[date, str | None, int, str]]:
        rows = self.serving.read(self.migration.kpis[KPI])
        return [(row["flight_date"], row["origin"], row["seats"], row["served_from"]) for row in rows]


class TestFakeServing(ServingBehaviour):
    @pytest.fixture
    def migration(self) -> Migration:
        return load_migration(CONTRACT)

    @pytest.fixture
    def serving(self) -> FakeServing:
        return FakeServing()

    @pytest.fixture
    def tables(self, serving: FakeServing, migration: Migration) -> FakeTables:
        return FakeTables(serving, migration)


class FakeGrainTables:
    def __init__(self, serving: FakeServing, migration: Migration) -> None:
        self.serving, self.migration = serving, migration

    def fill(self, kpi: str, side: str, rows: Sequence[Mapping[str, Any]]) -> None:
        (self.serving.batch[kpi] if side == "batch" else self.serving.stream[kpi, 1]).extend(rows)

    def read(self, kpi: str) -> list[tuple[Any, str | None, int, str]]:
        rows = self.serving.read(self.migration.kpis[kpi])
        return [(row["day"], row["zone"], row["trips"], row["served_from"]) for row in rows]


class TestFakeServingGrains(ServingGrainsBehaviour):
    @pytest.fixture
    def serving(self) -> FakeServing:
        return FakeServing()

    @pytest.fixture
    def tables(self, serving: FakeServing, migration: Migration) -> FakeGrainTables:
        return FakeGrainTables(serving, migration)
