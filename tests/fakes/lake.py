"""A lake in memory whose files are real Parquet, so that what reads files needs no catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from slipway.errors import Permanent
from slipway.ports import LakeTable, Maintained, TableDrift

_ARROW: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "binary": pa.binary(),
    "map<string,binary>": pa.map_(pa.string(), pa.binary()),
}


def arrow_schema(table: LakeTable) -> pa.Schema:
    """Return the Arrow schema of a lake table."""
    fields = []
    for name, kind, _ in table.columns:
        if kind.startswith("decimal"):
            precision, scale = kind[len("decimal(") : -1].split(",")
            fields.append(pa.field(name, pa.decimal128(int(precision), int(scale))))
        else:
            fields.append(pa.field(name, _ARROW[kind]))
    return pa.schema(fields)


@dataclass(frozen=True)
class DayFile:
    """One Parquet file of one day."""

    path: Path
    day: date | None
    rows: int


@dataclass(frozen=True)
class Version:
    """One snapshot. job, checkpoint: of the Flink job that is taken to have committed it."""

    id: int
    files: tuple[DayFile, ...]
    at: datetime
    job: str
    checkpoint: int


@dataclass
class Kept:
    """A table with its history; current: position in it, None while nothing was written."""

    wanted: LakeTable
    versions: list[Version] = field(default_factory=list)
    current: int | None = None
    tags: dict[str, int] = field(default_factory=dict)


class FakeLake:
    """Implements ports.Lake on Parquet files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables: dict[str, Kept] = {}
        self._numbers: Iterator[int] = count(1)

    def append(
        self,
        table: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        job: str = "job",
        checkpoint: int = 0,
        at: datetime | None = None,
    ) -> int:
        """Commit rows as one snapshot, as a job's checkpoint would; return its id."""
        kept = self._kept(table)
        files = [*self._files(kept)]
        by = kept.wanted.partitioned_by
        days = {row[by[0]] for row in rows} if by else {None}
        for day in sorted(days, key=str):
            of_day = [row for row in rows if not by or row[by[0]] == day]
            files.append(self._write(kept.wanted, of_day, day))
        return self._add(kept, files, job, checkpoint, at or datetime.now(UTC))

    def ensure(self, table: LakeTable) -> bool:
        """Create or compare."""
        if table.full_name not in self._tables:
            self._tables[table.full_name] = Kept(table)
            return True
        seen = self._tables[table.full_name].wanted
        have, want = {n: k for n, k, _ in seen.columns}, {n: k for n, k, _ in table.columns}
        if list(have.items()) != list(want.items()) or seen.partitioned_by != table.partitioned_by:
            differing = sorted(n for n in {**have, **want} if have.get(n) != want.get(n))
            raise Permanent(f"the lake table {table.full_name} exists with another schema: {differing}")
        return False

    def drift(self, table: LakeTable) -> TableDrift | None:
        """Compare without raising."""
        if table.full_name not in self._tables:
            return None
        seen = self._tables[table.full_name].wanted
        have, want = {n: k for n, k, _ in seen.columns}, {n: k for n, k, _ in table.columns}
        columns = tuple(
            f"column {n} is {have.get(n, 'absent')}, wanted {want.get(n, 'nothing')}"
            for n in sorted({**have, **want})
            if have.get(n) != want.get(n)
        )
        properties = {
            key: (seen.properties.get(key), value)
            for key, value in table.properties.items()
            if seen.properties.get(key) != value
        }
        return TableDrift(columns, properties)

    def set_properties(self, table: str, properties: Mapping[str, str]) -> None:
        """Set some and leave the others."""
        kept = self._kept(table)
        kept.wanted = replace(kept.wanted, properties={**kept.wanted.properties, **properties})

    def exists(self, table: str) -> bool:
        """Say whether the table was created."""
        return table in self._tables

    def snapshot(self, table: str) -> int | None:
        """Return the current snapshot."""
        return self._kept(table).current

    def data_files(self, table: str, snapshot: int, days: Sequence[date] | None = None) -> Sequence[str]:
        """Return paths, pruned by day."""
        files = self._version(self._kept(table), snapshot).files
        return sorted(str(file.path) for file in files if days is None or file.day in days)

    def row_count(self, table: str, snapshot: int) -> int:
        """Count rows."""
        return sum(file.rows for file in self._version(self._kept(table), snapshot).files)

    def tag(self, table: str, snapshot: int, name: str) -> None:
        """Keep a snapshot."""
        kept = self._kept(table)
        self._version(kept, snapshot)
        if kept.tags.setdefault(name, snapshot) != snapshot:
            raise Permanent(f"the tag {name} of {table} names snapshot {kept.tags[name]}, not {snapshot}")

    def tags(self, table: str) -> Mapping[str, int]:
        """Return the snapshot of each tag."""
        return dict(self._kept(table).tags)

    def untag(self, table: str, names: Collection[str]) -> None:
        """Remove tags."""
        for name in names:
            self._kept(table).tags.pop(name, None)

    def maintain(
        self, table: str, before: date, keep_snapshots_after: datetime, remove_orphans_before: datetime
    ) -> Maintained:
        """Merge the files of each closed day; forget old snapshots; delete files that nothing names."""
        kept = self._kept(table)
        files = self._files(kept)
        closed = [file for file in files if file.day is not None and file.day < before]
        merged: list[DayFile] = []
        hash_before = hash_after = 0
        rest = [file for file in files if file not in closed]
        for day in sorted({file.day for file in closed if file.day}):
            of_day = [file for file in closed if file.day == day]
            if len(of_day) < 2:
                merged += of_day
                continue
            rows = [row for file in of_day for row in pq.ParquetFile(file.path).read().to_pylist()]
            merged.append(self._write(kept.wanted, rows, day))
            hash_before += _hash(of_day)
            hash_after += _hash(merged[-1:])
        if len(merged) != len(closed):
            newest = self._version(kept, kept.current or 0)
            self._add(kept, [*rest, *merged], newest.job, newest.checkpoint, datetime.now(UTC))
        keep = {kept.current, *kept.tags.values()}
        stay = [v for v in kept.versions if v.id in keep or v.at >= keep_snapshots_after]
        expired = len(kept.versions) - len(stay)
        kept.versions = stay
        return Maintained(
            table=table,
            files_before=len(closed),
            files_after=len(merged),
            bytes_before=sum(file.path.stat().st_size for file in closed),
            bytes_after=sum(file.path.stat().st_size for file in merged),
            rows_before=sum(file.rows for file in closed),
            rows_after=sum(file.rows for file in merged),
            content_hash_before=f"{hash_before:032x}",
            content_hash_after=f"{hash_after:032x}",
            snapshots_expired=expired,
            orphans_removed=self._remove_orphans(table, remove_orphans_before),
        )

    def rollback_to_checkpoint(self, table: str, job_ids: Collection[str], checkpoint: int) -> int | None:
        """Make the newest snapshot of these jobs up to the checkpoint current."""
        kept = self._kept(table)
        found = [v.id for v in kept.versions if v.job in job_ids and v.checkpoint <= checkpoint]
        kept.current = found[-1] if found else None
        kept.versions = [v for v in kept.versions if kept.current is not None and v.id <= kept.current]
        return kept.current

    def drop(self, table: str) -> None:
        """Forget a table."""
        with suppress(KeyError):
            del self._tables[table]

    def _kept(self, table: str) -> Kept:
        if table not in self._tables:
            raise Permanent(f"the lake has no table {table}; provision the migration first")
        return self._tables[table]

    def _version(self, kept: Kept, snapshot: int) -> Version:
        for version in kept.versions:
            if version.id == snapshot:
                return version
        raise Permanent(f"snapshot {snapshot} of {kept.wanted.full_name} is gone: it expired untagged")

    def _files(self, kept: Kept) -> tuple[DayFile, ...]:
        return self._version(kept, kept.current).files if kept.current is not None else ()

    def _add(self, kept: Kept, files: Sequence[DayFile], job: str, checkpoint: int, at: datetime) -> int:
        number = next(self._numbers)
        kept.versions.append(Version(number, tuple(files), at, job, checkpoint))
        kept.current = number
        return number

    def _write(self, table: LakeTable, rows: Sequence[Mapping[str, Any]], day: date | None) -> DayFile:
        folder = self._folder / table.namespace / table.name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{next(self._numbers):06d}.parquet"
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(table)), path)
        return DayFile(path, day, len(rows))

    def _remove_orphans(self, table: str, before: datetime) -> int:
        kept = self._kept(table)
        named = {file.path for version in kept.versions for file in version.files}
        folder = self._folder / kept.wanted.namespace / kept.wanted.name
        old = [
            path
            for path in folder.glob("*.parquet")
            if path not in named and path.stat().st_mtime < before.timestamp()
        ]
        for path in old:
            path.unlink()
        return len(old)


def _hash(files: Sequence[DayFile]) -> int:
    found = duckdb.execute(
        "SELECT sum(hash(t)) FROM read_parquet($1, hive_partitioning = false) t",
        [[str(f.path) for f in files]],
    ).fetchone()
    return int(found[0]) if found else 0
