"""The condition of the tolerance in SQL says the same as the tolerance itself, to the end of 128 bits."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.adapters.comparison.templates import GrainPart, MeasurePart, cells
from slipway.domain.measures import Bound, CompiledMeasure, Tolerance

LARGE = 10**37
GRAIN = [
    GrainPart("g0", '"day"', "", "DATE"),
    GrainPart("g1", '"zone"', "", "VARCHAR"),
    GrainPart("g2", '"floor"', "", "INTEGER"),
    GrainPart("g3", '"built"', "", "DATE"),
    GrainPart("g4", '"open"', "", "BOOLEAN"),
    GrainPart("g5", '"price"', "", "DECIMAL(6, 2)"),
]
VALUES: dict[str, Sequence[str | None]] = {
    "zone": ("N", "S", "it's", "", None),
    "floor": ("-1", "0", "12", None),
    "built": ("1999-12-31", "2024-02-29", None),
    "open": ("true", "false", None),
    "price": ("0.00", "1.50", None),
}


def part(tolerance: Tolerance, places: int = 2) -> MeasurePart:
    kind = f"decimal(38,{places})" if places else "long"
    measure = CompiledMeasure("amount", "sum", None, None, kind, tolerance)
    return MeasurePart(0, "m0", "m0", "0", places, measure)


def told(condition: str, batch: int | None, stream: int | None, cell: dict[str, str | None]) -> bool:
    """Ask DuckDB. batch, stream: whole numbers, in units of the measure's last place."""
    columns = ", ".join(
        f"CAST(? AS {one.type}) AS {one.name}" for one in GRAIN if one.column.strip('"') in cell
    )
    query = f"SELECT {condition} FROM (SELECT CAST(? AS HUGEINT) AS b, CAST(? AS HUGEINT) AS s, {columns})"
    given = [batch, stream, *(cell[one.column.strip('"')] for one in GRAIN if one.column.strip('"') in cell)]
    [found] = duckdb.execute(query, given).fetchall()
    assert isinstance(found[0], bool)
    return found[0]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("delta", "off"), [(0, False), (LARGE // 10, False), (LARGE // 5, True)])
def test_a_share_of_values_near_the_end_of_128_bits(sign: int, delta: int, *, off: bool) -> None:
    tolerance = Tolerance(relative=Decimal("0.123"))
    batch, stream = sign * LARGE, sign * (LARGE - delta)

    said = duckdb.execute(
        f"SELECT {part(tolerance, 0).off(f'{batch}::HUGEINT', f'{stream}::HUGEINT')}"
    ).fetchone()

    assert said == (off,)
    assert tolerance.allows(Decimal(batch), Decimal(stream)) is not off


shares = st.decimals(0, 2, places=4).map(abs)
cell_values = st.fixed_dictionaries({column: st.sampled_from(values) for column, values in VALUES.items()})
conditions = st.dictionaries(st.sampled_from(sorted(VALUES)), st.none(), min_size=1, max_size=3).flatmap(
    lambda columns: st.fixed_dictionaries(
        {
            column: st.lists(st.sampled_from(VALUES[column]), min_size=1, max_size=3).map(tuple)
            for column in columns
        }
    )
)
bounds = st.lists(st.builds(Bound, conditions, shares, shares), max_size=3).map(tuple)
tolerances = st.builds(Tolerance, shares, shares, bounds)
amounts = st.integers(-500, 500)


@given(tolerances, amounts, amounts, cell_values)
def test_every_cell_is_judged_by_the_first_bound_that_fits_it(
    tolerance: Tolerance, batch: int, stream: int, cell: dict[str, str | None]
) -> None:
    allowed = tolerance.at(cell).allows(Decimal(batch).scaleb(-2), Decimal(stream).scaleb(-2))

    assert told(part(tolerance).off("b", "s", GRAIN), batch, stream, cell) is not allowed


@given(tolerances, amounts, cell_values, st.booleans())
def test_a_bound_is_met_by_a_difference_that_is_equal_to_it_and_by_none_above(
    tolerance: Tolerance, batch: int, cell: dict[str, str | None], below: bool
) -> None:
    holds = tolerance.at(cell)
    most = max(holds.absolute, holds.relative * abs(Decimal(batch)).scaleb(-2)).scaleb(2)
    delta = int(most.to_integral_value("ROUND_FLOOR"))
    off = part(tolerance).off("b", "s", GRAIN)
    sign = -1 if below else 1

    assert not told(off, batch, batch + sign * delta, cell)
    assert told(off, batch, batch + sign * (delta + 1), cell)


@given(tolerances, amounts, amounts, cell_values, st.decimals(0, 1, places=2).map(abs))
def test_what_uses_up_its_share_of_the_tolerance_is_close(
    tolerance: Tolerance, batch: int, stream: int, cell: dict[str, str | None], used: Decimal
) -> None:
    holds = tolerance.at(cell)
    b, s = Decimal(batch).scaleb(-2), Decimal(stream).scaleb(-2)
    near = b != s and abs(b - s) >= used * max(holds.absolute, holds.relative * abs(b))

    assert told(part(tolerance).close("b", "s", used, GRAIN), batch, stream, cell) is near


@pytest.mark.parametrize(("batch", "stream"), [(None, 0), (0, None), (None, 5)])
def test_nothing_and_a_value_differ_whatever_is_tolerated(batch: int | None, stream: int | None) -> None:
    tolerance = Tolerance(Decimal(100), Decimal(1), (Bound({"zone": ("N",)}, Decimal(9), Decimal(1)),))

    assert told(part(tolerance).off("b", "s", GRAIN), batch, stream, {"zone": "N"})
    assert not told(part(tolerance).off("b", "s", GRAIN), None, None, {"zone": "N"})


@given(conditions, cell_values)
def test_cells_are_told_by_values_of_any_type_and_by_none(
    where: dict[str, tuple[str | None, ...]], cell: dict[str, str | None]
) -> None:
    expected = all(cell[column] in values for column, values in where.items())

    assert told(f"({cells(where, GRAIN)})", 0, 0, cell) is expected


def test_no_condition_is_every_cell() -> None:
    assert told(f"({cells({}, GRAIN)})", 0, 0, {"zone": None})
