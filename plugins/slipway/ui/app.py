"""The web app below /slipway in Airflow's api-server: pages, a small JSON API, and the nightly reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import jinja2
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.templating import Jinja2Templates

from slipway.app import sign_off, status
from slipway.app.sign_off import NotEntitled
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.errors import Retryable, SlipwayError
from slipway.ports import Actor
from slipway.ui import pages
from slipway.ui.bodies import ResumeBody, SignOffBody
from slipway.ui.closes import add_closes
from slipway.ui.console import Console, console
from slipway.ui.guards import protect, refuse_foreign_writes
from slipway.ui.records import add_records
from slipway.ui.reports import add_reports

_HERE = Path(__file__).parent
_STATIC = frozenset(path.name for path in (_HERE / "static").iterdir())


def create_app(reach: Console | None = None) -> FastAPI:
    """Return the app; every route wants a user who is logged in to Airflow."""
    found = reach or console()
    app = FastAPI(
        title="Slipway",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(refuse_foreign_writes)],
    )
    templates = Jinja2Templates(
        env=jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
    )

    @app.middleware("http")
    async def headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        return protect(await answer(request))

    @app.exception_handler(SlipwayError)
    async def tell(request: Request, error: SlipwayError) -> JSONResponse:
        code = 403 if isinstance(error, NotEntitled) else 503 if isinstance(error, Retryable) else 409
        retry = {"Retry-After": "2"} if code == 503 else {}
        return JSONResponse({"detail": str(error)}, code, headers=retry)

    @app.exception_handler(RequestValidationError)
    async def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
        # Without what was sent: half a character of UTF-16 can't be sent back.
        what = [{"loc": one["loc"], "msg": one["msg"], "type": one["type"]} for one in error.errors()]
        return JSONResponse({"detail": jsonable_encoder(what)}, 422)

    def migration(name: str) -> Migration:
        known = found.migrations()
        if name not in known:
            raise HTTPException(404, f"there is no migration {name}; known are {', '.join(known) or 'none'}")
        return known[name]

    def page(request: Request, template: str, **values: object) -> Response:
        base = str(request.scope.get("root_path", "")).rstrip("/")
        return templates.TemplateResponse(request, template, {"base": base, **values})

    @app.get("/", response_class=HTMLResponse)
    def index(request: Request, user: GetUserDep) -> Response:
        rows = pages.overview(found.migrations(), found.world())
        return page(request, "index.html", rows=rows, user=user.get_name())

    @app.get("/migrations/{name}", response_class=HTMLResponse)
    def one(request: Request, name: str, user: GetUserDep) -> Response:
        view = pages.detail(migration(name), found.world(), user.get_name())
        return page(request, "migration.html", view=view, user=user.get_name())

    @app.get("/api/migrations")
    def api_list(user: GetUserDep) -> JSONResponse:
        world = found.world()
        every = [asdict(status.status(each, world)) for each in found.migrations().values()]
        return JSONResponse(jsonable_encoder(every))

    @app.get("/api/migrations/{name}")
    def api_one(name: str, user: GetUserDep) -> JSONResponse:
        return JSONResponse(jsonable_encoder(asdict(status.status(migration(name), found.world()))))

    @app.get("/api/migrations/{name}/mark")
    def api_mark(name: str, user: GetUserDep) -> JSONResponse:
        return JSONResponse({"mark": pages.mark(migration(name), found.world())})

    @app.post("/api/migrations/{name}/sign-offs", status_code=201)
    def api_sign(name: str, body: SignOffBody, user: GetUserDep) -> JSONResponse:
        by = Actor(user.get_name(), authenticated=True)
        evidence = Digest(body.evidence)
        kept = sign_off.sign_off(
            migration(name), body.role, body.decision, evidence, body.comment, by, found.world()
        )
        return JSONResponse(jsonable_encoder(asdict(kept)), 201)

    @app.post("/api/migrations/{name}/resume")
    def api_resume(name: str, body: ResumeBody, user: GetUserDep) -> JSONResponse:
        contract, by = migration(name), Actor(user.get_name(), authenticated=True)
        if not any(by.name in holders for holders in contract.contract.owners.values()):
            raise NotEntitled(f"{by.name} holds no role of {name}; only its owners resume it")
        standing = status.resume(contract, found.world(), by, body.reason)
        return JSONResponse({"state": standing.state})

    add_reports(app, found, migration)
    add_records(app, found, migration)
    add_closes(app, found, migration)

    @app.get("/static/{name}")
    def static(name: str, user: GetUserDep) -> Response:
        if name not in _STATIC:
            raise HTTPException(404, f"there is no file {name}")
        return FileResponse(_HERE / "static" / name, headers={"Cache-Control": "private, max-age=300"})

    return app
