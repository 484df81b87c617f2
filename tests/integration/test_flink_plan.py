"""The plans that Flink makes of the rendered scripts: whatever the sinks, each record is worked on once."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from slipway.adapters.contracts import load_migration
from slipway.adapters.flink.render import Endpoints, FlinkScripts
from slipway.app.tables import bronze_table, revision_tables
from slipway.ports import LakeTable
from tests.integration import test_revised_events
from tests.stack import Stack

REPO = Path(__file__).parents[2]
FLINK_TYPES = {
    "string": "STRING",
    "int": "INT",
    "long": "BIGINT",
    "binary": "BYTES",
    "timestamptz": "TIMESTAMP_LTZ(6)",
    "date": "DATE",
    "map<string,binary>": "MAP<STRING, BYTES>",
}
NOWHERE = Endpoints(
    "127.0.0.1:1",
    "jdbc:postgresql://127.0.0.1:1/warehouse",
    "jdbc:postgresql://127.0.0.1:1/lake?user=slipway_lake",
    "file:///nowhere",
)


@pytest.fixture(scope="module")
def scripts(stack: Stack) -> FlinkScripts:
    """The stack's set-up has built the decoder and gathered Flink's jars; its servers are not used."""
    return FlinkScripts(
        REPO / "flink_jobs" / "pipeline", NOWHERE, stack.settings.world.installation.decode_jar
    )


def plan(script: str, tables: tuple[LakeTable, ...], stack: Stack, folder: Path) -> str:
    """Return Flink's optimised execution plan."""
    wanted = [
        {
            "name": table.full_name,
            "columns": [(name, FLINK_TYPES.get(kind, kind.upper())) for name, kind, _ in table.columns],
        }
        for table in tables
    ]
    (folder / "script.sql").write_text(script)
    (folder / "tables.json").write_text(json.dumps(wanted))
    installation = stack.settings.world.installation
    python = REPO / ".local" / "flink-venv" / "bin" / "python"
    explain = [str(python), str(REPO / "flink_jobs" / "explain.py"), str(folder / "script.sql")]
    explain += ["--tables", str(folder / "tables.json"), "--jars", str(installation.flink_lib)]
    done = subprocess.run(explain, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.partition("== Optimized Execution Plan ==")[2]


def test_the_revision_decodes_looks_up_and_deduplicates_once(
    stack: Stack, scripts: FlinkScripts, tmp_path: Path
) -> None:
    flights = load_migration(REPO / "include" / "migrations" / "flights.yaml")

    found = plan(scripts.revision(flights, 1, "w"), revision_tables(flights, 1), stack, tmp_path)

    assert len(re.findall(r"^Sink\(", found, re.MULTILINE)) == 4
    assert found.count("decode_event(") == 1
    assert found.count("look_up(") == 1
    assert found.count("Deduplicate(") == 1
    assert found.count("TableSourceScan(") == 1
    assert found.count("GroupAggregate(") == 1
    assert "ChangelogNormalize" not in found
    assert "SinkMaterializer" not in found
    assert found.index("look_up(") < found.index("Sink("), "in what the sinks share, not in one of them"


def test_versions_are_judged_and_ranked_once_whatever_the_kpis(
    stack: Stack, scripts: FlinkScripts, tmp_path: Path
) -> None:
    (tmp_path / "revised.avsc").write_text(test_revised_events.SCHEMA)
    (tmp_path / "revised.yaml").write_text(test_revised_events.CONTRACT)
    revised = load_migration(tmp_path / "revised.yaml")

    found = plan(scripts.revision(revised, 1, "w"), revision_tables(revised, 1), stack, tmp_path)

    assert len(re.findall(r"^Sink\(", found, re.MULTILINE)) == 5
    assert found.count("decode_event(") == 1
    assert found.count("OverAggregate(") == 1
    assert found.count("Rank(") == 1
    assert found.count("GroupAggregate(") == 2
    assert "Deduplicate(" not in found
    # The sinks' keys are the totals' own, so that a row is never withdrawn before it is written anew.
    assert "SinkMaterializer" not in found
    assert "upsertMaterialize" not in found
    assert "ChangelogNormalize" not in found
    assert "groupBy=[grain_key]" in found


def test_the_ingest_job_decodes_once_for_both_of_its_sinks(
    stack: Stack, scripts: FlinkScripts, tmp_path: Path
) -> None:
    flights = load_migration(REPO / "include" / "migrations" / "flights.yaml")

    found = plan(scripts.ingest(flights, 1), (bronze_table(flights),), stack, tmp_path)

    assert len(re.findall(r"^Sink\(", found, re.MULTILINE)) == 2
    assert found.count("decode_event(") == 1
    assert found.count("TableSourceScan(") == 1
