"""Evidence outlives what it was made from: dbt's tables, the lake's snapshots and what was amended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from slipway.app.verify import verify
from slipway.domain.evidence import Digest, Verdict
from slipway.errors import Permanent
from tests.fakes.two_sides import FIRST
from tests.integration.scratch import database
from tests.integration.test_reconcile import Night, trip
from tests.stack import Stack


@pytest.fixture
def night(stack: Stack, tmp_path: Path) -> Iterator[Night]:
    """Three days: one with a late event that was amended, one with an event that never arrived."""
    with (
        database(stack, "slipway_warehouse") as server,
        database(stack, "slipway_ledger") as ledger,
    ):
        found = Night(stack, server, ledger, tmp_path)
        for n in range(12):
            found.sides.batch.append(trip(n, n % 3, None if n % 4 == 0 else "N"))
            found.sides.accept(found.sides.batch[-1])
        found.sides.batch += [trip(20), trip(21, day=1)]
        found.sides.come_late(trip(20))
        found.publish()
        found.amend()
        yield found
        found.admin.delete_topics([found.topic])[found.topic].result(30)


def reconciled(night: Night) -> Digest:
    found = night.reconciled()
    assert found.verdict is Verdict.FAIL
    assert found.digest
    return found.digest


def run_dbt_again(night: Night) -> None:
    """Leave other numbers in every table that dbt and the jobs write."""
    night.run(
        "UPDATE batch.trips_daily SET trips = trips + 100; DELETE FROM batch.trip_events;"
        "UPDATE stream.trips_daily__r1 SET trips = trips + 7;"
        "DELETE FROM stream.amended_event"
    )


def expire_everything(night: Night, digest: Digest) -> None:
    """Write on, let the evidence's tags go, and clean up so that nothing of the cut's snapshots is left."""
    present = datetime.now(UTC) + timedelta(minutes=1)
    for table in night.tables:
        name = table.full_name
        if night.lake.snapshot(name) is None:
            continue
        loaded = night.lake._catalog.load_table(name)
        loaded.delete()  # every row: the newest snapshot reaches none of the old files
        for file in Path(loaded.location().removeprefix("file://")).rglob("*.parquet"):
            os.utime(file, (0, 0))
        assert night.lake.tags(name) == {
            f"evidence-{digest[:16]}": night.store.get(digest)["cut"]["snapshots"][name]
        }
        night.lake.untag(name, [f"evidence-{digest[:16]}"])
        done = night.lake.maintain(name, date.min, present, present)
        assert done.snapshots_expired >= 1


def test_evidence_is_found_again_after_dbt_has_run_again(night: Night) -> None:
    digest = reconciled(night)
    run_dbt_again(night)

    found = verify(night.migration, digest, night.world)

    assert found.same, found.differences
    assert found.folded_again
    assert night.reconciled().digest != digest


def test_evidence_is_found_again_when_snapshots_and_batch_tables_are_gone(night: Night) -> None:
    digest = reconciled(night)
    expire_everything(night, digest)
    night.run("DROP SCHEMA batch CASCADE; DROP SCHEMA stream CASCADE; DROP SCHEMA ops CASCADE")

    found = verify(night.migration, digest, night.world)

    assert found.same, found.differences
    assert not found.folded_again
    assert str(found).splitlines() == [
        f"evidence {digest[:12]}: same",
        "compared and walked again from what was kept: trips_daily",
        "silver was not folded again, for its snapshots are gone or what was amended is not there: its side"
        " is what was kept",
    ]


def test_a_tag_keeps_the_cuts_snapshots_for_the_fold(night: Night) -> None:
    digest = reconciled(night)
    for table in night.tables:
        if night.lake.snapshot(table.full_name) is not None:
            night.lake._catalog.load_table(table.full_name).delete()
            present = datetime.now(UTC) + timedelta(minutes=1)
            night.lake.maintain(table.full_name, FIRST, present, present)

    found = verify(night.migration, digest, night.world)

    assert found.same, found.differences
    assert found.folded_again


def test_a_kept_file_that_was_changed_is_told_and_a_changed_document_is_refused(night: Night) -> None:
    digest = reconciled(night)
    rows = night.store.path_of(night.store.get(digest)["kpis"]["trips_daily"]["kept"]["rows"])
    rows.chmod(0o644)
    content = rows.read_bytes()
    rows.write_bytes(content[:-1])

    [line] = verify(night.migration, digest, night.world).differences
    assert line.startswith(f"trips_daily.kept.rows: the kept file {rows.name[:12]} was changed")

    rows.write_bytes(content)
    assert verify(night.migration, digest, night.world).same

    document = night.store.path_of(digest)
    document.chmod(0o644)
    document.write_bytes(document.read_bytes().replace(b'"FAIL"', b'"PASS"', 1))
    with pytest.raises(Permanent, match="was changed after it was stored"):
        verify(night.migration, digest, night.world)
