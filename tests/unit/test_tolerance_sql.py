"""The condition of the tolerance in SQL says the same as the tolerance itself, to the end of 128 bits."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pytest

from slipway.adapters.comparison.templates import MeasurePart
from slipway.domain.measures import CompiledMeasure, Tolerance

LARGE = 10**37


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("delta", "off"), [(0, False), (LARGE // 10, False), (LARGE // 5, True)])
def test_a_share_of_values_near_the_end_of_128_bits(sign: int, delta: int, *, off: bool) -> None:
    tolerance = Tolerance(relative=Decimal("0.123"))
    measure = CompiledMeasure("amount", "sum", None, None, "decimal(38,0)", tolerance)
    part = MeasurePart(0, "m0", "m0", "0", 0, measure)
    batch, stream = sign * LARGE, sign * (LARGE - delta)

    told = duckdb.execute(f"SELECT {part.off(f'{batch}::HUGEINT', f'{stream}::HUGEINT')}").fetchone()

    assert told == (off,)
    assert tolerance.allows(Decimal(batch), Decimal(stream)) is not off
