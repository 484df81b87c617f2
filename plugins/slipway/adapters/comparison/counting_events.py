"""Which events count in the stream's rows: what silver accepted, and the late rows that were amended.

With keep: latest the running job counts the newest accepted version and knows nothing of amendments, and an
amendment stands as its swap wrote it. So the newest accepted version counts unless an amendment replaced it,
and besides it the newest amended one. An amendment replaces an accepted version only on closed days, and the
job accepts no other version of such an id again: what is accepted later is always of an id without one.
"""

# ruff: noqa: S608  every identifier in this SQL is quoted by domain/rendering.py, and days are dates
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from slipway.adapters.comparison.event_scan import Source


@dataclass(frozen=True, slots=True)
class Counting:
    """The stream's events. columns: those to read, identity and version among them, quoted.

    silver: relations of silver's events of the days. taken: relation of the amended places; None: no row was.
    """

    columns: Sequence[str]
    identity: str
    version: str | None
    silver: Sequence[Source]
    taken: str | None
    days: tuple[date, date]

    def sources(self) -> list[Source]:
        """Return the events of the days, each once: relations that can be read in turn."""
        if self.version is not None:
            return [Source("stream_events")]
        wanted = ", ".join(self.columns)
        found = [
            Source(
                # A dated file lies within the days.
                f"(SELECT {wanted}, business_day FROM {one.relation}"
                f"{'' if one.dated else f' WHERE {self._within}'})",
                one.dated,
            )
            for one in self.silver
        ]
        if self.taken is not None:
            found.append(Source(f"(SELECT * FROM ({self._amended}) WHERE {self._within})"))
        return found or [Source(f"(SELECT {wanted}, business_day FROM silver_of_days)")]

    def statements(self) -> Iterator[str]:
        """Yield what makes `stream_events` of the days; with versions also that of all days.

        The newest version of an id may lie on any day, so that an event of these days counts there instead:
        that is found out once, and copied.
        """
        if self.version is None:
            days = " UNION ALL ".join(f"SELECT * FROM {source.relation}" for source in self.sources())
            yield f"CREATE OR REPLACE TEMP VIEW stream_events AS {days}"
            return
        version, identity, wanted = self.version, self.identity, ", ".join(self.columns)
        everything, amended = "stream_events_of_all_days", f" UNION ALL {self._amended}" if self.taken else ""
        accepted = f"SELECT {wanted}, business_day, FALSE AS is_amended FROM {{}}"
        if self.taken:
            replaced = (
                f"SELECT {identity} FROM late SEMI JOIN (SELECT * FROM {self.taken} WHERE replaces) AS a"
            )
            replaced += " USING (kafka_partition, kafka_offset)"
            accepted += f" ANTI JOIN ({replaced}) AS r USING ({identity})"
        yield f"CREATE OR REPLACE TEMP VIEW {everything} AS {accepted.format('silver')}{amended}"
        yield (
            "CREATE OR REPLACE TEMP TABLE stream_events AS WITH of_days AS"
            f" (SELECT * FROM ({accepted.format('silver_of_days')}{amended}) WHERE {self._within}),"
            f" newest AS (SELECT {identity}, is_amended, max({version}) AS {version} FROM {everything}"
            f" SEMI JOIN of_days USING ({identity}) GROUP BY {identity}, is_amended)"
            f" SELECT {wanted} FROM of_days SEMI JOIN newest USING ({identity}, is_amended, {version})"
        )

    def elsewhere(self) -> str:
        """Return the relation of the events of all other days, without versions."""
        other = f"SELECT {', '.join(self.columns)}, business_day FROM silver_of_other_days"
        if self.taken is not None:
            other += f" UNION ALL SELECT * FROM ({self._amended}) WHERE NOT ({self._within})"
        return f"({other})"

    @property
    def _amended(self) -> str:
        also = ", TRUE AS is_amended" if self.version is not None else ""
        return (
            f"SELECT {', '.join(self.columns)}, business_day{also} FROM late"
            f" SEMI JOIN {self.taken} AS a USING (kafka_partition, kafka_offset)"
        )

    @property
    def _within(self) -> str:
        return f"business_day BETWEEN DATE '{self.days[0]}' AND DATE '{self.days[1]}'"
