"""What an invalid event is kept as among the dead letters is never another event that somebody accepts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.domain.event_values import Refused
from slipway.domain.validity import Validity
from slipway.domain.wire import check_json
from slipway.producer.dead_values import dead_value
from tests.decoder_cases import migration, table

ARRIVED = int(table()["arrived_at_millis"])
VALIDITY = Validity(migration())
GOOD: dict[str, Any] = {"event_id": "e1", "kind": "D", "event_time": "2013-03-08T11:00:00Z"}


class Odd:
    """A value whose own code fails."""

    def __repr__(self) -> str:
        raise ValueError("no")


WRONG_NAME: dict[Any, Any] = {**GOOD, 1: 2}
NAIVE, AWARE = datetime(2013, 3, 8), datetime(2013, 3, 8, tzinfo=UTC)  # noqa: DTZ001
ODD = [
    {1},
    b"x",
    b"",
    Decimal(1),
    Decimal("NaN"),
    NAIVE,
    AWARE,
    date(2013, 3, 8),
    object(),
    float("nan"),
]


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("field", sorted(VALIDITY.rules))
def test_a_field_that_was_refused_is_refused_again(field: str, value: object) -> None:
    event = {**GOOD, field: value}
    try:
        VALIDITY.check(event.items(), ARRIVED)
    except Refused:
        with pytest.raises(Refused):
            check_json(VALIDITY, dead_value(event, VALIDITY.rules), ARRIVED)


@pytest.mark.parametrize("event", [None, [GOOD], json.dumps(GOOD), WRONG_NAME, b"{}", Odd()])
def test_what_is_no_object_of_names_stays_none(event: object) -> None:
    with pytest.raises(Refused, match="not a json object"):
        check_json(VALIDITY, dead_value(event, VALIDITY.rules), ARRIVED)


def test_what_was_right_in_it_is_kept_as_its_rule_takes_it() -> None:
    right = {**GOOD, "event_time": datetime(2013, 3, 8, 11, tzinfo=UTC), "price": Decimal("1.50")}
    wrong = {**right, "dep_delay": {1}, "more": {"when": AWARE}}

    kept = json.loads(dead_value(wrong, VALIDITY.rules))

    assert kept["dep_delay"] == {"not_json": "{1}"}
    assert kept["more"] == {"when": {"not_json": repr(AWARE)}}
    mended = json.dumps({**kept, "dep_delay": 5}).encode()
    found = check_json(VALIDITY, mended, ARRIVED).values
    assert found == {**VALIDITY.check(right.items(), ARRIVED).values, "dep_delay": 5}


def test_an_event_that_holds_itself_or_a_number_without_end_is_kept_as_words() -> None:
    endless: dict[str, Any] = {"event_id": "e1"}
    endless["event_id"] = endless

    assert b"holds itself" in dead_value(endless, VALIDITY.rules)
    assert b"not_json" in dead_value({**GOOD, "dep_delay": 10**5000}, VALIDITY.rules)


_ANY = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.sampled_from(ODD)
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
)


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from([*VALIDITY.rules, "other"]), _ANY, max_size=6))
def test_no_event_that_is_refused_is_taken_as_a_dead_letter(changes: dict[str, Any]) -> None:
    event = {**GOOD, **changes}
    try:
        VALIDITY.check(event.items(), ARRIVED)
    except Refused:
        with pytest.raises(Refused):
            check_json(VALIDITY, dead_value(event, VALIDITY.rules), ARRIVED)
