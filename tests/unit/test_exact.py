"""Numbers of more than 28 digits, which Python's own decimal context would round."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from slipway.domain.evidence import canonical
from slipway.domain.exact import plain, scaled
from slipway.domain.restatements import text
from slipway.domain.waivers import Used

WIDE = 12345678901234567890123456789012345678


def test_a_sum_of_38_digits_keeps_its_last_one() -> None:
    # A measure with 18 places, such as an amount of a currency on a chain, has 28 digits at ten billion.
    assert plain(scaled(WIDE, 18)) == "12345678901234567890.123456789012345678"
    assert scaled(WIDE, 18) != scaled(WIDE + 1, 18)


def test_evidence_of_sums_that_differ_in_their_last_digit_differs() -> None:
    assert canonical({"sum": scaled(WIDE, 18)}) != canonical({"sum": scaled(WIDE + 1, 18)})
    assert text(scaled(WIDE, 18)) == "12345678901234567890.123456789012345678"


@pytest.mark.parametrize(("value", "said"), [("0.00", "0"), ("1E+3", "1000"), ("-2.50", "-2.5")])
def test_text_has_neither_exponent_nor_trailing_zeros(value: str, said: str) -> None:
    assert plain(Decimal(value)) == said


def test_a_share_of_very_little_is_told_however_large_it_is() -> None:
    used = Used(1, date(2026, 3, 1), "fare", scaled(10**37, 0), Decimal("0.0001"), covers=False)
    assert used.share == Decimal(10**41)
    assert canonical({"at": datetime(2026, 3, 1, tzinfo=UTC), "share": used.share}).endswith(b'0"}')
