"""Small JSON calls to the stack's own servers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from local.errors import StackError


def get(url: str, timeout: float = 3.0) -> Any | None:
    """The decoded answer; None while the server refuses, is slow, or says 5xx or 404."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - our own http:// addresses
            return json.loads(answer.read() or b"null")
    except (urllib.error.URLError, TimeoutError, ConnectionError, json.JSONDecodeError):
        return None


def put(url: str, body: object, timeout: float = 10.0) -> None:
    """PUT `body` as JSON; StackError on any answer but 2xx."""
    request = urllib.request.Request(  # noqa: S310 - our own http:// addresses
        url, data=json.dumps(body).encode(), method="PUT", headers={"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(request, timeout=timeout).close()  # noqa: S310
    except urllib.error.URLError as error:
        raise StackError(f"PUT {url}: {error}, expected 2xx: see the log of that component") from error
