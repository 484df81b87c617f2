"""Which columns of events a comparison reads, and their types in the contract's terms."""

from __future__ import annotations

from collections.abc import Mapping

from slipway.domain.accounting import column_type, compared_columns
from slipway.domain.contract import Migration

Types = Mapping[str, str]


def event_columns(migration: Migration) -> Types:
    """Return the columns of events that any KPI compares, their identity and version, with their types."""
    wanted = {migration.contract.events.id, *version_columns(migration)}
    for kpi in migration.kpis.values():
        wanted.update(compared_columns(migration, kpi))
    return {name: column_type(migration, name) for name in sorted(wanted)}


def version_columns(migration: Migration) -> tuple[str, ...]:
    """Return the field that orders the versions of an event, if the contract keeps the latest."""
    version = migration.contract.events.version
    return (version,) if version else ()
