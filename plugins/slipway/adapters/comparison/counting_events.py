"""Which events count in the stream's rows: what silver accepted, and the late rows that were amended.

With keep: latest the running job counts the newest accepted version and knows nothing of amendments, and an
amendment stands as its swap wrote it. So the newest accepted version counts unless an amendment replaced it,
and besides it the newest amended one. An amendment replaces an accepted version only on closed days, and the
job accepts no other version of such an id again: what is accepted later is always of an id without one.
"""

# ruff: noqa: S608  every identifier in this SQL is quoted by domain/rendering.py, and days are dates
from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date


def counting_events(
    columns: Sequence[str], identity: str, version: str | None, taken: str, days: tuple[date, date]
) -> Iterator[str]:
    """Yield the statements that make `stream_events` of the days, and `stream_events_of_all_days`.

    columns: those to read, identity and version among them, quoted. taken: the relation of amended places.
    The second relation holds every accepted version; with versions it tells amended rows by is_amended.
    """
    wanted = ", ".join(columns)
    places = f"SEMI JOIN {taken} AS a USING (kafka_partition, kafka_offset)"
    within = f"business_day BETWEEN DATE '{days[0]}' AND DATE '{days[1]}'"
    everything, of_days = "stream_events_of_all_days", "CREATE OR REPLACE TEMP TABLE stream_events AS"
    if version is None:
        amended = f"SELECT {wanted}, business_day FROM late {places}"
        yield (
            f"CREATE OR REPLACE TEMP VIEW {everything} AS"
            f" SELECT {wanted}, business_day FROM silver UNION ALL {amended}"
        )
        yield (
            f"{of_days} SELECT {wanted} FROM"
            f" (SELECT {wanted}, business_day FROM silver_of_days UNION ALL {amended}) WHERE {within}"
        )
        return
    replaced = f"SELECT {identity} FROM late SEMI JOIN (SELECT * FROM {taken} WHERE replaces) AS a"
    replaced += " USING (kafka_partition, kafka_offset)"
    accepted = f"SELECT {wanted}, business_day, FALSE AS is_amended FROM {{}}"
    accepted += f" ANTI JOIN ({replaced}) AS r USING ({identity})"
    amended = f"SELECT {wanted}, business_day, TRUE AS is_amended FROM late {places}"
    yield (f"CREATE OR REPLACE TEMP VIEW {everything} AS {accepted.format('silver')} UNION ALL {amended}")
    # A newer version may lie on any day, so that an event of these days counts there instead.
    yield (
        f"{of_days} WITH of_days AS"
        f" (SELECT * FROM ({accepted.format('silver_of_days')} UNION ALL {amended}) WHERE {within}),"
        f" newest AS (SELECT {identity}, is_amended, max({version}) AS {version} FROM {everything}"
        f" SEMI JOIN of_days USING ({identity}) GROUP BY {identity}, is_amended)"
        f" SELECT {wanted} FROM of_days SEMI JOIN newest USING ({identity}, is_amended, {version})"
    )
