"""The lake as the control plane uses it: Iceberg tables through the JDBC catalog that Flink shares."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import cached_property

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import INITIAL_SEQUENCE_NUMBER
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from slipway.adapters.lake.cleaning import expire, remove_orphans
from slipway.adapters.lake.compaction import COMMIT_ATTEMPTS, by_day, compact, plan
from slipway.adapters.lake.files import duckdb_session, live_files, path_of
from slipway.adapters.lake.flink_commits import flink_commits, history
from slipway.adapters.lake.schemas import (
    PROPERTIES,
    other_columns,
    other_properties,
    partitioning_of,
    refuse_other_schema,
    schema_of,
)
from slipway.errors import Permanent, Retryable
from slipway.ports import LakeTable, Maintained, TableDrift

log = logging.getLogger(__name__)

CATALOG_NAME = "lake"
"""Part of every row of the catalog's tables, so Flink's catalog must have the same name."""


class IcebergLake:
    """Implements ports.Lake.

    catalog: the database of the catalog; its password is never logged.
    warehouse: URI below which new tables are created.
    target_bytes: size that compaction packs files to. memory_limit: of DuckDB, which spills above.
    """

    def __init__(
        self,
        catalog: URL,
        warehouse: str,
        *,
        target_bytes: int = 128 * 1024 * 1024,
        memory_limit: str = "1GB",
    ) -> None:
        self._url = catalog
        self._warehouse = warehouse
        self._target_bytes = target_bytes
        self._memory_limit = memory_limit

    @cached_property
    def _catalog(self) -> SqlCatalog:
        with _database_errors(self._url):
            return SqlCatalog(
                CATALOG_NAME,
                uri=self._url.render_as_string(hide_password=False),
                warehouse=self._warehouse,
                pool_pre_ping="true",
            )

    def ensure(self, table: LakeTable) -> bool:
        """Create the table when absent; True when it was created. Permanent names what differs."""
        with _database_errors(self._url):
            if not self._catalog.table_exists(table.full_name):
                schema = schema_of(table)
                try:
                    self._create_namespace(table.namespace)
                    self._catalog.create_table(
                        table.full_name,
                        schema,
                        partition_spec=partitioning_of(table, schema),
                        properties={**PROPERTIES, **table.properties},
                    )
                    return True
                except TableAlreadyExistsError:
                    log.info("%s was created by somebody else at the same moment", table.full_name)
            refuse_other_schema(table, self._load(table.full_name))
            return False

    def exists(self, table: str) -> bool:
        """Say whether the catalog has the table."""
        with _database_errors(self._url):
            return self._catalog.table_exists(table)

    def drift(self, table: LakeTable) -> TableDrift | None:
        """Return how the table differs from what is wanted; None when it is absent."""
        if not self.exists(table.full_name):
            return None
        loaded = self._load(table.full_name)
        return TableDrift(other_columns(table, loaded), other_properties(table, loaded))

    def set_properties(self, table: str, properties: Mapping[str, str]) -> None:
        """Set these properties and leave the others."""

        def change(loaded: Table) -> None:
            with loaded.transaction() as transaction:
                transaction.set_properties(dict(properties))

        self._commit(table, change)

    def snapshot(self, table: str) -> int | None:
        """Return the current snapshot; None while nothing was written."""
        current = self._load(table).current_snapshot()
        return current.snapshot_id if current else None

    def data_files(self, table: str, snapshot: int, days: Sequence[date] | None = None) -> Sequence[str]:
        """Return the Parquet files of a snapshot as DuckDB opens them, only those of the given days.

        Permanent when the snapshot is gone or has delete files, which a plain Parquet read would ignore.
        """
        return [path_of(file.file_path) for file in live_files(self._load(table), snapshot, days)]

    def row_count(self, table: str, snapshot: int) -> int:
        """Count the rows of a snapshot from its manifests."""
        return sum(file.record_count for file in live_files(self._load(table), snapshot))

    def tag(self, table: str, snapshot: int, name: str) -> None:
        """Keep a snapshot whatever its age. Permanent when the tag names another one, or it is gone."""

        def change(loaded: Table) -> None:
            known = loaded.metadata.refs.get(name)
            if known is not None and known.snapshot_id == snapshot:
                return
            if known is not None:
                raise Permanent(
                    f"the tag {name} of {table} names snapshot {known.snapshot_id}, not {snapshot}; "
                    "a tag never moves, so choose another name"
                )
            if loaded.snapshot_by_id(snapshot) is None:
                raise Permanent(
                    f"snapshot {snapshot} of {table} is gone: it expired untagged. Take a new cut"
                )
            loaded.manage_snapshots().create_tag(snapshot, name).commit()

        self._commit(table, change)

    def tags(self, table: str) -> Mapping[str, int]:
        """Return the snapshot of each tag."""
        refs = self._load(table).metadata.refs.items()
        return {name: ref.snapshot_id for name, ref in refs if ref.snapshot_ref_type == SnapshotRefType.TAG}

    def untag(self, table: str, names: Collection[str]) -> None:
        """Remove tags, so that their snapshots may expire; a name that is no tag is passed over."""

        def change(loaded: Table) -> None:
            refs = loaded.metadata.refs
            tags = [name for name in sorted(names) if name in refs]
            if not tags:
                return
            changes = loaded.manage_snapshots()
            for name in tags:
                changes = changes.remove_tag(name)
            changes.commit()

        if names:
            self._commit(table, change)

    def maintain(
        self, table: str, before: date, keep_snapshots_after: datetime, remove_orphans_before: datetime
    ) -> Maintained:
        """Compact days before `before`, expire untagged snapshots, remove orphan files.

        Files, bytes and rows are those of the days before `before`; the content hashes cover what was
        rewritten. Every step stands for itself: after a crash the table is whole, and a second run does what
        was left.
        Retryable when other commits win every race; Permanent when a rewrite would change the data.
        """

        def load() -> Table:
            return self._load(table)

        loaded = load()
        current = loaded.current_snapshot()
        closed = by_day(loaded, live_files(loaded, current.snapshot_id), before) if current else {}
        files = [file for of_day in closed.values() for file in of_day]
        rewrites = plan(closed, self._target_bytes)
        replaced = [file for rewrite in rewrites for file in rewrite.files]
        with duckdb_session(self._memory_limit) as session:
            done = compact(load, session, rewrites)
        files_bytes = sum(file.file_size_in_bytes for file in files)
        rows = sum(file.record_count for file in files)
        return Maintained(
            table=table,
            files_before=len(files),
            files_after=len(files) - len(replaced) + len(done.files),
            bytes_before=files_bytes,
            bytes_after=files_bytes
            - sum(file.file_size_in_bytes for file in replaced)
            + sum(file.file_size_in_bytes for file in done.files),
            rows_before=rows,
            rows_after=rows
            - sum(file.record_count for file in replaced)
            + sum(file.record_count for file in done.files),
            content_hash_before=done.hash_before,
            content_hash_after=done.hash_after,
            snapshots_expired=expire(load, keep_snapshots_after),
            orphans_removed=remove_orphans(load, remove_orphans_before),
        )

    def rollback_to_checkpoint(self, table: str, job_ids: Collection[str], checkpoint: int) -> int | None:
        """Take back what was committed after a checkpoint; return the snapshot that is current then.

        job_ids: every job of the lineage that the checkpoint belongs to, older attempts included; a restored
        job goes on counting, so one number orders all their checkpoints. None when nothing had been committed
        by then; the table is empty afterwards. Call it only while no job writes the table. Permanent when the
        snapshot has expired.
        """
        result: int | None = None

        def change(loaded: Table) -> None:
            nonlocal result
            current = loaded.current_snapshot()
            result = _as_of_checkpoint(loaded, job_ids, checkpoint)
            if current is None or result == current.snapshot_id:
                return
            change = loaded.manage_snapshots()
            if result is None:
                change.remove_branch(MAIN_BRANCH).commit()
            else:
                change.rollback_to_snapshot(result).commit()

        self._commit(table, change)
        return result

    def drop(self, table: str) -> None:
        """Remove the table and its files; nothing happens when it is absent."""
        with _database_errors(self._url):
            if self._catalog.table_exists(table):
                self._catalog.purge_table(table)

    def _create_namespace(self, namespace: str) -> None:
        try:
            self._catalog.create_namespace_if_not_exists(namespace)
        except NamespaceAlreadyExistsError:
            log.info("namespace %s was created by somebody else at the same moment", namespace)

    def _load(self, table: str) -> Table:
        with _database_errors(self._url):
            try:
                return self._catalog.load_table(table)
            except NoSuchTableError as error:
                raise Permanent(f"the lake has no table {table}; provision the migration first") from error

    def _commit(self, table: str, change: Callable[[Table], None]) -> None:
        for _ in range(COMMIT_ATTEMPTS):
            try:
                with _database_errors(self._url):
                    change(self._load(table))
                return
            except CommitFailedException:
                log.info("%s changed meanwhile; trying on its new snapshot", table)
        raise Retryable(
            f"a change of {table} lost the race against other commits {COMMIT_ATTEMPTS} times; "
            "nothing was changed"
        )


def _as_of_checkpoint(table: Table, job_ids: Collection[str], checkpoint: int) -> int | None:
    for commit in flink_commits(table.metadata):
        if commit.job_id in job_ids and commit.checkpoint <= checkpoint:
            return commit.snapshot_id
    snapshots = list(history(table.metadata))
    if snapshots and snapshots[-1].sequence_number != INITIAL_SEQUENCE_NUMBER + 1:
        raise Permanent(
            f"{'.'.join(table.name())} can't go back to checkpoint {checkpoint}: the snapshot of that time "
            "has expired. Restore from a newer checkpoint, or deploy a new revision and replay"
        )
    return None


@contextmanager
def _database_errors(url: URL) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        reason = (
            str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        )
        raise Retryable(
            f"the lake's catalog at {url.host or url.database} did not answer: {reason}. "
            "Check that its database runs and try again"
        ) from None
