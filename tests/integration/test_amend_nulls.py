"""An amendment of cells that hold NULL, on real parts: the swap replaces them like any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slipway.app.amend import amend
from slipway.domain.contract import Migration, compile_migration
from tests.fakes.amending import ANA, MONDAY, event, migration
from tests.integration.lake_world import RealParts
from tests.stack import Stack


def by_van(name: str) -> Migration:
    """The parcels by depot and van; the van may be unknown."""
    made = migration(name)
    kpis = {
        kpi: definition.model_copy(update={"grain": {**definition.grain, "van": "van"}})
        for kpi, definition in made.contract.kpis.items()
    }
    return compile_migration(made.contract.model_copy(update={"kpis": kpis}), made.schema)


@pytest.fixture
def parts(stack: Stack) -> Iterator[RealParts]:
    made = RealParts(stack, by_van("amendnulls"))
    made.append(made.silver, [event("a", MONDAY, 1), event("b", MONDAY, 2, van="v1")])
    made.append(made.late, [event("x", MONDAY, 3), event("y", MONDAY, 4, van="null")])
    for van, key in ((None, f'["{MONDAY}","north",null]'), ("v1", f'["{MONDAY}","north","v1"]')):
        made.query(
            "INSERT INTO {kpi} (day, depot, van, parcels, grain_key) VALUES (%s, 'north', %s, 1, %s)",
            MONDAY,
            van,
            key,
        )
    yield made


def test_cells_of_null_are_replaced_once_and_keep_their_key(parts: RealParts) -> None:
    amend(parts.migration, [], "the depot was offline", parts.world, ANA)

    rows = parts.query("SELECT van, parcels, grain_key FROM {kpi} ORDER BY van NULLS FIRST")
    assert rows == [
        (None, 2, f'["{MONDAY}","north",null]'),
        ("null", 1, f'["{MONDAY}","north","null"]'),
        ("v1", 1, f'["{MONDAY}","north","v1"]'),
    ]
