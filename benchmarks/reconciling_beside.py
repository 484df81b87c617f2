"""One other way to compare the two sides of benchmarks.reconciling; it runs in an environment of its own.

python reconciling_beside.py full_join|datacompy|reladiff FOLDER
"""

# ruff: noqa: S608  the SQL of the benchmark is made of its own names
from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

COLUMNS = ("kind", "ordered_at", "city", "units", "cents")


def full_join(folder: Path) -> str:
    """Join both sides on the id, and count rows that are on one side or differ."""
    import duckdb

    apart = " OR ".join(f"b.{name} IS DISTINCT FROM s.{name}" for name in COLUMNS)
    with duckdb.connect() as session:
        session.execute(f"ATTACH '{folder}/warehouse.db' AS warehouse (READ_ONLY)")
        [found] = session.execute(f"""
            SELECT
                count(*) FILTER (s.order_id IS NULL), count(*) FILTER (b.order_id IS NULL),
                count(*) FILTER (s.order_id IS NOT NULL AND b.order_id IS NOT NULL AND ({apart}))
            FROM warehouse.batch.order_events AS b
            FULL JOIN read_parquet('{folder}/files/silver/*.parquet') AS s ON b.order_id = s.order_id
        """).fetchall()
    return f"{found[0]} only in batch, {found[1]} only in the stream, {found[2]} with other values"


def datacompy(folder: Path) -> str:
    """Compare two data frames of polars."""
    import datacompy as tool
    import duckdb
    import polars

    wanted = ", ".join(("order_id", *COLUMNS))
    with duckdb.connect() as session:
        session.execute(f"ATTACH '{folder}/warehouse.db' AS warehouse (READ_ONLY)")
        batch = polars.from_arrow(session.sql(f"SELECT {wanted} FROM warehouse.batch.order_events").arrow())
        silver = f"read_parquet('{folder}/files/silver/*.parquet')"
        stream = polars.from_arrow(session.sql(f"SELECT {wanted} FROM {silver}").arrow())
    found = tool.PolarsCompare(batch, stream, join_columns="order_id")
    unequal = len(found.all_mismatch())
    return (
        f"{len(found.df1_unq_rows)} only in batch, {len(found.df2_unq_rows)} only in the stream,"
        f" {unequal} with other values"
    )


def reladiff(folder: Path) -> str:
    """Compare two tables of one DuckDB file by checksums of ranges of ids."""
    import duckdb
    from reladiff import Algorithm, connect_to_table, diff_tables

    both = folder / "both.db"
    with duckdb.connect(str(both)) as session:
        session.execute(f"ATTACH '{folder}/warehouse.db' AS warehouse (READ_ONLY)")
        session.execute("CREATE TABLE batch_side AS SELECT * FROM warehouse.batch.order_events")
        silver = f"read_parquet('{folder}/files/silver/*.parquet')"
        session.execute(f"CREATE TABLE stream_side AS SELECT * FROM {silver}")
    begun()
    tables = [
        connect_to_table(
            {"driver": "duckdb", "filepath": str(both)}, table, "order_id", extra_columns=COLUMNS
        )
        for table in ("batch_side", "stream_side")
    ]
    # Its join refuses ids that stand twice.
    found = list(diff_tables(*tables, algorithm=Algorithm.HASHDIFF))
    signs = [sign for sign, _ in found]
    return f"{signs.count('-')} rows of batch and {signs.count('+')} of the stream that the other has not"


def busy() -> float:
    """Return the seconds of processor that this process has taken."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


BEGUN = [0.0]


def begun() -> None:
    """Count from here on."""
    BEGUN[0] = busy()


def main() -> None:
    """Run one tool, and print what it took and found."""
    tool, folder = sys.argv[1], Path(sys.argv[2])
    ways: dict[str, tuple[str, Callable[[Path], str]]] = {
        "full_join": ("a plain full join in DuckDB, no limit of memory", full_join),
        "datacompy": ("datacompy on polars", datacompy),
        "reladiff": ("reladiff, both sides in DuckDB", reladiff),
    }
    name, way = ways[tool]
    begun()
    finds = way(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print("RESULT" + json.dumps({"name": name, "busy": busy() - BEGUN[0], "peak": peak, "finds": finds}))


if __name__ == "__main__":
    main()
