"""Airflow DAGs `<migration>.baseline`."""

from airflow.sdk import DAG

from slipway.domain.contract import Migration
from slipway.orchestration import tasks
from slipway.orchestration.factory import baseline_asset, check_params, for_each_migration, verb_dag
from slipway.orchestration.params import instant

DOC = """Build the batch side with dbt, tests included, as of an instant.

Runs every night at 06:00 in the contract's time zone; a migration that replays history has no schedule and
needs `as_of`. When it has finished, the reconciliation starts.
"""


def build(migration: Migration) -> DAG:
    params = {"as_of": instant("Build from what had happened up to this instant; empty: now")}
    schedule = None if migration.contract.events.arrival == "producer" else "0 6 * * *"
    with verb_dag(migration, "baseline", DOC, params, schedule=schedule) as dag:
        check_params() >> tasks.baseline.override(outlets=[baseline_asset(migration.name)])(migration.name)
    return dag


for_each_migration(build, globals())
