"""A month on real parts: closed and signed, then amended, rebuilt and edited; and what the nights say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from slipway.app import close
from slipway.app.maintain import maintain
from slipway.app.reconcile import reconcile
from slipway.app.verify import verify
from slipway.domain.evidence import Verdict
from slipway.ports import Actor, Amendment, Reconciliation
from tests.fakes.night import ANA
from tests.fakes.two_sides import migration as trips
from tests.integration.scratch import database
from tests.integration.test_reconcile import Night, trip
from tests.stack import Stack

RITA = Actor("rita", authenticated=True, dag_run="manual__2")
THIRD, FIFTH, LAST_BUT_ONE = (date(2026, 3, day) for day in (3, 5, 30))


@pytest.fixture
def month(stack: Stack, tmp_path: Path) -> Iterator[Night]:
    with (
        database(stack, "slipway_warehouse") as server,
        database(stack, "slipway_ledger") as ledger,
    ):
        found = Night(stack, server, ledger, tmp_path, trips(reconcile_back="4d"), days=31)
        yield found
        found.admin.delete_topics([found.topic])[found.topic].result(30)


def close_run(month: Night) -> Reconciliation:
    wanted = close.wanted(month.migration, "2026-03", RITA)
    return reconcile(
        month.migration, month.as_of, month.world, RITA, patience=timedelta(seconds=5), period=wanted
    )


def signed(month: Night, run: Reconciliation) -> None:
    _, closed = close.sign_off(month.migration, "data_owner", "approve", run.digest, "seen", ANA, month.world)
    assert closed is not None


def rebuild(month: Night, run_id: str) -> None:
    """Build the batch side anew from its events, as dbt does."""
    fold = month.migration.kpis["trips_daily"].fold("postgres", "batch.trip_events")
    month.run(
        f"DROP TABLE batch.trips_daily; CREATE TABLE batch.trips_daily AS {fold};"
        "INSERT INTO batch.slipway_run (migration, run_id, as_of, loaded_through, ok)"
        f" VALUES ('trips', '{run_id}', '{month.as_of}', '{month.as_of}', true)"
    )


def amend(month: Night, day: date, offset: int) -> None:
    """Let the late row count: ledger, journal and the day's rows, as an amendment leaves them."""
    row = next(found for found, place in month.sides.late if place == offset)
    month.ledger.open_amendment(
        Amendment(
            0, "trips", 1, (day,), 1, 1, "ana", "the meter was offline", "applied", month.world.clock.now()
        )
    )
    fold = month.migration.kpis["trips_daily"].fold("postgres", "ops.streamed")
    month._events("ops.late_row", [row])
    month.run(
        "INSERT INTO stream.amendment (migration, amendment_id, revision, days, late_snapshot, rows,"
        " actor, reason, dag_run, at)"
        f" VALUES ('trips', 1, 1, ARRAY['{day}'::date], 1, 1, 'ana', 'the meter was offline', '', now());"
        "INSERT INTO stream.amended_event (migration, revision, amendment_id, event_id,"
        " business_day, kafka_partition, kafka_offset)"
        f" VALUES ('trips', 1, 1, '{row.trip_id}', '{day}', 0, {offset});"
        "INSERT INTO ops.streamed SELECT * FROM ops.late_row;"
        f"DELETE FROM stream.trips_daily__r1 WHERE day = '{day}';"
        f"INSERT INTO stream.trips_daily__r1 SELECT * FROM ({fold}) AS f WHERE day = '{day}'"
    )


def told(document: Any) -> set[tuple[str, str, str]]:
    return {(row["day"], row["side"], row["cause"]) for row in document["restatements"]}


def test_a_month_is_closed_and_what_moves_afterwards_is_told(month: Night) -> None:
    for n in range(62):
        month.sides.batch.append(trip(n, n % 31, None if n % 4 == 0 else "N"))
        month.sides.accept(month.sides.batch[-1])
    offset = month.sides.come_late(trip(62, 2))
    month.publish()

    run = close_run(month)
    signed(month, run)
    document = month.store.get(run.digest)
    assert (run.verdict, run.period) == (Verdict.PASS, "2026-03")
    assert len(document["days"]["closed"]) == 31
    assert document["restatements"] == []

    # A late record is let in; dbt builds the batch side with it, but without an event of another day; and
    # somebody edits a row.
    amend(month, THIRD, offset)
    month.run(
        "INSERT INTO batch.trip_events SELECT * FROM ops.late_row;"
        "DELETE FROM batch.trip_events WHERE trip_id = 't29'"
    )
    rebuild(month, "dbt-2")
    month.run(f"UPDATE stream.trips_daily__r1 SET fares = fares + 1 WHERE day = '{FIFTH}' AND zone = 'N'")
    night = month.reconciled()
    restated = month.store.get(night.digest)
    assert len(restated["days"]["closed"]) == 4
    assert [found.id for found in month.ledger.reconciliations("trips")] == [night.id]
    assert told(restated) == {
        (THIRD.isoformat(), "stream", "amendment"),
        (THIRD.isoformat(), "batch", "baseline"),
        (LAST_BUT_ONE.isoformat(), "batch", "baseline"),
        (FIFTH.isoformat(), "stream", "unexplained"),
    }
    reasons = {(row["day"], row["side"]): row["reason"] for row in restated["restatements"]}
    assert reasons[THIRD.isoformat(), "stream"] == "amendment 1 by ana: the meter was offline"
    # The third is older than a night looks back, so there the walk says nothing of it.
    assert reasons[THIRD.isoformat(), "batch"].endswith("with other numbers in dbt run dbt-2")
    assert reasons[LAST_BUT_ONE.isoformat(), "batch"].endswith("differs from the stream by not in batch")
    [row] = [row for row in restated["restatements"] if row["cause"] == "unexplained"]
    assert (row["cell"], row["measure"]) == ({"day": FIFTH.isoformat(), "zone": "N"}, "fares")
    assert int(row["now"]) == int(row["was"]) + 1
    assert len(month.ledger.restatements("trips")) == len(restated["restatements"])
    assert [incident["severity"] for incident in month.ledger.incidents("trips")] == ["error"]

    # The signed numbers are still found again, from tagged snapshots and kept rows.
    maintain(month.migration, month.world, ANA, snapshots_kept=timedelta(0))
    verified = verify(month.migration, run.digest, month.world)
    assert verified.same, verified.differences
    assert verified.folded_again

    # Closed again on new evidence, the month has nothing to restate.
    month.run("INSERT INTO batch.trip_events SELECT * FROM ops.streamed WHERE trip_id = 't29'")
    fold = month.migration.kpis["trips_daily"].fold("postgres", "ops.streamed")
    month.run(f"DELETE FROM stream.trips_daily__r1; INSERT INTO stream.trips_daily__r1 {fold}")
    rebuild(month, "dbt-3")
    second = close_run(month)
    assert second.verdict is Verdict.PASS
    assert told(month.store.get(second.digest)) == {
        (THIRD.isoformat(), "stream", "amendment"),
        (THIRD.isoformat(), "batch", "baseline"),
    }
    signed(month, second)
    first, newest = month.ledger.closes("trips")
    assert (newest.supersedes, newest.digest) == (first.id, second.digest)
