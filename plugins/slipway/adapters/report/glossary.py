"""What each cause and each kind of hidden difference means, for a reader who has nothing but the page."""

from __future__ import annotations

from collections.abc import Mapping

from slipway.domain.evidence import Cause

MEANINGS: Mapping[Cause, tuple[str, str]] = {
    Cause.DEFINITION: (
        "batch",
        "The batch table is not what its own events add up to: another formula, time zone or join.",
    ),
    Cause.DUPLICATE_IN_BATCH: ("batch", "The batch counts one event more than once."),
    Cause.TIME_BUCKET: ("either", "Both sides have the event, but at another time, so in another cell."),
    Cause.VALUE: ("either", "Both sides have the event, with other values in a field that the KPI uses."),
    Cause.DIMENSION: ("either", "A looked-up value has changed since the stream took the event in."),
    Cause.LATE: ("source", "The event came after its day had closed and waits aside until somebody decides."),
    Cause.REJECTED: (
        "source",
        "The record could not be taken for an event and lies in the dead-letter topic.",
    ),
    Cause.LOST_IN_STREAM: ("stream", "The record arrived and is good, but no table of the stream has it."),
    Cause.NOT_ARRIVED: ("source", "The batch has the event; the topic never got it."),
    Cause.AFTER_BATCH_CUT: ("batch", "The stream has the event already; the batch had loaded before."),
    Cause.NOT_IN_BATCH: (
        "batch",
        "The stream has the event, and the batch, which had loaded later, lacks it.",
    ),
    Cause.DUPLICATE_IN_STREAM: ("stream", "The stream counts one event more than once."),
    Cause.ENGINE: ("stream", "What readers would get is not what the stream's own events add up to."),
}
"""Whose it is (batch, stream, source or either), and what it means."""

HIDDEN_KINDS: Mapping[str, str] = {
    "batch_only": "only the batch has them",
    "stream_only": "only the stream has them",
    "differs": "both have them, with other values",
    "copies": "both have them, not equally often",
}
