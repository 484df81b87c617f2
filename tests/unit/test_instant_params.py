"""Instants that people give to a DAG, before anything is touched."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from slipway.errors import Permanent
from slipway.orchestration.params import parsed_instant


def test_an_instant_is_read_in_utc_and_nothing_is_none() -> None:
    assert parsed_instant("2013-03-01T06:00:00-05:00", "as_of") == datetime(2013, 3, 1, 11, tzinfo=UTC)
    assert parsed_instant("", "as_of") is parsed_instant(None, "as_of") is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tomorrow", "expected an instant such as"),
        ("2013-03-01T06:00", "has no zone"),
        ("2013-03-01", "has no zone"),
        ("0001-01-01T00:00:00+14:00", "outside of the calendar"),
    ],
)
def test_what_is_no_instant_is_refused_with_its_name(given: str, said: str) -> None:
    with pytest.raises(Permanent, match=rf"as_of is '.*{said}"):
        parsed_instant(given, "as_of")
