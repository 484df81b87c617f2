"""Expiry of snapshots and removal of files that no snapshot reaches."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from urllib.parse import urlparse

from pyarrow.fs import FileInfo, FileSelector
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table

from slipway.adapters.lake.compaction import COMMIT_ATTEMPTS
from slipway.adapters.lake.files import path_of
from slipway.adapters.lake.flink_commits import history, newest_flink_commit
from slipway.errors import Permanent, Retryable
from slipway.faults import fail_at

log = logging.getLogger(__name__)

UNCOMMITTED_MARGIN = timedelta(days=1)


def expire(load: Callable[[], Table], older_than: datetime) -> int:
    """Expire untagged snapshots older than the instant; return how many.

    Kept besides the current and the tagged ones: everything from the current snapshot back to the newest one
    that carries Flink's summary, or a restore would not find what it has committed.
    """
    fail_at("maintain.before_expire")
    for _ in range(COMMIT_ATTEMPTS):
        table = load()
        expired = [
            snapshot.snapshot_id
            for snapshot in table.metadata.snapshots
            if snapshot.timestamp_ms < older_than.timestamp() * 1000
            and snapshot.snapshot_id not in _needed(table)
        ]
        if not expired:
            return 0
        try:
            table.maintenance.expire_snapshots().by_ids(expired).commit()
        except CommitFailedException:
            log.info("%s changed while snapshots were expired; trying again", ".".join(table.name()))
            continue
        fail_at("maintain.after_expire")
        return len(expired)
    raise Retryable(
        f"expiring snapshots of {'.'.join(load().name())} lost the race against other commits "
        f"{COMMIT_ATTEMPTS} times; nothing was expired. Run it again"
    )


def remove_orphans(load: Callable[[], Table], older_than: datetime) -> int:
    """Remove files below the table's location that no snapshot reaches; return how many.

    A file is removed only when it was last changed before the instant, and before the day that ended with
    Flink's newest commit: a job that is down may still commit what it wrote since then when it comes back.
    The listing is taken before the metadata are read, so that a file committed in between counts as reached.
    """
    fail_at("maintain.before_orphans")
    table = load()
    newest = newest_flink_commit(table.metadata)
    if table.current_snapshot() is None:
        return 0
    if newest is not None:
        older_than = min(older_than, newest.at - UNCOMMITTED_MARGIN)
    found = _listing(table)
    reached = _reached(load())
    orphans = [
        info.path
        for info in found
        if info.mtime is not None
        and info.mtime.astimezone(UTC) < older_than
        and _key(info.path) not in reached
    ]
    filesystem, _ = _filesystem(table)
    for number, path in enumerate(orphans):
        if number == 1:
            fail_at("maintain.between_orphans")
        filesystem.delete_file(path)
    return len(orphans)


def _needed(table: Table) -> set[int]:
    needed = {reference.snapshot_id for reference in table.metadata.refs.values()}
    newest = newest_flink_commit(table.metadata)
    if newest is None:
        return needed
    for snapshot in history(table.metadata):
        needed.add(snapshot.snapshot_id)
        if snapshot.snapshot_id == newest.snapshot_id:
            break
    return needed


def _reached(table: Table) -> set[str]:
    """Return every file that the table's metadata name, whatever snapshot or log names it."""
    metadata = table.metadata
    reached = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    reached.update(statistics.statistics_path for statistics in metadata.statistics)
    reached.update(statistics.statistics_path for statistics in metadata.partition_statistics)
    manifests = {}
    for snapshot in metadata.snapshots:
        reached.add(snapshot.manifest_list)
        manifests.update({manifest.manifest_path: manifest for manifest in snapshot.manifests(table.io)})
    reached.update(manifests)
    entries = (
        manifest.fetch_manifest_entry(table.io, discard_deleted=True) for manifest in manifests.values()
    )
    reached.update(entry.data_file.file_path for entry in itertools.chain.from_iterable(entries))
    return {_key(location) for location in reached}


def _listing(table: Table) -> list[FileInfo]:
    filesystem, base = _filesystem(table)
    entries = filesystem.get_file_info(FileSelector(base, recursive=True, allow_not_found=True))
    return [entry for entry in entries if entry.is_file]


def _filesystem(table: Table):  # type: ignore[no-untyped-def]
    if not isinstance(table.io, PyArrowFileIO):
        raise Permanent(
            f"orphan files can be listed through PyArrow only, but the catalog uses {type(table.io)}"
        )
    scheme, netloc, path = PyArrowFileIO.parse_location(table.location())
    return table.io.fs_by_scheme(scheme, netloc), path


def _key(location: str) -> str:
    """Return a path that compares: no scheme, one slash where several mean the same."""
    parsed = urlparse(path_of(location))
    return str(PurePosixPath("/", parsed.netloc, parsed.path.lstrip("/")))
