"""What every request has to pass: no foreign site writes, JSON only, nobody frames us, nothing is cached."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import HTTPException, Request, Response

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'"
)
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; font-src data:; frame-ancestors 'self'"
)
"""A report runs its own scripts in an origin of its own: it can read neither our cookies nor our API."""


def refuse_foreign_writes(request: Request) -> None:
    """Refuse writes that another site's page makes with our user's cookie, and bodies that are not JSON.

    Airflow's login cookie has no SameSite, and browsers send it with a foreign form's POST for two minutes.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise HTTPException(403, f"a write from another site is refused (Sec-Fetch-Site: {site})")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != _own_host(request):
        raise HTTPException(403, f"a write from another origin is refused (Origin: {origin})")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"writes take application/json, not {kind or 'nothing'}")


def protect(response: Response, policy: str = PAGE_POLICY) -> Response:
    """Add the headers that every answer carries; a policy that stands already is kept."""
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _own_host(request: Request) -> str:
    return request.headers.get("host", "")
