"""Numbers as a reader sees them: never wrong by a digit that counts, never longer than their place."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.figures import compact, grouped, listed, number, percent, signed


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1234567, "1\u202f234\u202f567"),
        (1234.567, "1\u202f234.57"),
        ("0.001", "0.001"),
        ("0.00012345", "0.00012"),
        ("-0.5", "-0.5"),
        ("9007199254740993", "9\u202f007\u202f199\u202f254\u202f740\u202f993"),
        (None, "0"),
    ],
)
def test_a_number_is_grouped_and_keeps_its_first_digits(value: float | str | None, shown: str) -> None:
    assert grouped(number(value)) == shown


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40))
def test_what_is_not_zero_is_never_shown_as_zero(value: Decimal) -> None:
    assert (grouped(value).strip("-0.") == "") == (value == 0)
    assert (signed(value) == "0") == (value == 0)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40))
def test_the_compact_form_fits_and_keeps_the_sign(value: Decimal) -> None:
    short = compact(value)
    assert len(short) <= 5
    assert short.startswith({1: "+", -1: "\u2212", 0: "0"}[(value > 0) - (value < 0)])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-2803, "\u22122.8k"),
        (9_960, "+10k"),
        (999_700, "+1.0M"),
        (10**15 - 1, "+1e15"),
        (999, "+999"),
        (100.5, "+100"),
        (0.25, "+0.2"),
        (0.01, "+<0.1"),
        (10**18, "+1e18"),
    ],
)
def test_a_difference_in_few_characters(value: float, shown: str) -> None:
    assert compact(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0 %"), ("0.0297", "2.97 %"), ("0.000004", "0.0004 %"), (1, "100 %"), ("-0.5", "\u221250 %")],
)
def test_a_share_in_percent(share: float, shown: str) -> None:
    assert percent(number(share)) == shown


def test_words_are_listed_as_in_a_sentence() -> None:
    told = [listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])]
    assert told == ["", "a", "a and b", "a, b and c"]
