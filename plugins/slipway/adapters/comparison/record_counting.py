"""Where the records below a cut are: a light look at bronze, and the whole account."""

# ruff: noqa: S608  every value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb

from slipway.adapters.comparison.relations import Relations, plain_path
from slipway.adapters.comparison.templates import Templates, version_of
from slipway.domain.accounting import Counted
from slipway.domain.contract import Migration
from slipway.domain.evidence import Balance
from slipway.domain.gaps import Gap, Held
from slipway.domain.rendering import quoted, text_literal
from slipway.ports import LakeFiles

GAPS_AT_ONCE = 100_000
"""Runs of lacking offsets that one look lists."""


class RecordCounting:
    """One look, in a session of its own. The lake's tables are made by the caller's files and offsets."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        templates: Templates,
        migration: Migration,
        files: LakeFiles,
        offsets: Mapping[int, int],
        earliest: Mapping[int, int],
    ) -> None:
        self._connection = connection
        self._templates = templates
        self._migration = migration
        self._files = files
        Relations(connection, migration).lake(files, offsets, earliest)

    def held(self, settled: Mapping[int, int], most: int = GAPS_AT_ONCE) -> Held:
        """Return how far bronze has got. settled: by partition, the offset below which no gap is listed."""
        partitions = self._partitions(settled)
        gaps = self._connection.execute(self._templates.render("gaps", most=most + 1)).fetchall()
        return Held(
            base={int(partition): int(base) for partition, base, *_ in partitions},
            lacking={int(partition): int(lacking) for partition, _, lacking, _, _ in partitions},
            settled={int(partition): int(below) for partition, _, _, below, _ in partitions},
            newest=self._newest(self._files.bronze),
            last_arrival={int(partition): last for partition, *_, last in partitions if last is not None},
            gaps=[Gap(int(partition), int(first), int(through)) for partition, first, through in gaps[:most]],
            more=len(gaps) > most,
        )

    def counted(self) -> Counted:
        """Return the whole account."""
        identity = quoted(self._migration.contract.events.id, "duckdb")
        query = self._templates.render("count_records", id=identity, version=version_of(self._migration))
        numbers = self._connection.execute(query).fetchall()[0]
        partitions = self._partitions({})
        backwards = self._connection.execute(self._templates.render("backwards")).fetchall()
        *balance, unaccounted = (int(number or 0) for number in numbers)
        return Counted(
            balance=Balance(*balance),
            absent={
                int(partition): int(lacking) for partition, _, lacking, _, _ in partitions if lacking > 0
            },
            unaccounted=unaccounted,
            last_arrival={int(partition): last for partition, *_, last in partitions if last is not None},
            backwards=tuple((int(partition), int(offset)) for partition, offset in backwards),
        )

    def _partitions(self, settled: Mapping[int, int]) -> list[tuple[int, int, int, int, datetime | None]]:
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE settled (kafka_partition INTEGER, below BIGINT)"
        )
        if settled:
            rows = [list(place) for place in sorted(settled.items())]
            self._connection.executemany("INSERT INTO settled VALUES (?, ?)", rows)
        self._connection.execute(self._templates.render("blocks"))
        return self._connection.execute(self._templates.render("partitions")).fetchall()

    def _newest(self, bronze: Sequence[str]) -> Mapping[int, int]:
        if not bronze:
            return {}
        listed = ", ".join(text_literal(plain_path(file)) for file in bronze)
        rows = self._connection.execute(
            "SELECT kafka_partition, max(kafka_offset)"
            f" FROM read_parquet([{listed}], hive_partitioning = false) GROUP BY kafka_partition"
        ).fetchall()
        return {int(partition): int(offset) for partition, offset in rows}
