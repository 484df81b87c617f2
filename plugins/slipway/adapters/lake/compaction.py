"""Compaction of closed days: many small files become few, with the same rows, in one commit."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

import duckdb
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile, ManifestContent
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update.snapshot import _OverwriteFiles
from pyiceberg.typedef import EMPTY_DICT
from pyiceberg.types import MapType, NestedField

from slipway.adapters.lake.files import content, path_of
from slipway.adapters.lake.flink_commits import newest_flink_commit
from slipway.domain.rendering import quoted, text_literal
from slipway.errors import Permanent, Retryable
from slipway.faults import fail_at

log = logging.getLogger(__name__)

COMMIT_ATTEMPTS = 10
FULL_ENOUGH = 0.75
"""A file of at least this share of the target size stays as it is."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Files of one day that become one file."""

    day: date
    files: tuple[DataFile, ...]


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction wrote. The hashes are sums over the days; unless equal, nothing is committed."""

    files: tuple[DataFile, ...]
    hash_before: str
    hash_after: str


def plan(files: Mapping[date, Sequence[DataFile]], target_bytes: int) -> list[Rewrite]:
    """Return what to rewrite: small files of a day packed to the target size, never a single file."""
    rewrites = []
    for day, of_day in sorted(files.items()):
        small = [file for file in of_day if file.file_size_in_bytes < FULL_ENOUGH * target_bytes]
        bin_of: list[DataFile] = []
        for file in sorted(small, key=lambda file: file.file_path):
            if bin_of and sum(f.file_size_in_bytes for f in bin_of) + file.file_size_in_bytes > target_bytes:
                rewrites.append(Rewrite(day, tuple(bin_of)))
                bin_of = []
            bin_of.append(file)
        rewrites.append(Rewrite(day, tuple(bin_of)))
    return [rewrite for rewrite in rewrites if len(rewrite.files) > 1]


def by_day(table: Table, files: Sequence[DataFile], before: date) -> dict[date, list[DataFile]]:
    """Group files by the day of their partition, days before the given one only."""
    grouped: dict[date, list[DataFile]] = defaultdict(list)
    for file in files:
        value = file.partition[0]
        if value is None:
            continue
        day = value if isinstance(value, date) else date.fromordinal(date(1970, 1, 1).toordinal() + value)
        if day < before:
            grouped[day].append(file)
    return grouped


def write(session: duckdb.DuckDBPyConnection, table: Table, rewrite: Rewrite) -> DataFile:
    """Write the rows of a rewrite into one new file beside the old ones and read its statistics back."""
    folder = rewrite.files[0].file_path.rpartition("/")[0]
    location = f"{folder}/compacted-{uuid4().hex}.parquet"
    fields = table.schema().fields
    columns = ", ".join(quoted(field.name, "duckdb") for field in fields)
    ids = ", ".join(f"{quoted(field.name, 'duckdb')}: {_field_ids(field)}" for field in fields)
    session.execute(
        f"COPY (SELECT {columns} FROM read_parquet({_list(rewrite.files)}, hive_partitioning = false)) "  # noqa: S608
        f"TO {text_literal(path_of(location))} (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {{{ids}}})"
    )
    return parquet_file_to_data_file(table.io, table.metadata, location)


def compact(
    load: Callable[[], Table], session: duckdb.DuckDBPyConnection, rewrites: Sequence[Rewrite]
) -> Compacted:
    """Rewrite, compare and commit.

    Each day's rows are counted and hashed in the old and in the new files before anything is committed; on a
    difference the new files are removed and Permanent is raised. Until the commit readers see nothing of it,
    and what a crash leaves behind is an orphan file.
    """
    table = load()
    added: list[DataFile] = []
    hash_before, hash_after = 0, 0
    for rewrite in rewrites:
        fail_at("maintain.before_rewrite")
        new = write(session, table, rewrite)
        added.append(new)
        before = content(session, table, [file.file_path for file in rewrite.files])
        after = content(session, table, [new.file_path])
        if before != after:
            for file in added:
                table.io.delete(file.file_path)
            raise Permanent(
                f"compaction of {'.'.join(table.name())}, day {rewrite.day}, would change the data: "
                f"{before.rows} rows with hash {before.hash} became {after.rows} with hash {after.hash}. "
                "Nothing was committed; keep the table as it is and report this"
            )
        hash_before += int(before.hash, 16)
        hash_after += int(after.hash, 16)
    if added:
        fail_at("maintain.before_commit")
        _commit(load, [file for rewrite in rewrites for file in rewrite.files], added)
        fail_at("maintain.after_commit")
    return Compacted(tuple(added), f"{hash_before:032x}", f"{hash_after:032x}")


def _commit(load: Callable[[], Table], removed: Sequence[DataFile], added: Sequence[DataFile]) -> None:
    for _ in range(COMMIT_ATTEMPTS):
        table = load()
        _refuse_deletes(table)
        newest = newest_flink_commit(table.metadata)
        transaction = table.transaction()
        replacement = _ReplaceFiles(
            operation=Operation.OVERWRITE,
            transaction=transaction,
            io=table.io,
            snapshot_properties=newest.carried() if newest else {},
        )
        for file in removed:
            replacement.delete_data_file(file)
        for file in added:
            replacement.append_data_file(file)
        try:
            replacement.commit()
            transaction.commit_transaction()
            return
        except CommitFailedException:
            # Somebody else's commit went through, so trying again at once is not a busy loop.
            log.info("%s changed while it was compacted; trying on its new snapshot", ".".join(table.name()))
        except ValidationException as error:
            raise Retryable(
                f"files of {'.'.join(table.name())} were replaced while it was compacted: {error}"
            ) from error
    raise Retryable(
        f"the compaction of {'.'.join(table.name())} lost the race against other commits "
        f"{COMMIT_ATTEMPTS} times; nothing was changed. Run it again, or lengthen the checkpoint interval"
    )


def _refuse_deletes(table: Table) -> None:
    snapshot = table.current_snapshot()
    manifests = snapshot.manifests(table.io) if snapshot else []
    if any(manifest.content == ManifestContent.DELETES for manifest in manifests):
        raise Permanent(
            f"the lake table {'.'.join(table.name())} has delete files; a compaction could bring deleted "
            "rows back. Slipway's tables are append-only: find out who deleted rows"
        )


class _ReplaceFiles(_OverwriteFiles):
    """A commit that exchanges files and says that the data stayed the same (operation `replace`).

    Private API of PyIceberg 0.12, which has no such commit. Its own retries are refused, because they would
    keep the summary made for the older snapshot (see flink_commits) and miss delete files that were added
    between the base and the head; the caller starts over from the new head.
    """

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        summary = super()._summary(snapshot_properties)
        return Summary(Operation.REPLACE, **summary.additional_properties)

    def _validate_concurrency(self) -> None:
        raise CommitFailedException("the table changed; start over from its new snapshot")


def _field_ids(field: NestedField) -> str:
    if isinstance(field.field_type, MapType):
        inner = field.field_type
        return f"{{__duckdb_field_id: {field.field_id}, key: {inner.key_id}, value: {inner.value_id}}}"
    return str(field.field_id)


def _list(files: Sequence[DataFile]) -> str:
    return "[" + ", ".join(text_literal(path_of(file.file_path)) for file in files) + "]"
