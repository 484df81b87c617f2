"""The DAGs: every contract has every verb, forms say what they mean, and parsing imports nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.errors import Permanent
from slipway.orchestration.params import needed_reason, parsed_instant, refuse_unknown

REPO = Path(__file__).parents[2]
VERBS = {
    *("provision", "deploy", "baseline", "reconcile", "amend", "waive", "maintain"),
    *("cutover", "rollback", "replay"),
}
HEAVY = (
    "great_expectations",
    "pyiceberg",
    "dbt",
    "duckdb",
    "confluent_kafka",
    "pandas",
    "psycopg",
    "pyarrow",
    "fastapi.testclient",
)
LANGUAGE = "sqlglot"
"""Reads the expressions of KPIs; of all files only contracts.py, which shows their mistakes, needs it."""

PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
dags = {dag_id: {"params": {name: {"description": p.description, "schema": p.schema} for name, p in
        ((n, dag.params.get_param(n)) for n in dag.params)}, "doc": dag.doc_md, "tags": sorted(dag.tags),
        "first": sorted(t.task_id for t in dag.roots),
        "after": {t.task_id: sorted(t.downstream_task_ids) for t in dag.tasks}, "schedule": str(dag.schedule)}
        for dag_id, dag in bag.dags.items()}
heavy = [module for module in json.loads(sys.argv[2]) if module in sys.modules]
print("RESULT" + json.dumps({"errors": bag.import_errors, "dags": dags, "heavy": heavy}))
"""


def parsed(dags: Path, home: Path) -> dict:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{REPO / 'plugins'}:{REPO}",
        "SLIPWAY_HOME": str(home),
        "AIRFLOW_HOME": str(home / "airflow-of-the-test"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "no-plugins"),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    }
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(dags), json.dumps([*HEAVY, LANGUAGE])],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found: dict = json.loads(line.removeprefix("RESULT"))
    return found


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> dict:
    home = tmp_path_factory.mktemp("home")
    (home / "include").symlink_to(REPO / "include")
    return parsed(REPO / "dags", home)


def test_every_contract_has_every_verb(bag: dict) -> None:
    assert bag["errors"] == {}
    assert set(bag["dags"]) == {f"flights.{verb}" for verb in VERBS}


def test_parsing_imports_nothing_heavy(bag: dict) -> None:
    assert set(bag["heavy"]) <= {LANGUAGE}


def test_a_file_of_dags_does_not_compile_expressions(tmp_path: Path) -> None:
    (tmp_path / "include").symlink_to(REPO / "include")
    found = parsed(REPO / "dags" / "cutover.py", tmp_path)
    assert set(found["dags"]) == {"flights.cutover"}
    assert found["heavy"] == []


def test_the_first_task_of_every_dag_checks_the_params(bag: dict) -> None:
    assert {dag_id: dag["first"] for dag_id, dag in bag["dags"].items()} == {
        dag_id: ["check_params"] for dag_id in bag["dags"]
    }


def test_every_param_has_a_help_text(bag: dict) -> None:
    for dag_id, dag in bag["dags"].items():
        for name, param in dag["params"].items():
            assert param["description"], f"{dag_id}: {name} has no help text"
        assert dag["doc"].strip(), f"{dag_id} has no documentation"


def test_each_canary_goes_before_the_switch(bag: dict) -> None:
    after = bag["dags"]["flights.cutover"]["after"]
    assert after["arm"] == ["canary", "switch"]
    assert after["canary"] == ["restore", "switch"]


def test_a_migration_without_a_canary_is_switched_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "include" / "migrations"
    folder.mkdir(parents=True)
    for path in (REPO / "include" / "migrations").iterdir():
        (folder / path.name).write_text(path.read_text().replace("canary: [{origin: [LGA]}]", "canary: []"))
    after = parsed(REPO / "dags", tmp_path)["dags"]["flights.cutover"]["after"]
    assert "canary" not in after
    assert (after["arm"], after["switch"]) == (["switch"], ["restore", "verify"])


def test_a_migration_that_replays_history_has_no_cron(bag: dict) -> None:
    assert bag["dags"]["flights.baseline"]["schedule"] == "None"


def test_a_broken_contract_is_an_import_error_and_hides_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "include" / "migrations"
    folder.mkdir(parents=True)
    for path in (REPO / "include" / "migrations").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "trains.yaml").write_text("migration: trains\n")
    found = parsed(REPO / "dags", tmp_path)
    assert "flights.cutover" in found["dags"]
    (error,) = found["errors"].values()
    assert "trains.yaml:1:1: " in error


def test_a_wrong_expression_is_an_import_error_too_and_the_migration_keeps_its_dags(tmp_path: Path) -> None:
    folder = tmp_path / "include" / "migrations"
    folder.mkdir(parents=True)
    for path in (REPO / "include" / "migrations").iterdir():
        (folder / path.name).write_text(path.read_text().replace("dep_delay < 15", "dep_dely < 15"))
    found = parsed(REPO / "dags", tmp_path)
    assert "flights.rollback" in found["dags"]  # a running migration can still be given back to batch
    (error,) = found["errors"].values()
    assert "there is no field dep_dely" in error


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(Permanent, match="unknown key 'as_off'; did you mean as_of"):
        refuse_unknown({"as_off": "2013-03-01"}, {"as_of": None, "reason": None})
    refuse_unknown({"as_of": "2013-03-01"}, {"as_of": None})
    refuse_unknown(None, {})


@pytest.mark.parametrize("text", ["2013-03-01T06:00:00", "yesterday"])
def test_an_instant_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(Permanent, match="as_of"):
        parsed_instant(text, "as_of")


def test_a_reason_must_be_given() -> None:
    with pytest.raises(Permanent, match="reason"):
        needed_reason({"reason": "  "})
