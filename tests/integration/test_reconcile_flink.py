"""The same comparison with silver folded by DuckDB and by a batch job of Flink: equal to the digit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from slipway.domain.accounting import Compared
from slipway.domain.document import kpi_document
from slipway.domain.evidence import canonical
from slipway.faults import InjectedFault
from tests.integration.fold_feed import CLOSED
from tests.integration.fold_world import FoldWorld, fold_world
from tests.integration.scratch import database
from tests.stack import Stack

pytestmark = pytest.mark.integration


OF_THE_CONTRACT = ("contract_digest", "versions")
"""Parts of evidence that name the engine, or follow from the key that does."""


def documents(world: FoldWorld, compared: Compared) -> dict[str, Any]:
    """Return what the evidence says of each KPI, the digests of the kept rows among it."""
    found = {name: kpi_document(world.migration, name, kpi, CLOSED) for name, kpi in compared.kpis.items()}
    return dict(json.loads(canonical(found)))


def refuse_an_empty_comparison(world: FoldWorld, kpis: Mapping[str, Any]) -> None:
    """Fail unless there was something to find, and it was found."""
    hourly, daily, weekly = (kpis[f"fold{world.keep}_{unit}"] for unit in ("hourly", "daily", "weekly"))
    assert all(kpi["broken"] == 0 and kpi["cells"] > 10 for kpi in (hourly, daily, weekly))
    assert "engine" in causes(daily, "tolls"), "the serving row that was edited by hand"
    assert "engine" not in causes(daily, "fares") | causes(hourly, "tolls") | causes(weekly, "tolls")
    assert {"late", "value"} <= causes(hourly, "fares")
    assert len(world.feed.amended) > 10


def causes(document: Mapping[str, Any], measure: str) -> set[str]:
    return {cause["cause"] for cause in document["causes"] if cause["measure"] == measure}


def test_both_engines_see_the_same_in_revised_events(stack: Stack, tmp_path: Path) -> None:
    with fold_world(stack, "latest", tmp_path) as world:
        world.go_on()
        mine, clusters = world.compare("duckdb"), world.compare("flink")

        assert (mine.folded_by, clusters.folded_by) == ("", "flink 2.1.3")
        assert documents(world, clusters) == documents(world, mine)
        assert (clusters.hidden, clusters.lateness) == (mine.hidden, mine.lateness)
        assert world.left_behind() == []
        assert world.feed.replaces
        refuse_an_empty_comparison(world, documents(world, mine))


def test_a_night_of_the_cluster_gives_the_evidence_that_duckdb_gives_even_after_crashes(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        fold_world(stack, "first", tmp_path) as world,
        database(stack, "slipway_ledger") as one,
        database(stack, "slipway_ledger") as other,
    ):
        world.publish()
        monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
        for step in ("fold.after_prepare", "fold.after_submit"):
            monkeypatch.setenv("SLIPWAY_FAIL_AT", step)
            with pytest.raises(InjectedFault):
                world.night("flink", one)
            assert len(world.left_behind()) == 5, "three tables of KPIs, one of places, a role"
        monkeypatch.delenv("SLIPWAY_FAIL_AT")

        clusters, verified = world.night("flink", one)

        assert verified.same, verified.differences
        assert verified.folded_again
        assert world.left_behind() == []
        mine, _ = world.night("duckdb", other)
        assert clusters["versions"] == {**mine["versions"], "folds": "flink 2.1.3"}
        same = [{key: of[key] for key in of if key not in OF_THE_CONTRACT} for of in (clusters, mine)]
        assert same[0] == same[1]
        errors = [finding["what"] for finding in mine["findings"] if finding["verdict"] == "ERROR"]
        assert (mine["verdict"], errors) == ("FAIL", [])
        refuse_an_empty_comparison(world, mine["kpis"])
