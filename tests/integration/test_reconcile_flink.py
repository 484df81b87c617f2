"""The same comparison with silver folded by DuckDB and by a batch job of Flink: equal to the digit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slipway.domain.accounting import Compared
from slipway.domain.document import kpi_document
from slipway.domain.evidence import canonical
from slipway.faults import InjectedFault
from tests.integration.fold_world import CLOSED, FoldWorld, fold_world
from tests.stack import Stack

pytestmark = pytest.mark.integration


def documents(world: FoldWorld, compared: Compared) -> dict[str, Any]:
    """Return what the evidence says of each KPI, the digests of the kept rows among it."""
    found = {name: kpi_document(world.migration, name, kpi, CLOSED) for name, kpi in compared.kpis.items()}
    return dict(json.loads(canonical(found)))


def causes(document: dict[str, Any], measure: str) -> set[str]:
    return {cause["cause"] for cause in document["causes"] if cause["measure"] == measure}


def assert_same_evidence(world: FoldWorld) -> None:
    """Compare with both engines; what they say is equal to the digit, and what is wrong is found."""
    mine, clusters = world.compare("duckdb"), world.compare("flink")

    assert (mine.folded_by, clusters.folded_by) == ("", "flink 2.1.3")
    ours, theirs = documents(world, mine), documents(world, clusters)
    assert theirs == ours
    assert (clusters.hidden, clusters.lateness) == (mine.hidden, mine.lateness)
    assert world.left_behind() == []

    hourly, daily, weekly = (ours[f"fold{world.keep}_{unit}"] for unit in ("hourly", "daily", "weekly"))
    assert all(kpi["broken"] == 0 and kpi["cells"] > 10 for kpi in (hourly, daily, weekly))
    assert "engine" in causes(daily, "tolls"), "the serving row that was edited by hand"
    assert "engine" not in causes(daily, "fares") | causes(hourly, "tolls") | causes(weekly, "tolls")
    assert {"late", "value"} <= causes(hourly, "fares")
    assert len(world.amended) > 10


def test_both_engines_give_the_same_evidence_of_revised_events(stack: Stack, tmp_path: Path) -> None:
    with fold_world(stack, "latest", tmp_path) as world:
        assert world.replaces
        assert_same_evidence(world)


def test_after_crashes_of_a_fold_the_next_one_gives_the_same_evidence(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fold_world(stack, "first", tmp_path) as world:
        monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
        for step in ("fold.after_prepare", "fold.after_submit"):
            monkeypatch.setenv("SLIPWAY_FAIL_AT", step)
            with pytest.raises(InjectedFault):
                world.compare("flink")
            assert len(world.left_behind()) == 5, "three tables of KPIs, one of places, a role"
        monkeypatch.delenv("SLIPWAY_FAIL_AT")

        assert_same_evidence(world)
