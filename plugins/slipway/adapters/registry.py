"""A schema registry with Confluent's API (here Apicurio's)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from slipway.errors import Permanent, Retryable, why

CONTENT = "application/vnd.schemaregistry.v1+json"


class SchemaRegistry:
    """The registry below a base URL, such as http://host:port/apis/ccompat/v7."""

    def __init__(
        self, url: str, auth: tuple[str, str] | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._http = httpx.Client(
            base_url=url, auth=auth, timeout=15.0, headers={"Content-Type": CONTENT}, transport=transport
        )

    def compatibility(self, subject: str) -> str | None:
        """Return the level that was set on the subject itself; None when it follows the global one."""
        found = self._ask("GET", f"/config/{quote(subject, safe='')}")
        return None if found is None else str(found["compatibilityLevel"])

    def set_compatibility(self, subject: str, level: str) -> None:
        """Set the subject's own level."""
        self._ask("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": level})

    def latest(self, subject: str) -> str | None:
        """Return the newest schema's text; None when the subject is unknown."""
        found = self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions/latest")
        return None if found is None else str(found["schema"])

    def versions(self, subject: str) -> Sequence[str]:
        """Return the texts of all versions, oldest first; none when the subject is unknown."""
        path = f"/subjects/{quote(subject, safe='')}/versions"
        found = self._ask("GET", path) or []
        texts = [self._ask("GET", f"{path}/{number}") for number in sorted(found)]
        return [str(text["schema"]) for text in texts if text is not None]

    def accepts(self, subject: str, schema: str) -> bool:
        """Say whether the subject's own level lets this schema in beside all of its versions."""
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions"
        found = self._ask("POST", path, {"schema": schema})
        return found is None or bool(found["is_compatible"])

    def identify(self, subject: str, schema: str) -> int | None:
        """Return the id under which the subject holds this very schema; None when it does not."""
        found = self._ask("POST", f"/subjects/{quote(subject, safe='')}", {"schema": schema})
        return None if found is None else int(found["id"])

    def register(self, subject: str, schema: str) -> int:
        """Add a schema and return its id; the same schema again gives the same id.

        Permanent when it is not compatible with the versions before it.
        """
        found = self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions", {"schema": schema})
        if found is None:
            raise Permanent(f"the registry knows no way to register {subject}; is its URL right?")
        return int(found["id"])

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer, None for what does not exist."""
        try:
            answer = self._http.request(method, path, content=json.dumps(body) if body else None)
        except httpx.TransportError as error:
            raise Retryable(f"the schema registry does not answer: {why(error)}; is it up?") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code == httpx.codes.CONFLICT:
            raise Permanent(
                f"the schema is not compatible with the versions that {path.split('/')[2]} has: "
                f"{_told(answer)}; give new fields a default and remove none without one, or use a new topic"
            )
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise Retryable(f"the schema registry failed at {method} {path}: {_told(answer)}")
        if not answer.is_success:
            raise Permanent(f"the schema registry refused {method} {path}: {_told(answer)}")
        return answer.json()


def _told(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.text[:200]}"
