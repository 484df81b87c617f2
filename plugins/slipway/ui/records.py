"""What was recorded, as JSON for programs: nights, switches, maintenance, evidence. Reading only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import FastAPI, HTTPException, Path, Query
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.ui import waivers
from slipway.ui.console import Console

Limit = Annotated[int, Query(ge=1, le=1000)]
DigestInPath = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


def add_records(app: FastAPI, found: Console, migration: Callable[[str], Migration]) -> None:
    """Add the routes to the app; migration answers 404 for a name that is not known."""

    @app.get("/api/migrations/{name}/reconciliations")
    def reconciliations(name: str, user: GetUserDep, limit: Limit = 30) -> JSONResponse:
        nights = found.world().ledger.reconciliations(migration(name).name, limit)
        return JSONResponse(jsonable_encoder([asdict(night) for night in nights]))

    @app.get("/api/migrations/{name}/switches")
    def switches(name: str, user: GetUserDep) -> JSONResponse:
        rows = found.world().serving.journal(migration(name).name)
        return JSONResponse(jsonable_encoder([{**asdict(row), "seconds": row.seconds} for row in rows]))

    @app.get("/api/migrations/{name}/waivers")
    def given_waivers(name: str, user: GetUserDep) -> JSONResponse:
        shown = waivers.views(migration(name), found.world())
        return JSONResponse(jsonable_encoder([asdict(one) for one in shown]))

    @app.get("/api/migrations/{name}/maintenance")
    def maintenance(name: str, user: GetUserDep, limit: Limit = 30) -> JSONResponse:
        done = found.world().ledger.maintenance(migration(name).name, limit)
        return JSONResponse(jsonable_encoder([dict(one) for one in done]))

    @app.get("/api/evidence/{digest}")
    def evidence(digest: DigestInPath, user: GetUserDep) -> JSONResponse:
        document = found.world().ledger.evidence(Digest(digest))
        if document is None:
            raise HTTPException(404, f"there is no evidence {digest}")
        return JSONResponse(jsonable_encoder(dict(document)))
