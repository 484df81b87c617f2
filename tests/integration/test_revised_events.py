"""`keep: latest` on the real stack: versions out of order, moved, sent again, and coming after the close."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slipway.domain.evidence import Balance
from tests.integration import revised_feed
from tests.integration.running import Running, eventually, running
from tests.stack import Stack

ORDERS = 2_000
CONTRACT = """
migration: revised
description: Orders that are revised after they were sent
owners: {data_owner: [ana], consumer: [carla], on_call: [omar]}
events:
  topic: raw-revised-orders
  schema: revised.avsc
  key: [order_id]
  id: order_id
  keep: latest
  version: version
  time: ordered_at
  ahead_at_most: 24h
  arrival: producer
  traffic: {peak_per_second: 9000, mean_bytes: 200}
parity: {timezone: America/New_York, accept_late: 24h, from: 2024-03-08}
kpis:
  revised_hourly:
    grain: {hour: hour(ordered_at), shop: shop}
    segments: [shop]
    measures:
      orders: {count: "*"}
      revenue: {sum: amount}
      customers: {count_distinct: customer}
      largest: {max: amount}
      smallest: {min: quantity}
    batch: {model: revised_hourly, events: revised_events}
  revised_daily:
    grain: {day: day(ordered_at), coupon: coupon, shop: shop}
    segments: [coupon, shop]
    measures:
      orders: {count: "*"}
      revenue: {sum: amount}
    batch: {model: revised_daily, events: revised_events}
gates:
  sign_offs: {data_owner: 1}
"""
SCHEMA = """{"type": "record", "name": "Order", "namespace": "shop", "fields": [
 {"name": "order_id", "type": "string", "doc": "Identity"},
 {"name": "version", "type": "int", "doc": "Grows with every revision"},
 {"name": "ordered_at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "When, UTC"},
 {"name": "shop", "type": "string", "doc": "Where"},
 {"name": "coupon", "type": ["null", "string"], "default": null, "doc": "Which coupon, if any"},
 {"name": "customer", "type": ["null", "string"], "default": null, "doc": "Who, if known"},
 {"name": "quantity", "type": ["null", "int"], "default": null, "doc": "Pieces, if known"},
 {"name": "amount", "doc": "Dollars",
  "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}}]}"""


@pytest.fixture(scope="module")
def revised(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(stack, tmp_path_factory.mktemp("migrations"), CONTRACT, SCHEMA) as found:
        yield found


def test_the_newest_version_in_time_counts_and_every_record_is_accounted_for(revised: Running) -> None:
    records = revised_feed.build(ORDERS)
    truth = revised_feed.truth(records)
    assert truth.late and truth.duplicates and len(truth.counted) < len(truth.accepted)
    # In two parts, so that rows that the second part moves stand in Postgres already.
    half = len(records) // 2
    for part in (records[:half], records[half:]):
        revised.produce((one.order_id.encode(), one.encoded(), one.arrival) for one in part)
        balance = revised.settled()

    assert balance == Balance(
        produced=len(records),
        bronze=len(records),
        silver=len(truth.accepted),
        late=len(truth.late),
        rejected=0,
        duplicates=len(truth.duplicates),
    )
    for table, wanted in (("silver", truth.accepted), ("late", truth.late)):
        found = revised.rows(f"{table}.revised__r1", "order_id, version, business_day, arrived_at")
        assert sorted(found) == sorted((o.order_id, o.version, o.day, o.arrival) for o in wanted), table

    def equal(kpi: str, columns: str, wanted: set[tuple[object, ...]]) -> None:
        def flushed() -> bool | None:
            return set(revised.kpi_rows(kpi, columns)) == wanted or None

        try:
            eventually(flushed, f"{len(wanted)} rows in {kpi}")
        except AssertionError:
            found = set(revised.kpi_rows(kpi, columns))
            raise AssertionError(f"{kpi} lacks {wanted - found} and has {found - wanted}") from None
        assert len(revised.kpi_rows(kpi, columns)) == len(wanted)

    equal(
        "revised_hourly",
        "hour, shop, orders, revenue, customers, largest, smallest, updated_through",
        truth.hours(),
    )
    equal("revised_daily", "day, coupon, shop, orders, revenue", truth.days())


def test_a_group_that_is_emptied_by_a_move_leaves_no_row(revised: Running) -> None:
    days = revised.kpi_rows("revised_daily", "day, coupon, orders, grain_key, shop")
    left = [row for row in days if row[4] == "moves-away"]

    assert [(str(day), coupon, orders) for day, coupon, orders, *_ in left] == [("2024-03-10", "spring", 1)]
    assert [key for *_, key, _ in left] == ['["2024-03-10","spring","moves-away"]']


def test_cells_without_a_value_stand_beside_those_whose_value_reads_the_same(revised: Running) -> None:
    keys = revised.kpi_rows("revised_daily", "coupon, grain_key, day, shop")

    for coupon, key, day, shop in keys:
        if coupon is None:
            assert key == f'["{day}",null,"{shop}"]'
    assert {"null", None, ""} <= {coupon for coupon, *_ in keys}
    assert len({key for _, key, *_ in keys}) == len(keys)


def test_no_job_has_restarted(revised: Running) -> None:
    assert revised.restarts() == {"ingest": 0, "revision": 0}
