"""Every record below the cut is counted where it stands, and what is missing is seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from slipway.domain.accounting import Counted
from slipway.domain.evidence import Balance
from tests.fakes.two_sides import Trip, TwoSides

NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)


def trip(n: int) -> Trip:
    return Trip(f"t{n}", f"r{n}", "A", NOON + timedelta(minutes=n), "N", 100, 1.5, 2**n)


def counted(sides: TwoSides, end: int | None = None) -> Counted:
    offsets = {0: len(sides.bronze) if end is None else end}
    return sides.comparison().count(sides.migration, sides.files(), offsets, {0: 0})


def test_each_kind_of_record_is_counted_in_its_own_place(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    for n in range(4):
        sides.accept(trip(n))
    sides.arrive("t1")  # dropped by the deduplication
    sides.come_late(trip(7))
    sides.arrive("t7")
    sides.reject("r9")

    found = counted(sides)

    assert found.balance == Balance(produced=8, bronze=8, silver=4, late=1, rejected=1, duplicates=2)
    assert found.balance.closes
    assert found.missing == 0


def test_records_that_were_dead_letters_are_counted_beside_where_they_went(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    sides.accept(trip(0))
    sides.reject("r1")
    sides.arrive("t0", headers=[("slipway_replay_of", b"0:0"), ("other", b"")])
    sides.arrive("t0", headers=[("other", b"slipway_replay_of")])

    found = counted(sides)

    assert found.balance == Balance(4, 4, 1, 0, 1, 2, replayed=1)
    assert found.balance.closes
    assert counted(sides, end=2).balance.replayed == 0


def test_a_late_row_whose_id_was_taken_earlier_is_a_duplicate(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    sides.accept(trip(1))
    sides.come_late(trip(1))

    assert counted(sides).balance == Balance(2, 2, 1, 0, 0, 1)


def test_a_valid_record_that_no_table_took_is_unaccounted_and_no_duplicate(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    sides.arrive("t1")  # comes before the one that silver took, so it can't be its duplicate
    sides.accept(trip(1))
    sides.arrive("t2")

    found = counted(sides)

    assert found.unaccounted == 2
    assert not found.balance.closes


def test_a_record_that_two_tables_took_breaks_the_balance(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    sides.accept(trip(1))
    sides.silver.append(sides.silver[0])

    found = counted(sides)

    assert found.missing == 0
    assert not found.balance.closes


def test_records_that_bronze_lacks_are_named_by_partition(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    sides.accept(trip(1))

    found = counted(sides, end=3)

    assert found.absent == {0: 2}
    assert found.balance.produced == 3


def test_records_beyond_the_cut_do_not_count(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    sides.accept(trip(1))
    sides.accept(trip(2))

    assert counted(sides, end=1).balance == Balance(1, 1, 1, 0, 0, 0)


def test_an_arrival_that_goes_back_in_time_is_found_and_one_that_stands_still_is_not(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    for at in (NOON, NOON, NOON - timedelta(seconds=1), NOON):
        sides.accept(trip(len(sides.bronze)), at)

    assert counted(sides).backwards == ((0, 2),)
    assert counted(sides).last_arrival == {0: NOON}
