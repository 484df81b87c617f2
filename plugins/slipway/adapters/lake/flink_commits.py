"""What Flink's Iceberg sink writes into snapshot summaries, and what a commit of ours must carry on.

On a restore the sink walks back from the current snapshot to the newest one of its own job and takes
everything up to that snapshot's checkpoint as committed. A commit that hides this, once the older snapshots
have expired, makes the job commit again files that are gone. A commit that carries an older checkpoint than
the newest makes it commit the same rows twice. So each commit of ours carries the summary of the newest Flink
snapshot among its own ancestors, read again for every attempt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot, ancestors_of

JOB_ID = "flink.job-id"
OPERATOR_ID = "flink.operator-id"
CHECKPOINT = "flink.max-committed-checkpoint-id"
COMMITTED_AT = "slipway.flink-committed-at-ms"
"""When Flink itself committed, epoch milliseconds; carried beside its summary by commits of ours."""


@dataclass(frozen=True, slots=True)
class FlinkCommit:
    """A snapshot that ends with a commit of Flink's, its own or carried. at: when Flink committed, UTC."""

    snapshot_id: int
    job_id: str
    operator_id: str
    checkpoint: int
    at: datetime

    def carried(self) -> dict[str, str]:
        """Return the summary properties that a later commit must carry on."""
        return {
            JOB_ID: self.job_id,
            OPERATOR_ID: self.operator_id,
            CHECKPOINT: str(self.checkpoint),
            COMMITTED_AT: str(int(self.at.timestamp() * 1000)),
        }


def history(metadata: TableMetadata) -> Iterator[Snapshot]:
    """Return the current snapshot and its ancestors, newest first."""
    yield from ancestors_of(metadata.current_snapshot(), metadata)


def flink_commits(metadata: TableMetadata) -> Iterator[FlinkCommit]:
    """Return the snapshots of the current history that carry Flink's summary, newest first."""
    for snapshot in history(metadata):
        summary = snapshot.summary.additional_properties if snapshot.summary else {}
        if CHECKPOINT in summary and JOB_ID in summary:
            millis = int(summary.get(COMMITTED_AT, snapshot.timestamp_ms))
            yield FlinkCommit(
                snapshot_id=snapshot.snapshot_id,
                job_id=summary[JOB_ID],
                operator_id=summary.get(OPERATOR_ID, ""),
                checkpoint=int(summary[CHECKPOINT]),
                at=datetime.fromtimestamp(millis / 1000, UTC),
            )


def newest_flink_commit(metadata: TableMetadata) -> FlinkCommit | None:
    """Return the newest commit of Flink's in the current history; None when Flink never wrote."""
    return next(flink_commits(metadata), None)
