"""Brings the ledger's schema up to this version, once, however many processes ask at the same time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from slipway.ledger.models import SCHEMA

_LOCK = 0x51_1B_A7
"""Advisory lock of schema changes; transaction-wide, so that a killed process leaves nothing behind."""


def upgrade(engine: Engine) -> None:
    """Create or migrate schema `slipway`; all or nothing, and nothing when it is up to date."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        config = Config()
        config.set_main_option(
            "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
        )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
