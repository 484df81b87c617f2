"""Looking, again and again, whether the lake holds everything below a cut; cheap while nothing changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway.app.balance import Look, account, known_gaps, look, snapshots_of
from slipway.domain.accounting import Counted
from slipway.domain.contract import Migration
from slipway.domain.gaps import Gaps
from slipway.errors import SlipwayError
from slipway.ports import World

HURRY_EVERY = timedelta(seconds=5)
"""How often the jobs are asked for a checkpoint."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Records below the cut that are not where they must be.

    absent: not in bronze, by partition. unaccounted: of bronze, in no table; counted once bronze has all.
    """

    absent: Mapping[int, int]
    unaccounted: int

    @property
    def nothing(self) -> bool:
        """True when the cut can be taken."""
        return not self.absent and not self.unaccounted

    def __str__(self) -> str:
        told = str(Gaps(absent=self.absent))
        if self.unaccounted:
            told = f"{self.unaccounted} of bronze are in neither silver, late, rejected nor duplicates"
        return f"records: {told}" if told else "nothing"


class Watch:
    """The lake and the ends of one cut. The tables are read again only after they have changed.

    First only bronze is looked at, from where its gaps are explained on; the whole account is made once
    bronze lacks nothing any more.
    """

    def __init__(
        self,
        migration: Migration,
        revision: int,
        offsets: Mapping[int, int],
        topic_id: str,
        world: World,
    ) -> None:
        self._migration = migration
        self._revision = revision
        self._offsets = offsets
        self._world = world
        self._known = known_gaps(migration, topic_id, world)
        self._seen: Look | None = None
        self._counted: Counted | None = None
        self._hurried: datetime | None = None

    def look(self) -> Missing:
        """Say what is missing now, and ask the jobs for a checkpoint when something is."""
        snapshots = snapshots_of(self._migration, self._revision, self._world)
        if self._seen is None or snapshots != self._seen.snapshots:
            self._seen = look(self._migration, self._offsets, snapshots, self._known, self._world)
            self._known, self._counted = self._seen.gaps.settled, None
        if self._seen.gaps.absent:
            missing = Missing(self._seen.gaps.absent, 0)
        else:
            missing = Missing({}, self.counted().unaccounted)
        if not missing.nothing:
            self._hurry()
        return missing

    def seen(self) -> Look:
        """Return what the last look saw."""
        if self._seen is None:
            self.look()
        assert self._seen is not None  # noqa: S101  (look has set it)
        return self._seen

    def counted(self) -> Counted:
        """Return the whole account at the snapshots of the last look."""
        if self._counted is None:
            self._counted = account(self._migration, self._revision, self._offsets, self.seen(), self._world)
        return self._counted

    def _hurry(self) -> None:
        """Ask the running jobs for a checkpoint, with which they commit; the next one comes anyway."""
        now = self._world.clock.now()
        if self._hurried is None or now - self._hurried >= HURRY_EVERY:
            self._hurried = now
            hurry(self._migration, self._revision, self._world)


def hurry(migration: Migration, revision: int, world: World) -> None:
    """Ask the running jobs of a revision, and the one that ingests, for a checkpoint."""
    jobs: dict[str, str] = {}
    for attempt in world.ledger.attempts(migration.name):
        if attempt.revision in (0, revision):
            jobs.setdefault(attempt.kind, attempt.job_id)
    for job_id in jobs.values():
        try:
            world.engine.checkpoint(job_id)
        except SlipwayError:
            # A job that can't be hurried shows in what stays missing, and there with a verdict.
            continue
