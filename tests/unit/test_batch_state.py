"""A baseline that can't be compared with: old, failed, still building and loaded early are told apart."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from slipway.app.batch_state import wrong_with
from slipway.ports import BatchRun

AS_OF = datetime(2026, 3, 5, 6, tzinfo=UTC)
DAY = date(2026, 3, 3)
HOUR = timedelta(hours=1)


def run(
    as_of: datetime = AS_OF, loaded: datetime = AS_OF, *, ok: bool = True, building: bool = False
) -> BatchRun:
    return BatchRun("dbt-7", as_of, loaded, ok, building)


@pytest.mark.parametrize(
    ("newest", "words"),
    [
        (None, "was never built"),
        (run(ok=False, building=True), "dbt-7 is still being built"),
        (run(ok=False), "dbt-7, failed"),
        (
            run(AS_OF - 30 * HOUR, AS_OF - 30 * HOUR),
            "is old, built as of 2026-03-04T00:00:00+00:00, 30 h before",
        ),
        (run(loaded=AS_OF - 9 * HOUR), "was loaded early, 9 h before the instant that it stands for"),
        (run(), "it has loaded arrivals until 2026-03-05T06:00:00+00:00 only, while the stream"),
    ],
)
def test_each_state_has_its_own_words(newest: BatchRun | None, words: str) -> None:
    told = wrong_with(newest, AS_OF, DAY, DAY - timedelta(days=1))

    assert words in told
    if newest is not None and newest.ok:
        assert "closed 3 March 2026; a day stays open until both have" in told


def test_an_old_baseline_that_has_every_closed_day_is_good_enough() -> None:
    assert wrong_with(run(AS_OF - 3 * HOUR, AS_OF - 3 * HOUR), AS_OF, DAY, DAY) == ""


@pytest.mark.parametrize("bad", [run(ok=False), run(ok=False, building=True), None])
def test_one_that_failed_or_is_not_done_is_not_whatever_it_holds(bad: BatchRun | None) -> None:
    assert wrong_with(bad, AS_OF, DAY, DAY)
