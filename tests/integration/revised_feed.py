"""A feed of orders that are revised, and what must become of each record, followed one by one."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
FIRST = datetime(2024, 3, 8, 5, tzinfo=UTC)
"""Local midnight of Friday, 8 March 2024; clocks go forward on Sunday, the 10th."""

COUPONS = (None, "null", "", 'half "off"', "50 % é😀", "[1]", "spring")
SHOPS = ("north", "south", "north,south")


@dataclass(frozen=True)
class Version:
    """One record: a version of an order, and when it arrives, UTC."""

    order_id: str
    version: int
    ordered_at: datetime
    arrival: datetime
    shop: str = "north"
    coupon: str | None = None
    customer: str | None = None
    quantity: int | None = 1
    amount: str = "10.00"

    @property
    def day(self) -> date:
        return self.ordered_at.astimezone(NEW_YORK).date()

    @property
    def hour(self) -> datetime:
        return self.ordered_at.replace(minute=0, second=0, microsecond=0)

    def encoded(self) -> bytes:
        event = {
            "order_id": self.order_id,
            "version": self.version,
            "ordered_at": round(self.ordered_at.timestamp() * 1000),
            "shop": self.shop,
            "coupon": self.coupon,
            "customer": self.customer,
            "quantity": self.quantity,
            # As text or as a number: exact to the cent in both.
            "amount": self.amount if self.version % 2 else Decimal(self.amount),
        }
        return json.dumps(event, default=float).encode()


@dataclass
class Truth:
    """What must become of the records. accepted: in time; counted: the newest accepted of each order."""

    accepted: list[Version] = field(default_factory=list)
    late: list[Version] = field(default_factory=list)
    duplicates: list[Version] = field(default_factory=list)
    counted: dict[str, Version] = field(default_factory=dict)

    def hours(self) -> set[tuple[Any, ...]]:
        """Rows of revised_hourly: hour, shop, the five measures, updated_through."""
        cells = _cells(self.counted, lambda one: (one.hour, one.shop))
        return {
            (
                *cell,
                len(orders),
                sum(Decimal(one.amount) for one in orders),
                len({one.customer for one in orders} - {None}),
                max(Decimal(one.amount) for one in orders),
                min((one.quantity for one in orders if one.quantity is not None), default=None),
                max(one.arrival for one in orders),
            )
            for cell, orders in cells.items()
        }

    def days(self) -> set[tuple[Any, ...]]:
        """Rows of revised_daily: day, coupon, shop, orders, revenue."""
        cells = _cells(self.counted, lambda one: (one.day, one.coupon, one.shop))
        return {
            (*cell, len(orders), sum(Decimal(one.amount) for one in orders)) for cell, orders in cells.items()
        }


def _cells(counted: Mapping[str, Version], cell: Any) -> dict[tuple[Any, ...], list[Version]]:
    found: dict[tuple[Any, ...], list[Version]] = defaultdict(list)
    for one in counted.values():
        found[cell(one)].append(one)
    return found


def truth(records: list[Version]) -> Truth:
    """Follow the records of each order in the order in which they were produced."""
    found = Truth()
    versions: dict[str, set[int]] = defaultdict(set)
    accepted_days: dict[str, list[date]] = defaultdict(list)
    for one in records:
        if one.version in versions[one.order_id]:
            found.duplicates.append(one)
            continue
        versions[one.order_id].add(one.version)
        if one.arrival >= _closes(min([one.day, *accepted_days[one.order_id]])):
            found.late.append(one)
            continue
        accepted_days[one.order_id].append(one.day)
        found.accepted.append(one)
        newest = found.counted.get(one.order_id)
        if newest is None or newest.version < one.version:
            found.counted[one.order_id] = one
    return found


def _closes(day: date) -> datetime:
    after = day + timedelta(days=1)
    midnight = datetime(after.year, after.month, after.day, tzinfo=NEW_YORK).astimezone(UTC)
    return midnight + timedelta(hours=24)


def traps() -> list[Version]:
    """Cases that a wrong shape of the job gets wrong, each an order of its own."""

    def one(order_id: str, version: int, day: int, arrives: float, **more: Any) -> Version:
        """day and arrives: days since Friday, local noon of the one and exactly so much for the other."""
        ordered_at = FIRST + timedelta(days=day, hours=12)
        return Version(order_id, version, ordered_at, FIRST + timedelta(days=arrives), shop=order_id, **more)

    return [
        # Judged by its first version's day only, the third would take the event out of closed Sunday.
        one("monday-sunday-wednesday", 1, 3, 3.5),
        one("monday-sunday-wednesday", 2, 2, 3.6),
        one("monday-sunday-wednesday", 3, 5, 5.5),
        one("older-comes-later", 2, 1, 1.6, amount="20.00"),
        one("older-comes-later", 1, 1, 1.7, amount="10.00"),
        # The only order of its cells: both rows must go when it moves, and the row without a coupon as well.
        one("moves-away", 1, 1, 1.6),
        one("moves-away", 2, 2, 1.7, coupon="spring"),
        one("moves-there-and-back", 1, 1, 1.6),
        one("moves-there-and-back", 2, 2, 1.7),
        one("moves-there-and-back", 3, 1, 1.8),
        # A duplicate counts nowhere, so neither does its day.
        one("duplicate-says-otherwise", 1, 5, 5.6),
        one("duplicate-says-otherwise", 1, 4, 5.7, amount="99.00"),
        one("duplicate-says-otherwise", 2, 6, 6.5),
        one("first-is-late", 1, 0, 6.5),
        one("first-is-late", 2, 6, 6.6),
        one("first-is-late", 1, 6, 6.7),
        one("only-late", 1, 0, 4.5),
        one("only-late", 2, 1, 4.6),
        one("late-revision", 1, 0, 0.6),
        one("late-revision", 2, 0, 6.6, amount="99.00"),
    ]


def build(orders: int, seed: int = 11) -> list[Version]:
    """So many orders with up to four versions, some moved, late, out of order or sent again; by arrival."""
    chance = random.Random(seed)
    records = traps()
    for number in range(orders):
        ordered_at = FIRST + timedelta(minutes=chance.randrange(7 * 24 * 60))
        arrival = ordered_at + timedelta(minutes=chance.randrange(60))
        versions = list(range(1, chance.choice((1, 1, 2, 3, 4)) + 1))
        if chance.random() < 0.3:
            chance.shuffle(versions)
        for version in versions:
            record = Version(
                order_id=f"o{number}",
                version=version,
                ordered_at=ordered_at,
                arrival=arrival,
                shop=chance.choice(SHOPS),
                coupon=chance.choice(COUPONS),
                customer=chance.choice((None, "ann", "bob", "cleo")),
                quantity=chance.choice((None, 1, 2, 12)),
                amount=f"{chance.randrange(-500, 100_000)}.{chance.randrange(100):02d}",
            )
            records += [record] * chance.choice((1, 1, 1, 1, 2))
            arrival += timedelta(minutes=chance.choice((1, 30, 600, 2000, 5000)))
            if chance.random() < 0.3:
                ordered_at += timedelta(hours=chance.randrange(-40, 40))
                ordered_at = min(ordered_at, arrival)
    return sorted(records, key=lambda one: one.arrival)
