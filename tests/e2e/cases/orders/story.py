"""A shop's March, the end of winter time on its last day included, and two days of April.

Some events are sent twice, and some come hours later, but in time. A few records can't be decoded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.e2e.cases.records import Sent, in_order

BEGIN = datetime(2024, 2, 29, 23, tzinfo=UTC)  # midnight in Berlin
SPRING = datetime(2024, 3, 31, 1, tzinfo=UTC)  # 02:00 becomes 03:00
APRIL = datetime(2024, 3, 31, 22, tzinfo=UTC)  # midnight in Berlin, in summer time
END = datetime(2024, 4, 3, 4, tzinfo=UTC)
COUNTRIES = ["DE", "DE", "DE", "AT", "CH", "FR"]
CHANNELS = ["web", "web", "app", "shop", None]
Event = dict[str, Any]


def records() -> list[Sent]:
    """Return everything that was sent, in the order of arrival."""
    draw = random.Random(20240331)
    told: list[Sent] = []
    for number, placed_at in enumerate(_moments(draw)):
        for event in _life(number, placed_at, draw):
            slow = draw.random() < 0.05
            lag = timedelta(hours=draw.uniform(1, 20)) if slow else timedelta(seconds=draw.uniform(0.2, 30))
            arrival = _whole_millis(event["happened_at"] + lag)
            told.append(Sent(event["order_id"], event, arrival))
            if draw.random() < 0.02:
                told.append(Sent(event["order_id"], event, arrival + timedelta(minutes=3)))
    broken = [b"\x00\x00\x00\x00\x63\x02\x02", b"\x00", b'{"event_id": "O-1:placed:1"}', b""]
    told += [Sent("O-1", value, APRIL + timedelta(minutes=n)) for n, value in enumerate(broken)]
    return [record for record in in_order(told) if record.arrival <= END]


def tables() -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of tables.sql: each event once, with the instant at which it became known."""
    orders: dict[str, tuple[Any, ...]] = {}
    journal: dict[str, tuple[Any, ...]] = {}
    for record in records():
        if isinstance(record.event, bytes):
            continue
        e = record.event
        orders[e["order_id"]] = (e["order_id"], e["customer_id"], e["country"], e["channel"])
        running = int(e["event_id"].rpartition(":")[2])
        row = e["order_id"], e["kind"], running, e["amount"], e["voucher"], e["happened_at"], record.arrival
        journal.setdefault(e["event_id"], row)
    return {"ops.orders": list(orders.values()), "ops.order_journal": list(journal.values())}


def _moments(draw: random.Random) -> Iterator[datetime]:
    for _ in range(700):
        yield BEGIN + draw.random() * (END - BEGIN)
    for edge in (SPRING, APRIL, BEGIN + timedelta(days=7)):  # around the missing hour, and around midnights
        for _ in range(25):
            yield edge + timedelta(milliseconds=draw.randrange(-3_600_000, 3_600_000))
        yield edge
        yield edge - timedelta(milliseconds=1)


def _life(number: int, placed_at: datetime, draw: random.Random) -> Iterator[Event]:
    order, at = f"O-{number}", max(_whole_millis(placed_at), BEGIN)
    shared = {
        "order_id": order,
        "customer_id": f"kundin{draw.randrange(250)}@example.org",
        "country": draw.choice(COUNTRIES),
        "channel": draw.choice(CHANNELS),
    }
    price = Decimal(draw.choice([draw.randrange(1, 50_000), 1, 10, 999_999_999])) / 100
    voucher = Decimal(draw.randrange(1, 99_999)) / 10_000 if draw.random() < 0.3 else None

    def event(
        kind: str, running: int = 1, amount: Decimal | None = None, off: Decimal | None = None
    ) -> Event:
        return {
            "event_id": f"{order}:{kind}:{running}",
            **{name: shared[name] for name in ("order_id", "customer_id")},
            "kind": kind,
            **{name: shared[name] for name in ("country", "channel")},
            "amount": amount,
            "voucher": off,
            "happened_at": at,
        }

    yield event("placed", amount=price)
    if draw.random() < 0.08:
        at += timedelta(minutes=draw.randrange(1, 600))
        yield event("cancelled")
        return
    at += timedelta(milliseconds=draw.randrange(1_000, 7_200_000))
    yield event("paid", amount=price, off=voucher)
    at += timedelta(hours=draw.uniform(1, 60))
    at = _whole_millis(at)
    yield event("shipped")
    if draw.random() < 0.15:
        parts = [price] if draw.random() < 0.5 else [price / 3, price / 3]
        for running, part in enumerate(parts, 1):
            at = _whole_millis(at + timedelta(hours=draw.uniform(5, 80)))
            yield event("refunded", running, part.quantize(Decimal("0.01")))


def _whole_millis(instant: datetime) -> datetime:
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
