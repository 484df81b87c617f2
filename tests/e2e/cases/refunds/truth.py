"""What either side makes of the slips: the stream as the contract says, dbt as its model says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from tests.e2e.cases.records import Kpis, Sent


def stream(sent: Sequence[Sent]) -> Kpis:
    """Return sales less refunds."""
    return _turnover(sent, {"sale": 1, "refund": -1})


def batch(sent: Sequence[Sent]) -> Kpis:
    """Return what the mistaken model computes."""
    return _turnover(sent, {"sale": 1, "refund": 1})


def places(sent: Sequence[Sent]) -> Counter[str]:
    """Return how many records lie in silver, late, rejected, or are duplicates."""
    return Counter(silver=len(sent))


def _turnover(sent: Sequence[Sent], sign: dict[str, int]) -> Kpis:
    cells: dict[tuple[object, ...], tuple[int, Decimal]] = {}
    for record in sent:
        assert not isinstance(record.event, bytes)
        event = record.event
        cell = (event["printed_at"] + timedelta(hours=5, minutes=45)).date(), event["till"]
        slips, turnover = cells.get(cell, (0, Decimal(0)))
        cells[cell] = slips + 1, turnover + sign[event["kind"]] * event["amount"]
    return {"turnover_daily": cells}
