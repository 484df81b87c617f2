"""Events of some ids, wherever they lie: few columns are read of many events, all columns of few."""

# ruff: noqa: S608  every identifier and value in this SQL is quoted by domain/rendering.py
from __future__ import annotations

import duckdb

ALL_DAYS = "_events_of_all_days"
"""Ends the name of the table that `follow` makes, after the side's."""

OF_CELLS = "_events_of_cells"
"""Ends the name of the table of a side's events that lie in differing cells."""


def follow(
    connection: duckdb.DuckDBPyConnection,
    side: str,
    *,
    identity: str,
    events: str,
    placed_by: str,
    elsewhere: str,
) -> None:
    """Make `<side>_events_of_all_days` of the ids in `picked`.

    It begins with what `<side>_events_of_cells` holds. Then the ids of `events`, those of the compared days,
    tell which have further events there, and placed_by, a column of theirs, where about; only these are
    read. An id that has no event in the days is looked for in `elsewhere`, the relation of all other events.
    """
    found = f"{side}{ALL_DAYS}"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {found} AS SELECT k.* FROM {side}{OF_CELLS} AS k"
        f" SEMI JOIN picked AS p ON k.{identity} IS NOT DISTINCT FROM p.id"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE further AS SELECT id, h.least, h.most FROM"
        f" (SELECT e.{identity} AS id, count(*) AS events, min({placed_by}) AS least,"
        f" max({placed_by}) AS most FROM {events} AS e SEMI JOIN picked AS p ON e.{identity} = p.id"
        f" GROUP BY e.{identity}) AS h"
        f" LEFT JOIN (SELECT {identity} AS id, count(*) AS events FROM {found} GROUP BY ALL) AS k USING (id)"
        " WHERE h.events > coalesce(k.events, 0)"
    )
    [(least, most)] = connection.execute("SELECT min(least), max(most) FROM further").fetchall()
    if least is not None:
        connection.execute(f"DELETE FROM {found} WHERE {identity} IN (SELECT id FROM further)")
        connection.execute(
            f"INSERT INTO {found} BY NAME SELECT e.* FROM {events} AS e"
            f" SEMI JOIN further AS f ON e.{identity} = f.id WHERE e.{placed_by} BETWEEN $1 AND $2",
            [least, most],
        )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE unresolved AS SELECT p.id FROM picked AS p"
        f" ANTI JOIN {found} AS k ON p.id = k.{identity} WHERE p.id IS NOT NULL"
    )
    connection.execute(
        f"INSERT INTO {found} BY NAME SELECT e.* FROM {elsewhere} AS e"
        f" SEMI JOIN unresolved AS u ON e.{identity} = u.id"
    )
