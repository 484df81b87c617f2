"""How everything that a migration owns is called; nothing else in the code builds these names."""

from __future__ import annotations

GRAIN_KEY = "grain_key"
"""The key as text, a JSON array, in stream tables of KPIs whose grain may hold NULL; readers never see it."""
ROW_COLUMNS = (GRAIN_KEY, "updated_through", "served_from")
"""Columns that Slipway adds to a KPI's rows, in its stream tables or in the view that readers see."""

FOLDED_EVENTS, FOLDED_OFFSETS = "_events", "_offsets"
"""Columns of a fold's side tables: how many events a row was folded of, and the sum of their offsets.

No name of a contract begins so; and Flink's JDBC sink quotes no names in Postgres.
"""

REPLAY_HEADER = "slipway_replay_of"
"""Header of a record that was a dead letter: its partition and offset among those, as `2:17`."""


def bronze(migration: str) -> str:
    """Return the lake table that holds every record as it came."""
    return f"bronze.{migration}"


def silver(migration: str, revision: int) -> str:
    """Return the lake table of accepted events of one revision."""
    return f"silver.{migration}__r{revision}"


def late(migration: str, revision: int) -> str:
    """Return the lake table of valid events that arrived after their period had closed."""
    return f"late.{migration}__r{revision}"


def rejected(migration: str, revision: int) -> str:
    """Return the lake table of records that this revision's decoder refused."""
    return f"rejected.{migration}__r{revision}"


def dlq_topic(topic: str) -> str:
    """Return the dead-letter topic of a raw topic: the same data type in the layer `dlq`."""
    layer, dash, data_type = topic.partition("-")
    return f"dlq-{data_type if dash else layer}"


def value_subject(topic: str) -> str:
    """Return the registry's subject for a topic's values (the topic-name strategy)."""
    return f"{topic}-value"


def stream_table(kpi: str, revision: int) -> str:
    """Return the table in schema `stream` that a revision's job upserts."""
    return f"{kpi}__r{revision}"


def side_table(kpi: str, revision: int, amendment: int) -> str:
    """Return the table in schema `side` that a bounded run fills."""
    return f"{kpi}__r{revision}_a{amendment}"


def side_events(migration: str, revision: int, amendment: int) -> str:
    """Return the table in schema `side` that says which late rows count in an amendment's bounded run."""
    return f"{migration}__r{revision}_a{amendment}_late"


def fold_table(kpi: str) -> str:
    """Return the table in schema `side` that a reconciliation's fold by the stream engine fills."""
    return f"{kpi}__fold"


def fold_events(migration: str) -> str:
    """Return the table in schema `side` that says which late rows count in a reconciliation's fold."""
    return f"{migration}__fold_late"


def fold_writer(migration: str, job_id: str) -> str:
    """Return the warehouse role under which a fold is written; its last part is hexadecimal."""
    return f"side_{migration}_fold_{job_id[:6]}"


def dimension_column(dimension: str, field: str) -> str:
    """Return the column that carries a dimension's value in silver and late."""
    return f"{dimension}__{field}"


def writer_role(migration: str, revision: int, attempt: int) -> str:
    """Return the warehouse role under which one attempt writes."""
    return f"flink_{migration}_r{revision}_a{attempt}"


def ingest_job(migration: str) -> str:
    """Return the name of the job that fills bronze, in the engine and as a consumer group."""
    return f"slipway-{migration}-ingest"


def revision_job(migration: str, revision: int) -> str:
    """Return the name of a revision's job, in the engine and as a consumer group."""
    return f"slipway-{migration}-r{revision}"
