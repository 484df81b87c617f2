"""The tables of the lake."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LakeTable:
    """An Iceberg table as it is wanted. columns: (name, type, doc); partitioned_by: identity columns.

    Types: string, int, long, double, boolean, timestamptz, date, binary, decimal(p,s), map<string,binary>.
    properties: what the table must carry beside the lake's own settings.
    """

    namespace: str
    name: str
    columns: tuple[tuple[str, str, str], ...]
    partitioned_by: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def full_name(self) -> str:
        return f"{self.namespace}.{self.name}"


@dataclass(frozen=True, slots=True)
class TableDrift:
    """How a lake table differs from what is wanted; empty when it does not.

    columns: a sentence for each difference in columns, their order or the partitioning.
    properties: (seen, wanted) by key, seen is None for an absent one.
    """

    columns: tuple[str, ...] = ()
    properties: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Maintained:
    """What one maintenance of one table did; counts and bytes before and after."""

    table: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows_before: int
    rows_after: int
    content_hash_before: str
    content_hash_after: str
    snapshots_expired: int
    orphans_removed: int


class Lake(Protocol):
    """Iceberg tables by the shared catalog."""

    def ensure(self, table: LakeTable) -> bool:
        """Create the table when absent; True when it was created. A different schema is Permanent."""
        ...

    def exists(self, table: str) -> bool: ...

    def drift(self, table: LakeTable) -> TableDrift | None:
        """Return how the table differs from what is wanted; None when it is absent."""
        ...

    def set_properties(self, table: str, properties: Mapping[str, str]) -> None:
        """Set these properties and leave the others."""
        ...

    def snapshot(self, table: str) -> int | None: ...

    def data_files(self, table: str, snapshot: int, days: Sequence[date] | None = None) -> Sequence[str]:
        """Return a snapshot's Parquet files as plain paths, pruned by day; delete files are Permanent."""
        ...

    def tag(self, table: str, snapshot: int, name: str) -> None:
        """Keep a snapshot whatever its age; tagging it again changes nothing."""
        ...

    def tags(self, table: str) -> Mapping[str, int]:
        """Return the snapshot of each tag."""
        ...

    def untag(self, table: str, names: Collection[str]) -> None:
        """Remove tags, so that their snapshots may expire; a name that is no tag is passed over."""
        ...

    def row_count(self, table: str, snapshot: int) -> int: ...

    def maintain(
        self, table: str, before: date, keep_snapshots_after: datetime, remove_orphans_before: datetime
    ) -> Maintained:
        """Compact partitions of days before `before`; expire untagged snapshots; remove unreached files."""
        ...

    def rollback_to_checkpoint(self, table: str, job_ids: Collection[str], checkpoint: int) -> int | None:
        """Take back what the jobs committed after a checkpoint; None: the table is empty then."""
        ...

    def drop(self, table: str) -> None: ...
