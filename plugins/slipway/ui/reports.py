"""Serves the pages that reconciliations wrote, each in a sandbox of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import FastAPI, HTTPException, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from slipway.domain.contract import Migration
from slipway.ui.console import Console
from slipway.ui.guards import REPORT_POLICY, protect

PageName = Annotated[str, InPath(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.html$")]


def add_reports(app: FastAPI, found: Console, migration: Callable[[str], Migration]) -> None:
    """Add the routes to the app; migration answers 404 for a name that is not known."""

    def served(path: Path | None, otherwise: str) -> Response:
        if path is None or not path.is_relative_to(found.reports().resolve()) or not path.is_file():
            raise HTTPException(404, otherwise)
        return protect(FileResponse(path, media_type="text/html"), REPORT_POLICY)

    @app.get("/migrations/{name}/reports/{number}")
    def report(name: str, number: int, user: GetUserDep) -> Response:
        known, ledger = migration(name).name, found.world().ledger
        recorded = [*ledger.reconciliations(known, limit=1000), *ledger.close_runs(known, limit=1000)]
        night = next((each for each in recorded if each.id == number), None)
        path = Path(night.report).resolve() if night else None
        return served(path, f"{name} has no report of a reconciliation {number}")

    @app.get("/migrations/{name}/pages/{file}")
    def page(name: str, file: PageName, user: GetUserDep) -> Response:
        # The pages of a migration lead to one another by the names of their files, here as in the folder.
        path = (found.reports() / migration(name).name / file).resolve()
        return served(path, f"{name} has no page {file}; `slipway report {name} --observation` writes one")
