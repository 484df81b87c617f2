"""Which tables and days maintenance touches, and what it tells."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from slipway.app.maintain import maintain, table
from slipway.app.tables import bronze_table
from slipway.errors import Retryable
from slipway.faults import InjectedFault
from tests.fakes.amending import ANA, MONDAY, TUESDAY, WEDNESDAY, Amending, event
from tests.fakes.lake import FakeLake


@pytest.fixture
def amending(tmp_path: Path) -> Amending:
    made = Amending(FakeLake(tmp_path))
    made.lake.ensure(bronze_table(made.migration))
    for n in range(3):
        made.accept(
            event(f"m{n}", MONDAY, n), event(f"t{n}", TUESDAY, 10 + n), event(f"w{n}", WEDNESDAY, 20 + n)
        )
    return made


def test_closed_days_are_compacted_and_every_table_is_recorded(amending: Amending) -> None:
    done = maintain(amending.migration, amending.world, ANA)

    by_table = {one.table: one for one in done}
    assert list(by_table) == ["bronze.parcels", "silver.parcels__r1", "late.parcels__r1"]
    silver = by_table["silver.parcels__r1"]
    assert (silver.files_before, silver.files_after, silver.rows_after) == (6, 2, 6)
    assert amending.ledger.maintained == list(done)


def test_before_the_first_reconciliation_nothing_is_compacted(amending: Amending) -> None:
    amending.ledger.closed_through = None

    done = maintain(amending.migration, amending.world, ANA)

    assert {(one.files_before, one.files_after) for one in done} == {(0, 0)}


def test_maintenance_waits_for_whoever_holds_the_migration(amending: Amending) -> None:
    amending.ledger.locked = True

    with pytest.raises(Retryable):
        maintain(amending.migration, amending.world, ANA)


def test_snapshots_of_evidence_that_counts_no_more_expire_and_others_stay(amending: Amending) -> None:
    lake, table = amending.lake, "silver.parcels__r1"
    present = amending.world.clock.now()
    digests = {name: name * 64 for name in "abcdef"}
    lake.tag(table, lake.snapshot(table) or 0, f"close-2024-01-{digests['a'][:16]}")
    for name in "abcdef":
        amending.accept(event(f"x{name}", WEDNESDAY, 40 + ord(name)))
        lake.tag(table, lake.snapshot(table) or 0, f"evidence-{digests[name][:16]}")
    amending.accept(event("last", WEDNESDAY, 200))
    ages = {"e": 1, "d": 2, "c": 40, "b": 41}  # f is the newest night; nobody knows a night of a
    amending.ledger.older_nights = [
        SimpleNamespace(digest=digests[name], at=present - timedelta(days=age)) for name, age in ages.items()
    ]
    amending.ledger.words = [SimpleNamespace(evidence=digests["b"])]

    maintain(amending.migration, amending.world, ANA, timedelta(0))

    assert sorted(name[9] for name in lake.tags(table) if name.startswith("evidence-")) == list("abdef")
    assert f"close-2024-01-{'a' * 16}" in lake.tags(table)


def test_after_a_crash_a_second_run_does_what_was_left(
    amending: Amending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_FAIL_AT", "maintain.before_table")
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    with pytest.raises(InjectedFault):
        maintain(amending.migration, amending.world, ANA)
    assert not amending.ledger.locked

    monkeypatch.delenv("SLIPWAY_FAIL_AT")
    maintain(amending.migration, amending.world, ANA)

    assert len(amending.ledger.maintained) == 3


def test_what_was_done_is_a_table_that_a_person_can_read(amending: Amending) -> None:
    lines = table(maintain(amending.migration, amending.world, ANA, timedelta(0))).splitlines()

    assert lines[0].split()[:3] == ["table", "files", "KiB"]
    assert lines[2].startswith("silver.parcels__r1  6 -> 2")
    assert "6 -> 6  yes" in lines[2]
