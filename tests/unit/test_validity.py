"""The producer's rules give the decoder's answers, in its words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.event_values import Instant, Refused
from slipway.domain.instants import NotAnInstant, micros_of
from slipway.domain.validity import Validity
from slipway.domain.wire import check_json
from tests.decoder_cases import Case, cases, migration, table

VALIDITY = Validity(migration())
ARRIVED = int(table()["arrived_at_millis"])
GOOD: dict[str, Any] = {"event_id": "e1", "kind": "D", "event_time": "2013-03-08T11:00:00Z"}


@pytest.mark.parametrize("case", cases(), ids=lambda case: repr(case.value[:60]))
def test_every_case_of_the_shared_table_has_its_reason(case: Case) -> None:
    try:
        check_json(VALIDITY, case.value, ARRIVED)
    except Refused as refused:
        assert str(refused) == case.reason
    else:
        assert case.reason is None


def test_a_tombstone_is_no_event() -> None:
    with pytest.raises(Refused, match=r"^null value$"):
        check_json(VALIDITY, None, ARRIVED)


def test_values_of_python_are_taken_for_what_they_are() -> None:
    there = datetime(2013, 3, 8, 6, tzinfo=timezone(timedelta(hours=-5)))
    event = {**GOOD, "event_time": there, "flight_date": date(2013, 3, 8), "price": Decimal("1.50")}

    found = VALIDITY.check(event.items(), ARRIVED)

    assert found.values["event_time"] == Instant(micros_of("2013-03-08T11:00:00Z"))
    assert (found.values["flight_date"], found.values["price"]) == (date(2013, 3, 8), Decimal("1.5"))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (
            "event_time",
            datetime(2013, 3, 8),  # noqa: DTZ001
            "event_time: '2013-03-08T00:00:00' is not an instant in ISO",
        ),
        ("event_time", date(2013, 3, 8), "event_time: '2013-03-08' is not an instant in ISO"),
        ("flight_date", datetime(2013, 3, 8, tzinfo=UTC), "flight_date: '2013-03-08T00:00:00"),
        ("share", float("nan"), "share: 'nan' is not a number"),
        ("share", float("inf"), "share: 'inf' does not fit: its magnitude"),
        ("price", Decimal("NaN"), "price: 'NaN' is not a number"),
        ("price", Decimal("1.234"), "price: '1.234' does not fit into decimal"),
        ("dep_delay", True, "dep_delay: 'true' is not an integer"),
        ("gate", b"bytes", "gate: 'b'bytes'' is not a string"),
        ("gate", {"a": 1}, "gate: an object is not a string"),
        ("gate", (1,), "gate: an array is not a string"),
        ("passenger", 5, "passenger: its value is not a string"),
    ],
)
def test_what_json_can_not_hold_is_told_in_the_same_words(field: str, value: Any, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        VALIDITY.check({**GOOD, field: value}.items(), ARRIVED)
    assert str(refused.value).startswith(reason)


def test_a_number_longer_than_any_reader_takes_is_beyond_the_limits() -> None:
    with pytest.raises(Refused, match="beyond the limits"):
        VALIDITY.check({**GOOD, "dep_delay": 10**5000}.items(), ARRIVED)


def test_fields_that_the_schema_does_not_have_are_named() -> None:
    assert VALIDITY.check({**GOOD, "colour": "red"}.items(), ARRIVED).unknown == ("colour",)


@given(st.integers(-62_135_510_400_000_000, 253_402_128_000_000_000))
def test_an_instant_in_text_is_the_instant_that_python_knows(micros: int) -> None:
    aware = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    assert micros_of(aware.isoformat()) == micros
    assert Instant(micros).as_datetime() == aware


@given(st.text(max_size=30))
def test_any_other_text_is_no_instant_and_nothing_else_happens(text: str) -> None:
    try:
        micros_of(text)
    except NotAnInstant:
        return
    assert "T" in text.upper()
