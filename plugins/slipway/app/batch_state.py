"""What is wrong with the baseline that a night would be held against, each state in words of its own."""

from __future__ import annotations

from datetime import date, datetime

from slipway.domain.spans import rough_span
from slipway.domain.window import spoken
from slipway.ports import BatchRun


def wrong_with(run: BatchRun | None, as_of: datetime, seen: date | None, closed: date | None) -> str:
    """Return why the batch side can't be compared as of an instant; empty when it can.

    seen: last business day that the stream has closed; closed: last one that both sides have.
    """
    if run is None:
        return "the baseline was never built"
    if run.building:
        return f"the baseline {run.run_id} is still being built, so its tables may be half new"
    if not run.ok:
        return f"the newest baseline, {run.run_id}, failed, so its tables may be half done"
    if seen == closed:
        return ""
    day = spoken(seen) if seen else "no day"
    stays = f"while the stream has closed {day}; a day stays open until both have"
    loaded = f"it has loaded arrivals until {run.loaded_through.isoformat()} only"
    if run.as_of < as_of:
        built = f"built as of {run.as_of.isoformat()}, {rough_span(as_of - run.as_of)} before"
        return f"the newest baseline is old, {built}; {loaded}, {stays}"
    if run.loaded_through < run.as_of:
        early = rough_span(run.as_of - run.loaded_through)
        return (
            f"the newest baseline was loaded early, {early} before the instant that it stands for; {loaded},"
            f" {stays}"
        )
    return f"{loaded}, {stays}"
