"""Three days of three tills; till 3 never gives anything back, so that its days agree."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.e2e.cases.records import Sent, in_order

BEGIN = datetime(2024, 5, 31, 18, 15, tzinfo=UTC)  # midnight in Kathmandu


def records() -> list[Sent]:
    """Return every slip, in the order of arrival; a slip arrives when it is printed."""
    draw = random.Random(20240601)
    told = []
    for number in range(300):
        till = f"till {number % 3 + 1}"
        printed_at = BEGIN + timedelta(milliseconds=draw.randrange(3 * 86_400_000))
        refund = till != "till 3" and draw.random() < 0.1
        event = {
            "slip_id": f"{till}-{number}",
            "till": till,
            "kind": "refund" if refund else "sale",
            "amount": Decimal(draw.randrange(1, 1_000_000)) / 100,
            "printed_at": printed_at,
        }
        told.append(Sent(till, event, printed_at))
    return in_order(told)


def tables() -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of tables.sql."""
    return {"ops.till_slips": [tuple(r.event.values()) for r in records() if not isinstance(r.event, bytes)]}
