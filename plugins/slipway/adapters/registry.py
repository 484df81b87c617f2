"""A schema registry with Confluent's API (here Apicurio's)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from slipway.errors import Permanent, Retryable, why

CONTENT = "application/vnd.schemaregistry.v1+json"

NO_SUBJECT, NO_SCHEMA, NO_LEVEL = 40401, 40403, 40408
"""Error codes of the API; a 404 without one of them comes from a server, or a path, that is no registry."""


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
        found = self._ask("GET", f"/config/{quote(subject, safe='')}", absent=(NO_SUBJECT, NO_LEVEL))
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
        path = f"/subjects/{quote(subject, safe='')}"
        found = self._ask("POST", path, {"schema": schema}, (NO_SUBJECT, NO_SCHEMA))
        return None if found is None else int(found["id"])

    def register(self, subject: str, schema: str) -> int:
        """Add a schema and return its id; the same schema again gives the same id.

        Permanent when it is not compatible with the versions before it.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        found = self._ask("POST", path, {"schema": schema}, absent=())
        return int(found["id"])

    def text(self, schema_id: int) -> str | None:
        """Return the text of the Avro schema of an id; None when there is none."""
        found = self._ask("GET", f"/schemas/ids/{schema_id}", absent=(NO_SCHEMA,))
        avro = found is not None and found.get("schemaType", "AVRO") == "AVRO"
        return str(found["schema"]) if avro else None

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        absent: tuple[int, ...] = (NO_SUBJECT,),
    ) -> Any:
        """Return the answer, None for what does not exist by one of those error codes."""
        try:
            answer = self._http.request(method, path, content=json.dumps(body) if body else None)
        except httpx.UnsupportedProtocol as error:
            raise Permanent(
                f"{str(self._http.base_url)!r} is no URL of a schema registry: {error}"
            ) from error
        except httpx.TransportError as error:
            raise Retryable(f"the schema registry does not answer: {why(error)}; is it up?") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            if _code(answer) in absent:
                return None
            raise Permanent(
                f"there is no schema registry at {self._http.base_url}: {method} {path} gave "
                f"{_told(answer).rstrip()}; is its URL right? It ends such as /apis/ccompat/v7"
            )
        if answer.status_code == httpx.codes.CONFLICT:
            raise Permanent(
                f"the schema is not compatible with the versions that {path.split('/')[2]} has: "
                f"{_told(answer)}; give new fields a default and remove none without one, or use a new topic"
            )
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise Retryable(f"the schema registry failed at {method} {path}: {_told(answer)}")
        if not answer.is_success:
            raise Permanent(f"the schema registry refused {method} {path}: {_told(answer)}")
        try:
            return answer.json()
        except ValueError as error:
            raise Permanent(
                f"there is no schema registry at {self._http.base_url}: {method} {path} gave no JSON; "
                "is its URL right? It ends such as /apis/ccompat/v7"
            ) from error


def _code(answer: httpx.Response) -> int | None:
    try:
        return int(answer.json()["error_code"])
    except (ValueError, KeyError, TypeError):
        return None


def _told(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code} {answer.json()['message']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.text[:200]}"
