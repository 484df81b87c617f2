"""Writes the SQL scripts of a migration's jobs from its contract and the templates in flink_jobs/pipeline."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import jinja2

from slipway.adapters.flink.decoding import decoder_schema
from slipway.adapters.flink.kpis import dimension_parts, kpi_parts
from slipway.domain import derive, names
from slipway.domain.closing import is_coarse, reach, span
from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest, digest_of
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import quoted, text_literal
from slipway.errors import Permanent
from slipway.ports import Amendment, Question


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the jobs find their systems, as seen from Flink; users but no passwords (see PGPASSFILE).

    kafka: bootstrap servers. warehouse: JDBC URL of the warehouse without a user. catalog: JDBC URL of the
    lake's catalog with its user. lake: location of the lake's files. registry: base URL of the schema
    registry's Confluent API; needed for Avro alone.
    """

    kafka: str
    warehouse: str
    catalog: str
    lake: str
    registry: str = ""


_NOWHERE = Endpoints(
    "kafka",
    "jdbc:postgresql://warehouse/warehouse",
    "jdbc:postgresql://lake/lake",
    "file:///lake",
    "http://registry",
)


class FlinkScripts:
    """Renders the jobs' scripts; the same contract and templates give the same text."""

    def __init__(self, templates: Path, endpoints: Endpoints, decode_jar: Path) -> None:
        self._endpoints = endpoints
        self._decode_jar = decode_jar
        self._jinja = jinja2.Environment(
            loader=jinja2.FileSystemLoader(templates),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # noqa: S701 - this is SQL: every value passes one of the three filters below
            trim_blocks=False,
            keep_trailing_newline=True,
        )
        self._jinja.filters |= {"name": _name, "path": _path, "text": text_literal}

    def ingest(self, migration: Migration, schema_id: int) -> str:
        """Return the script of the job that fills bronze and the dead-letter topic."""
        return self._ingest(migration, str(schema_id), self._endpoints)

    def revision(self, migration: Migration, revision: int, writer: str) -> str:
        """Return the script of one revision's job. writer: the warehouse role that it writes under."""
        return self._revision(migration, revision, writer, self._endpoints)

    def amend(
        self, migration: Migration, amendment: Amendment, writer: str, silver_snapshot: int | None
    ) -> str:
        """Return the script that fills an amendment's side tables and ends. writer: the role it writes under.

        silver_snapshot: what the accepted events are read from; None while silver has none.
        """
        contract, revision = migration.contract, amendment.revision
        looked_up = [
            names.dimension_column(dimension, field) for dimension, field, _ in migration.dimension_fields
        ]
        first, last = span(migration, amendment.days)
        return self._jinja.get_template("amend.sql.j2").render(
            endpoints=self._endpoints,
            job_name=f"{names.revision_job(migration.name, revision)}-amend-{amendment.id}",
            zone=migration.zone.key,
            warehouse_url=f"{self._endpoints.warehouse}?user={writer}&reWriteBatchedInserts=true",
            id=contract.events.id,
            event_columns=[field.name for field in migration.event_fields] + looked_up,
            version=contract.events.version,
            first_day=first.isoformat(),
            last_day=last.isoformat(),
            places=f"side.{names.side_events(migration.name, revision, amendment.id)}",
            silver=names.silver(migration.name, revision),
            silver_snapshot=silver_snapshot,
            late=names.late(migration.name, revision),
            late_snapshot=amendment.late_snapshot,
            kpis=[
                kpi_parts(kpi, f"side.{names.side_table(name, revision, amendment.id)}")
                for name, kpi in migration.kpis.items()
            ],
        )

    def fold(self, migration: Migration, question: Question, writer: str) -> str:
        """Return the script that folds the stream's events of a cut into side tables and ends.

        Which events count: see adapters/comparison/counting_events.py. writer: the role it writes under.
        """
        looked_up = [
            names.dimension_column(dimension, field) for dimension, field, _ in migration.dimension_fields
        ]
        silver, late = (
            names.silver(migration.name, question.revision),
            names.late(migration.name, question.revision),
        )
        return self._jinja.get_template("fold.sql.j2").render(
            endpoints=self._endpoints,
            job_name=f"{names.revision_job(migration.name, question.revision)}-fold",
            zone=migration.zone.key,
            warehouse_url=f"{self._endpoints.warehouse}?user={writer}&reWriteBatchedInserts=true",
            id=migration.contract.events.id,
            event_columns=[field.name for field in migration.event_fields] + looked_up,
            version=migration.contract.events.version,
            first_day=reach(migration, question.first).isoformat(),
            last_day=question.last.isoformat(),
            offsets=sorted(question.offsets.items()),
            places=f"side.{names.fold_events(migration.name)}" if question.amendments else None,
            silver=silver,
            silver_snapshot=question.snapshots.get(silver),
            late=late,
            late_snapshot=question.snapshots.get(late),
            kpis=[_fold_parts(kpi, question) for kpi in migration.kpis.values()],
        )

    def ingest_digest(self, migration: Migration) -> Digest:
        """Return the digest of what gives bronze its meaning."""
        return digest_of({"script": self._ingest(migration, "", _NOWHERE), "decode": self._decoder()})

    def revision_digest(self, migration: Migration) -> Digest:
        """Return the digest of what gives a revision's rows their meaning, wherever and whenever it runs."""
        return digest_of(
            {
                "rows": migration.rows_digest,
                "script": self._revision(migration, 0, "writer", _NOWHERE),
                "decode": self._decoder(),
            }
        )

    def _decoder(self) -> Digest:
        try:
            return Digest(_sha256(self._decode_jar))
        except FileNotFoundError as error:
            raise Permanent(
                f"there is no decode function at {self._decode_jar}; build it: make setup (or mvn package "
                "in flink_jobs/decode)"
            ) from error

    def _ingest(self, migration: Migration, schema_id: str, endpoints: Endpoints) -> str:
        return self._jinja.get_template("ingest.sql.j2").render(
            **_source(migration, endpoints),
            job_name=names.ingest_job(migration.name),
            with_headers=True,
            bronze=names.bronze(migration.name),
            dlq_topic=names.dlq_topic(migration.contract.events.topic),
            schema_id=schema_id,
            version=migration.contract.events.version,
            dead_letter_bytes=derive.LARGEST_DEAD_LETTER,
        )

    def _revision(self, migration: Migration, revision: int, writer: str, endpoints: Endpoints) -> str:
        contract = migration.contract
        fields = [field.name for field in migration.event_fields]
        looked_up = [
            names.dimension_column(dimension, field) for dimension, field, _ in migration.dimension_fields
        ]
        url = f"{endpoints.warehouse}?user={writer}&reWriteBatchedInserts=true"
        return self._jinja.get_template("revision.sql.j2").render(
            **_source(migration, endpoints),
            job_name=names.revision_job(migration.name, revision),
            with_headers=False,
            zone=migration.zone.key,
            keep=contract.events.keep,
            version=contract.events.version,
            state_ttl=_flink_span(derive.state_ttl(migration).value),
            accept_late_seconds=contract.parity.accept_late // timedelta(seconds=1),
            warehouse_url=url,
            fields=fields,
            event_columns=fields + looked_up,
            dimensions=[dimension_parts(migration, name, url) for name in contract.dimensions],
            kpis=[
                kpi_parts(kpi, f"stream.{names.stream_table(name, revision)}")
                for name, kpi in migration.kpis.items()
            ],
            silver=names.silver(migration.name, revision),
            late=names.late(migration.name, revision),
            rejected=names.rejected(migration.name, revision),
        )


def _source(migration: Migration, endpoints: Endpoints) -> Mapping[str, Any]:
    events = migration.contract.events
    if events.format == "avro" and not endpoints.registry:
        raise Permanent(
            "events.format is avro, but no schema registry is known to ask for the writers' schemas; "
            "set the connection slipway_registry"
        )
    return {
        "endpoints": endpoints,
        "topic": events.topic,
        "format": events.format,
        "schema": decoder_schema(migration),
        "id": events.id,
        "time": events.time,
        "ahead_at_most_millis": events.ahead_at_most // timedelta(milliseconds=1),
        "checkpoint_interval": _flink_span(derive.checkpoint_interval().value),
    }


def _fold_parts(kpi: CompiledKpi, question: Question) -> Mapping[str, Any]:
    """Return a KPI's sink and totals, with the account of the events. unit: of the amendments that it has."""
    parts = kpi_parts(kpi, f"side.{names.fold_table(kpi.name)}")
    counted = [
        (names.FOLDED_EVENTS, "BIGINT", "COUNT(*)"),
        (names.FOLDED_OFFSETS, "DECIMAL(38, 0)", "SUM(CAST(`kafka_offset` AS DECIMAL(38, 0)))"),
    ]
    return {
        **parts,
        "columns": [*parts["columns"], *((name, kind) for name, kind, _ in counted)],
        "measures": [*parts["measures"], *((name, sql) for name, _, sql in counted)],
        "unit": kpi.time.function if is_coarse(kpi.time) and question.amendments else "day",
    }


def _flink_span(span: object) -> str:
    if not isinstance(span, timedelta):
        raise TypeError(f"{span!r} is no span of time")
    return f"{span // timedelta(seconds=1)} s"


def _name(identifier: str) -> str:
    return quoted(identifier, "flink")


def _path(table: str) -> str:
    return ".".join(_name(part) for part in ("lake", *table.split(".")))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
