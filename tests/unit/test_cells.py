"""Values that tell cells: each in its column's one form, or refused with what is known."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from slipway.domain.cells import CellsError, Choices, checked, fits
from slipway.domain.grain import GrainColumn
from slipway.domain.tree import Column


def column(name: str, kind: str, *, nullable: bool = False) -> GrainColumn:
    return GrainColumn(name, Column(name, kind, nullable), None, kind, ZoneInfo("UTC"))


CHOICES = Choices(
    {
        one.name: one
        for one in (
            column("zone", "string", nullable=True),
            column("kind", "string"),
            column("floor", "int"),
            column("number", "long"),
            column("built", "date"),
            column("open", "boolean"),
            column("price", "decimal(6,2)"),
            column("since", "timestamp"),
        )
    },
    {"kind": ("A", "B")},
)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("zone", "N", "N"),
        ("zone", None, None),
        ("floor", "007", "7"),
        ("floor", " -2147483648 ", "-2147483648"),
        ("number", "9223372036854775807", "9223372036854775807"),
        ("built", "2024-02-29", "2024-02-29"),
        ("open", "TRUE", "true"),
        ("price", "1.5", "1.50"),
        ("kind", "B", "B"),
    ],
)
def test_a_value_has_one_form(name: str, given: str | None, kept: str | None) -> None:
    assert checked({name: (given,)}, CHOICES) == {name: (kept,)}


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("floor", "2147483648", "floor is an int, and '2147483648' is none"),
        ("floor", "one", "floor is an int, and 'one' is none"),
        ("floor", None, "floor is never null"),
        ("number", "1.0", "number is a long"),
        ("built", "2023-02-29", "built is a date"),
        ("open", "yes", "open is a boolean"),
        ("price", "1.505", "price is a decimal"),
        ("price", "many", "price is a decimal"),
        ("since", "2024-02-29T00:00:00Z", "cells can't be told by its values"),
        ("kind", "C", "kind is never 'C'; its values are A, B"),
        ("zon", "N", "zon is no column of the grain beside the time; did you mean zone?"),
        ("xyz", "N", "cells are told by zone, kind, floor"),
    ],
)
def test_what_no_cell_can_be_is_refused(name: str, given: str | None, why: str) -> None:
    with pytest.raises(CellsError, match=why.replace("?", r"\?")) as raised:
        checked({"zone": ("N",), name: (given,)}, CHOICES)

    assert raised.value.column == name


def test_a_cell_fits_when_it_fits_in_every_column() -> None:
    where = {"zone": ("N", None), "floor": ("1",)}

    assert fits(where, {"zone": None, "floor": "1", "day": "x"})
    assert not fits(where, {"zone": "N", "floor": "2"})
    assert fits({}, {"zone": "S"})
