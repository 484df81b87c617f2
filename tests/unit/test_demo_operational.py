"""What the operational table knows at an instant, and what the command refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo import replay
from demo.flights import Flight
from demo.operational import known_at
from demo.replayer import replay as replay_until
from slipway.errors import Permanent

SCHEDULED = datetime(2013, 3, 8, 13, 30, tzinfo=UTC)
FLIGHT = Flight(
    flight_id="2013-03-08-UA-1-EWR",
    flight_date=SCHEDULED.date(),
    carrier="UA",
    flight=1,
    origin="EWR",
    dest="SFO",
    tailnum="N1",
    distance=2565,
    scheduled_departure=SCHEDULED,
    dep_delay=20,
    arr_delay=5,
    departed_at=SCHEDULED + timedelta(minutes=20),
    arrived_at=SCHEDULED + timedelta(hours=6),
    cancelled_at=None,
)


@pytest.mark.parametrize(
    ("at", "knows"),
    [
        (datetime(2013, 3, 8, 5, tzinfo=UTC), (None, None, None, None)),
        (SCHEDULED + timedelta(minutes=19), (None, None, None, None)),
        (SCHEDULED + timedelta(minutes=20), (20, None, FLIGHT.departed_at, None)),
        (SCHEDULED + timedelta(hours=6), (20, 5, FLIGHT.departed_at, FLIGHT.arrived_at)),
    ],
    ids=["midnight of its day", "a minute before departure", "departure", "arrival"],
)
def test_a_flight_is_known_as_far_as_it_has_come(at: datetime, knows: tuple[object, ...]) -> None:
    row = known_at(FLIGHT, at)

    assert row is not None
    assert row[9:13] == knows


def test_a_flight_is_not_known_before_its_day() -> None:
    assert known_at(FLIGHT, datetime(2013, 3, 8, 4, 59, tzinfo=UTC)) is None


@given(st.integers(min_value=0, max_value=2_000), st.integers(min_value=0, max_value=2_000))
def test_a_later_look_never_has_an_older_row(minutes: int, more: int) -> None:
    early = datetime(2013, 3, 8, 5, tzinfo=UTC) + timedelta(minutes=minutes)
    first, second = known_at(FLIGHT, early), known_at(FLIGHT, early + timedelta(minutes=more))

    assert first is not None
    assert second is not None
    assert first[-1] <= second[-1] <= early + timedelta(minutes=more)
    assert (first == second) == (first[-1] == second[-1])


def test_an_instant_without_a_zone_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        replay.main(["--to", "2013-03-01T06:00"])

    assert "no UTC offset" in capsys.readouterr().err
    with pytest.raises(Permanent, match="no time zone"):
        replay_until(datetime(2013, 3, 1), {}, {}, "topic")  # noqa: DTZ001


def test_a_missing_connection_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SLIPWAY_WAREHOUSE", raising=False)

    assert replay.main(["--prepare"]) == 1
    assert "AIRFLOW_CONN_SLIPWAY_WAREHOUSE is not set" in capsys.readouterr().err


def test_a_connections_extra_may_be_text_or_an_object() -> None:
    as_object = '{"extra": {"bootstrap.servers": "127.0.0.1:9"}}'
    as_text = '{"extra": "{\\"bootstrap.servers\\": \\"127.0.0.1:9\\"}"}'

    for connection in (as_object, as_text):
        environment = {"AIRFLOW_CONN_SLIPWAY_KAFKA": connection}
        assert replay.kafka_of(environment) == {"bootstrap.servers": "127.0.0.1:9"}
