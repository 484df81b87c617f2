"""The independent computation agrees with what is known about the data, so that others can be held to it."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.truth.flights import MEASURES, truth_flights, truth_kpis

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("first", "last", "rows", "totals"),
    [
        (
            date(2013, 2, 25),
            date(2013, 3, 12),
            507,
            {
                "scheduled": 14_936,
                "cancelled": 705,
                "departed": 14_231,
                "departed_on_time": 10_606,
                "arrived": 14_191,
                "arrived_on_time": 10_590,
                "delay_minutes": 271_404,
                "seats": 1_669_784,
            },
        ),
        (
            date(2013, 10, 28),
            date(2013, 11, 5),
            295,
            {
                "cancelled": 76,
                "departed": 8_289,
                "departed_on_time": 7_339,
                "arrived": 8_267,
                "arrived_on_time": 6_834,
                "delay_minutes": 54_799,
                "seats": 977_763,
            },
        ),
    ],
    ids=["start of daylight saving", "end of daylight saving"],
)
def test_the_totals_of_a_slice_are_the_known_ones(
    first: date, last: date, rows: int, totals: dict[str, int]
) -> None:
    kpis = truth_kpis(first, last)

    assert len(kpis) == rows
    assert kpis[list(totals)].sum().to_dict() == totals


def test_united_at_newark_on_the_day_of_the_storm() -> None:
    kpis = truth_kpis(date(2013, 3, 8), date(2013, 3, 8)).set_index(["origin", "carrier"])

    assert kpis.loc[("EWR", "UA"), MEASURES].to_dict() == {
        "scheduled": 131,
        "cancelled": 4,
        "departed": 127,
        "departed_on_time": 42,
        "arrived": 127,
        "arrived_on_time": 25,
        "delay_minutes": 9_519,
        "aircraft": 113,
        "seats": 21_940,
        "seats_unknown": 2,
    }


def test_at_six_in_the_morning_a_day_is_not_quite_over() -> None:
    day = date(2013, 2, 25)

    early = truth_kpis(day, day, datetime(2013, 2, 26, 0, 30, tzinfo=NEW_YORK))
    final = truth_kpis(day, day)

    assert early["departed"].sum() == final["departed"].sum()
    assert early["arrived"].sum() < final["arrived"].sum()


def test_lateness_over_the_year_is_the_known_one() -> None:
    flights = truth_flights(date(2013, 1, 1), date(2013, 12, 31))

    to_departure = (flights["departed_at"] - flights["scheduled_at"]).dt.total_seconds() / 60
    to_landing = (flights["arrived_at"] - flights["scheduled_at"]).dt.total_seconds() / 60

    assert to_departure.quantile([0.5, 0.95, 0.99, 1.0]).tolist() == [-2, 88, 191, 1301]
    assert to_landing.quantile([0.95, 1.0]).tolist() == [385, 1962]
