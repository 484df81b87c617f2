"""Closed periods on the page and for programs: who has signed which numbers, and what moved since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from slipway.app import close
from slipway.app.close import PeriodStanding
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest, Verdict
from slipway.domain.restatements import Reason
from slipway.ports import Actor, World
from slipway.ui.bodies import SignOffBody
from slipway.ui.console import Console
from slipway.ui.seats import Seat, seats


@dataclass(frozen=True, slots=True)
class ClosedView:
    """One period. tone: of its badge; report, closed_report: numbers of the reports, None when unknown.

    asked: the user who looks has triggered the close run, so their approval does not count.
    """

    standing: PeriodStanding
    status: str
    tone: str
    closed_report: int | None
    signers: str
    seats: tuple[Seat, ...]
    asked: bool
    unexplained: int


def views(migration: Migration, world: World, user: str) -> tuple[ClosedView, ...]:
    """Return every period that was closed, or run for it, as the user who looks sees it."""
    reports = {run.digest: run.id for run in world.ledger.close_runs(migration.name, close.RUNS_SHOWN)}
    found = []
    for one in close.standings(migration, world):
        status, tone = _status(one)
        signed = one.close.signed_by if one.close else {}
        found.append(
            ClosedView(
                one,
                status,
                tone,
                reports.get(one.close.digest) if one.close else None,
                "; ".join(f"{role.replace('_', ' ')}: {', '.join(users)}" for role, users in signed.items()),
                tuple(seats(migration, one.facts, user)) if one.facts else (),
                one.run is not None and one.run.by == user,
                sum(row.cause is Reason.UNEXPLAINED for row in one.restated),
            )
        )
    return tuple(found)


def marks(migration: Migration, world: World) -> tuple[object, ...]:
    """Return what changes whenever the page's section on closed periods would."""
    runs = world.ledger.close_runs(migration.name, 1)
    words = world.ledger.sign_offs(migration.name)
    rows = world.ledger.restatements(migration.name)
    return len(world.ledger.closes(migration.name)), [run.id for run in runs], len(words), len(rows)


def add_closes(app: FastAPI, found: Console, migration: Callable[[str], Migration]) -> None:
    """Add the routes to the app; migration answers 404 for a name that is not known."""

    @app.get("/api/migrations/{name}/closes")
    def closes(name: str, user: GetUserDep) -> JSONResponse:
        standings = close.standings(migration(name), found.world())
        return JSONResponse(jsonable_encoder([one.to_json() for one in standings]))

    @app.post("/api/migrations/{name}/closes", status_code=201)
    def sign(name: str, body: SignOffBody, user: GetUserDep) -> JSONResponse:
        by = Actor(user.get_name(), authenticated=True)
        word, closed = close.sign_off(
            migration(name), body.role, body.decision, Digest(body.evidence), body.comment, by, found.world()
        )
        answer = {**asdict(word), "closed": None if closed is None else closed.period.name}
        return JSONResponse(jsonable_encoder(answer), 201)


def _status(one: PeriodStanding) -> tuple[str, str]:
    if one.run is not None:
        if one.run.verdict is not Verdict.PASS:
            return f"close run is {one.run.verdict}", "bad" if one.run.verdict is Verdict.FAIL else "warn"
        if not one.signable:
            return "close run can't be signed any more", "warn"
        return ("to be closed again" if one.close else "waits for sign-offs"), "warn"
    if one.restated:
        return "closed, restated since", "warn"
    return "closed", "ok"
