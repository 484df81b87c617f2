"""Params of the DAGs: forms for people, JSON schema for Airflow, and the check that Airflow leaves out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from airflow.sdk import Param

from slipway.errors import Permanent


def instant(description: str) -> Param:
    """Return a param for an instant with a zone, empty by default."""
    return Param(None, type=["null", "string"], format="date-time", description=description)


def reason(description: str = "Why; kept in the journal for whoever reads it later") -> Param:
    """Return a param for a sentence that must be given."""
    return Param("", type="string", maxLength=500, description=description)


def refuse_unknown(given: Mapping[str, Any] | None, known: Mapping[str, Any]) -> None:
    """Refuse keys of a run's conf that the DAG does not have; Airflow itself lets them through.

    Raises Permanent with the nearest known key.
    """
    for key in given or {}:
        if key in known:
            continue
        near = difflib.get_close_matches(key, list(known), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
        raise Permanent(f"the run was given the unknown key {key!r}; {hint}. Nothing was touched.")


def parsed_instant(value: str | None, name: str) -> datetime | None:
    """Return an aware instant in UTC; Permanent when the text has no zone."""
    if not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise Permanent(
            f"{name} is {value!r}; expected an instant such as 2013-03-01T06:00:00-05:00"
        ) from error
    if found.tzinfo is None:
        raise Permanent(
            f"{name} is {value!r}, which has no zone; write 2013-03-01T06:00:00-05:00 or end it with Z"
        )
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise Permanent(f"{name} is {value!r}, which lies outside of the calendar in UTC") from error


def needed_reason(params: Mapping[str, Any]) -> str:
    """Return the given reason; Permanent when a person left it empty."""
    text = str(params.get("reason") or "").strip()
    if not text:
        raise Permanent("the param `reason` is empty; say in a sentence why, it is kept in the journal")
    return text


def refuse_beside(params: Mapping[str, Any], chosen: str, others: Sequence[str]) -> None:
    """Refuse params that mean nothing beside another one; Permanent names the first of them."""
    for other in others:
        if params.get(other):
            raise Permanent(
                f"the run was given `{chosen}` and `{other}`, which contradict each other; leave one of them"
                " empty. Nothing was touched."
            )


def first_and_last(days: Sequence[str]) -> tuple[date, date]:
    """Return the first and the last of one or two days; Permanent when there are others or none."""
    try:
        found = [date.fromisoformat(day) for day in days]
    except ValueError as error:
        raise Permanent(f"days are {', '.join(days)}; expected dates such as 2013-02-27") from error
    if len(found) not in (1, 2):
        raise Permanent(
            f"days names {len(found)} days; expected one, or the first and the last, such as 2013-02-27"
        )
    return found[0], found[-1]
