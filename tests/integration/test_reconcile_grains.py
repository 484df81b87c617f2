"""A night of hours and of a month, over revised events and unknown segments, on real parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from slipway.app.verify import verify
from slipway.domain.evidence import Verdict
from tests.fakes.two_sides import FIRST, Trip, migration
from tests.integration.scratch import database
from tests.integration.test_reconcile import NOON, Night
from tests.stack import Stack

UNITS = {"trips_hourly": "hour(started)", "trips_monthly": "month(started)"}
MONTH_END = date(2026, 3, 31)


def trip(n: int, version: int = 1, **changes: object) -> Trip:
    started = NOON + timedelta(days=n, minutes=10 * n)
    plain = Trip(f"t{n}", f"r{n}", "A", started, None if n % 4 == 0 else "N", 100 * n, n / 4, 2**n, version)
    return plain.but(**changes)


@pytest.fixture
def night(stack: Stack, tmp_path: Path) -> Iterator[Night]:
    """A whole month has closed, of which the nightly look back sees the last fourteen days."""
    with (
        database(stack, "slipway_warehouse") as server,
        database(stack, "slipway_ledger") as ledger,
    ):
        found = Night(stack, server, ledger, tmp_path, migration(keep="latest", kpis=UNITS), days=31)
        yield found
        found.admin.delete_topics([found.topic])[found.topic].result(30)


def month_of_trips(night: Night, late: Trip | None = None) -> None:
    """A trip a day; every fifth is revised: another fare, an hour later. late: comes two days late."""
    for n in range(31):
        if late and n == int(late.trip_id[1:]) + 2:
            night.sides.come_late(late)
        one = trip(n)
        night.sides.accept(one, one.started)
        if n % 5 == 0:
            one = trip(n, 2, fare=7, started=one.started + timedelta(hours=1))
            night.sides.accept(one, one.started)
        night.sides.batch.append(one)


def test_revised_events_of_a_month_agree_in_every_hour_and_in_the_month(night: Night) -> None:
    month_of_trips(night)
    last = trip(30, 2, fare=7)
    night.sides.arrive("t30", NOON + timedelta(days=31), version=last.version)
    night.publish()

    found = night.reconciled()

    document = night.store.get(found.digest)
    assert found.verdict is Verdict.PASS, [f["what"] for f in document["findings"]]
    assert document["balance"]["duplicates"] == 1
    assert all(check["success"] for check in document["expectations"])
    [month] = document["kpis"]["trips_monthly"]["days"]
    assert (month["day"], month["verdict"]) == (MONTH_END.isoformat(), "PASS")
    trips = month["measures"]["trips"]
    assert (trips["cells"], trips["batch"], trips["recomputed"], trips["stream"]) == (2, 31, 31, 31)
    hours = document["kpis"]["trips_hourly"]["days"]
    assert hours[0]["day"] == (MONTH_END - timedelta(days=13)).isoformat()
    assert found.window_complete


def test_a_revision_that_came_late_is_named_in_its_hour_and_in_its_month(night: Night) -> None:
    revised = trip(20, 3, fare=5000)
    month_of_trips(night, late=revised)
    night.sides.batch[20] = revised
    night.publish()

    found = night.reconciled()

    assert found.verdict is Verdict.FAIL
    document = night.store.get(found.digest)
    hourly, monthly = (document["kpis"][name] for name in UNITS)
    day = (FIRST + timedelta(days=20)).isoformat()
    # 20:20 UTC is 16:20 in New York's summer; the stream still counts version 2, an hour later.
    assert {e["cell"]["day"] for e in hourly["examples"]} == {f"{day}T16:00-04:00", f"{day}T17:00-04:00"}
    assert {(e["cause"], e["ids"][0], e["cell"]["zone"]) for e in hourly["examples"]} == {
        ("late", "t20", None)
    }
    fares = [c for c in monthly["causes"] if c["measure"] == "fares"]
    assert [(c["day"], c["cause"], c["net"]) for c in fares] == [(MONTH_END.isoformat(), "late", 4993)]
    page = Path(found.report).read_text("utf-8")
    assert "16:00 (UTC-04:00) · unknown" in page
    assert "March 2026 · unknown" in page
    assert "the earliest day among its own and all accepted versions" in page

    night.run("TRUNCATE batch.trip_events; DROP TABLE batch.trips_hourly, batch.trips_monthly")
    verified = verify(night.migration, found.digest, night.world)
    assert verified.same, json.dumps(verified.differences)
    assert verified.folded_again
