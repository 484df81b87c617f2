"""Waivers: a data owner accepts a cause of differences on cells of closed days, and may take that back."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from slipway.app.sign_off import NotEntitled
from slipway.domain.cells import CellsError, Where, checked
from slipway.domain.contract import Migration, choices_of
from slipway.domain.evidence import Cause, Verdict
from slipway.domain.masking import Masking
from slipway.domain.remarks import percent
from slipway.domain.waivers import DECIDES, WAIVABLE, Waiver
from slipway.domain.window import spoken
from slipway.errors import Permanent
from slipway.ports import Actor, World

_JUDGED = (Verdict.PASS, Verdict.FAIL)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks to be accepted, as it was typed.

    measures, segments: empty for all. at_most: share of a measure's batch value on a day. expires_at: UTC, or
    None.
    """

    kpi: str
    cause: str
    first_day: date
    last_day: date
    measures: tuple[str, ...]
    segments: Mapping[str, Sequence[str | None]]
    at_most: Decimal
    expires_at: datetime | None
    reason: str


def waive(migration: Migration, wish: Wish, by: Actor, world: World) -> Waiver:
    """Record a waiver; it counts from the next reconciliation on.

    NotEntitled when the person is not a proven data owner; Permanent with the reason when this can't be
    waived; Retryable while somebody else holds the migration's lock.
    """
    _refuse_others(migration, by)
    cause = _cause(wish.cause)
    _refuse_unknown(migration, wish)
    segments = _segments(migration, wish)
    _refuse_bounds(migration, wish, world)
    with world.ledger.lock(migration.name):
        _refuse_open_days(migration, wish, world)
        return world.ledger.waive(
            Waiver(
                id=0,
                migration=migration.name,
                kpi=wish.kpi,
                cause=cause,
                measures=wish.measures,
                first_day=wish.first_day,
                last_day=wish.last_day,
                segments=segments,
                at_most=wish.at_most,
                expires_at=wish.expires_at,
                parity_digest=migration.parity_digest,
                role=DECIDES,
                by=by.name,
                reason=wish.reason.strip(),
                at=world.clock.now(),
                dag_run=by.dag_run,
            )
        )


def withdraw(migration: Migration, waiver_id: int, reason: str, by: Actor, world: World) -> Waiver:
    """Record the end of a waiver; the next reconciliation judges its cells as if it had never been.

    NotEntitled when the person is not a proven data owner; Permanent when there is no such waiver, or it has
    ended; Retryable while somebody else holds the migration's lock.
    """
    _refuse_others(migration, by)
    if not reason.strip():
        raise Permanent("a withdrawal needs a reason: say in a sentence why the waiver is no longer meant")
    with world.ledger.lock(migration.name):
        known = {one.id for one in world.ledger.waivers(migration.name)}
        if waiver_id not in known:
            listed = ", ".join(map(str, sorted(known))) or "none"
            raise Permanent(f"{migration.name} has no waiver {waiver_id}; it has {listed}")
        return world.ledger.withdraw_waiver(waiver_id, by, reason.strip())


def told(waiver: Waiver) -> str:
    """Return a waiver in a sentence."""
    days = (
        spoken(waiver.first_day)
        if waiver.first_day == waiver.last_day
        else f"{spoken(waiver.first_day)} to {spoken(waiver.last_day)}"
    )
    cells = "; ".join(
        f"{column} {' or '.join('none' if value is None else value for value in values)}"
        for column, values in waiver.segments.items()
    )
    measures = ", ".join(waiver.measures) or "every measure"
    return (
        f"waiver {waiver.id}: {waiver.cause} in {measures} of {waiver.kpi},"
        f" {days}{f', where {cells}' if cells else ''}, at most {percent(waiver.at_most)} of batch a day;"
        f" {waiver.by} ({waiver.role}): {waiver.reason}"
    )


def state_of(waiver: Waiver, migration: Migration, now: datetime) -> str:
    """Return in a few words whether a waiver stands, and if not, why."""
    if waiver.withdrawn is not None:
        return f"withdrawn by {waiver.withdrawn.by}: {waiver.withdrawn.reason}"
    if waiver.expires_at is not None and now >= waiver.expires_at:
        return "expired"
    if waiver.parity_digest != migration.parity_digest:
        return "void: the KPIs mean something else since"
    return "stands"


def _refuse_others(migration: Migration, by: Actor) -> None:
    holders = migration.contract.owners.get(DECIDES, ())
    if not by.authenticated or by.name not in holders:
        proven = "" if by.authenticated else ", and the name is not proven (log in to Airflow)"
        raise NotEntitled(
            f"{by.name} may not waive differences of {migration.name}{proven}; its {DECIDES} may: "
            f"{', '.join(holders) or 'nobody'} (owners in the contract)"
        )


def _cause(text: str) -> Cause:
    names = [cause.value for cause in WAIVABLE]
    if text in names:
        return Cause(text)
    if text in set(Cause):
        raise Permanent(
            f"{text} is the stream's own fault and can't be waived: mend it, replay the revision and"
            f" reconcile again. Causes that can be: {', '.join(names)}"
        )
    near = difflib.get_close_matches(text, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
    raise Permanent(f"there is no cause {text!r}; {hint}")


def _refuse_unknown(migration: Migration, wish: Wish) -> None:
    if wish.kpi not in migration.kpis:
        raise Permanent(
            f"{migration.name} has no KPI {wish.kpi!r}; it has {', '.join(migration.contract.kpis)}"
        )
    measures = [measure.name for measure in migration.kpis[wish.kpi].measures]
    if unknown := [name for name in wish.measures if name not in measures]:
        raise Permanent(f"{wish.kpi} has no measure {unknown[0]!r}; it has {', '.join(measures)}")
    if not wish.reason.strip():
        raise Permanent("a waiver needs a reason: say in a sentence why the difference is accepted")


def _segments(migration: Migration, wish: Wish) -> Where:
    kpi = migration.kpis[wish.kpi]
    choices = choices_of(kpi.grain, kpi.time, migration.schema)
    personal = Masking.of(migration.schema).personal
    for part in kpi.grain:
        if part.name in wish.segments and part.source.name in personal:
            raise Permanent(
                f"{part.name} is personal (pii), and a waiver stands in the evidence for everybody to read;"
                " name its cells by another column"
            )
    for column, values in wish.segments.items():
        if not values:
            raise Permanent(f"segments names {column} without a value; give its values, or leave it out")
    try:
        return checked(wish.segments, choices)
    except CellsError as error:
        raise Permanent(str(error)) from error


def _refuse_bounds(migration: Migration, wish: Wish, world: World) -> None:
    most = migration.contract.gates.waiver_at_most
    if not 0 < wish.at_most <= most:
        raise Permanent(
            f"at_most is {percent(wish.at_most)}; a waiver may accept more than nothing and at most"
            f" {percent(most)} of a measure's batch value on a day (gates.waiver_at_most)"
        )
    if wish.expires_at is not None and wish.expires_at <= world.clock.now():
        raise Permanent(
            f"expires is {wish.expires_at.isoformat()}, which is past; give a later instant, or leave it"
            " empty"
        )


def _refuse_open_days(migration: Migration, wish: Wish, world: World) -> None:
    """Refuse days that no reconciliation has judged: what is accepted must be known."""
    if wish.last_day < wish.first_day:
        raise Permanent(f"the days end with {wish.last_day}, before they begin with {wish.first_day}")
    if wish.first_day < migration.contract.parity.from_day:
        raise Permanent(
            f"{wish.first_day} lies before {migration.contract.parity.from_day}, the first day that is"
            f" compared for {migration.name} (parity.from)"
        )
    judged = next(
        (
            night
            for night in world.ledger.reconciliations(migration.name)
            if night.verdict in _JUDGED and night.closed_through is not None
        ),
        None,
    )
    if judged is None or judged.closed_through is None:
        raise Permanent(
            f"nothing of {migration.name} has been compared yet, so there is nothing to accept; trigger"
            f" {migration.name}.reconcile first"
        )
    if wish.last_day > judged.closed_through:
        raise Permanent(
            f"{wish.last_day} is still open: days of {migration.name} are closed through"
            f" {judged.closed_through}; only differences of closed days can be accepted"
        )
