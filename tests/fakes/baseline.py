"""A batch side in memory: it keeps the journal of builds and fails where it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from slipway.ports import BaselineRun


@dataclass
class JournalRow:
    """One row of the journal; ok and finished_at are None while the build runs."""

    migration: str
    as_of: datetime
    loaded_through: datetime
    started_at: datetime
    started_by: str
    finished_at: datetime | None = None
    ok: bool | None = None


@dataclass
class FakeBaseline:
    """crash: raised by the next build. failing: message of a test that fails."""

    crash: Exception | None = None
    failing: str | None = None
    journal: dict[str, JournalRow] = field(default_factory=dict)

    def begin(self, migration: str, as_of: datetime, loaded_through: datetime, at: datetime, by: str) -> str:
        run_id = f"run-{len(self.journal) + 1}"
        self.journal[run_id] = JournalRow(migration, as_of, loaded_through, at, by)
        return run_id

    def build(self, migration: str, as_of: datetime, run_id: str) -> BaselineRun:
        assert run_id in self.journal, "a build without a row could not be told from an older one"
        if self.crash is not None:
            raise self.crash
        nodes = [(f"model.{migration}", "success", 0.1, "INSERT 0 1")]
        if self.failing is not None:
            nodes.append((f"test.{migration}", "fail", 0.1, self.failing))
        return BaselineRun(run_id, as_of, self.failing is None, tuple(nodes))

    def finish(self, run: BaselineRun, at: datetime) -> None:
        row = self.journal[run.run_id]
        row.finished_at, row.ok = at, run.ok
