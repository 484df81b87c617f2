"""Databases of their own for tests, on the world's Postgres, owned by the role that owns the real ones."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from psycopg import sql

from tests.stack import Stack


@contextmanager
def database(stack: Stack, owner: str) -> Iterator[Mapping[str, str]]:
    """Yield libpq parameters of a fresh database; it is dropped afterwards, whoever is still connected."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with stack.postgres("postgres", autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
        )
    try:
        yield {
            "host": "127.0.0.1",
            "port": str(stack.ports["postgres"]),
            "user": owner,
            "password": stack.settings.secrets[owner],
            "dbname": name,
        }
    finally:
        with stack.postgres("postgres", autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
