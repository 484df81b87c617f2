"""Prints the plan that Flink makes of a rendered script, without a cluster, a broker or a database.

Run with the environment of flink_jobs/requirements.txt:

    python flink_jobs/explain.py script.sql --tables tables.json --jars lib

--jars: a folder with Flink's own jars, the connectors and the decode function, as the cluster has it.
tables.json: [{"name": "silver.flights__r1", "columns": [["event_id", "STRING"], ...]}, ...], the lake tables
that the script writes; they are created in an empty lake in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
from pathlib import Path

import pyflink

CATALOG = re.compile(r"CREATE CATALOG `lake` WITH \(.*?\)\s*;", re.DOTALL)
STATEMENT_SET = re.compile(r"EXECUTE STATEMENT SET BEGIN.*?\nEND;", re.DOTALL)
SETTING = re.compile(r"SET\s+'([^']+)'\s*=\s*'([^']*)'")


def statements(script: str) -> list[str]:
    """Split at semicolons that stand outside of quotes and comments; comments are left out."""
    parts = re.findall(r"'(?:[^']|'')*'|`[^`]*`|--[^\n]*|/\*.*?\*/|;|[^'`;/-]+|.", script, re.DOTALL)
    found = [""]
    for part in parts:
        if part == ";":
            found.append("")
        elif not part.startswith("--"):
            found[-1] += part
    return [statement.strip() for statement in found if statement.strip()]


def explain(script: str, tables: list[dict[str, object]], folder: Path) -> str:
    """Return the optimised plan of the script's one statement set."""
    sets = STATEMENT_SET.findall(script)
    if len(sets) != 1:
        raise SystemExit(f"the script has {len(sets)} statement sets, but Flink runs exactly one")
    from pyflink.table import EnvironmentSettings, TableEnvironment

    environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for statement in statements(CATALOG.sub("", STATEMENT_SET.sub("", script))):
        setting = SETTING.fullmatch(statement)
        if setting:
            environment.get_config().set(setting[1], setting[2])
        else:
            environment.execute_sql(statement)
    environment.execute_sql(
        f"CREATE CATALOG lake WITH ('type'='iceberg','catalog-type'='hadoop','warehouse'='{folder.as_uri()}')"
    )
    for table in tables:
        namespace, _, name = str(table["name"]).partition(".")
        columns = ", ".join(f"`{column}` {kind}" for column, kind in table["columns"])  # type: ignore[attr-defined]
        environment.execute_sql(f"CREATE DATABASE IF NOT EXISTS lake.`{namespace}`")
        environment.execute_sql(f"CREATE TABLE lake.`{namespace}`.`{name}` ({columns})")
    inserts = re.sub(r"--[^\n]*", "", sets[0].removeprefix("EXECUTE "))
    plan = environment.execute_sql(f"EXPLAIN {inserts.removesuffix(';')}")
    return "\n".join(str(row[0]) for row in plan.collect())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("script", type=Path)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--jars", type=Path, required=True)
    given = parser.parse_args()
    # PyFlink heeds the second only beside the first, and reads both when its JVM starts.
    os.environ["FLINK_HOME"] = str(Path(pyflink.__file__).parent)
    os.environ["FLINK_LIB_DIR"] = str(given.jars.resolve())
    with tempfile.TemporaryDirectory() as lake:
        print(
            explain(given.script.read_text("utf-8"), json.loads(given.tables.read_text("utf-8")), Path(lake))
        )
