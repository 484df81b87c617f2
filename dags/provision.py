"""Airflow DAGs `<migration>.provision`."""

from airflow.sdk import DAG, Param

from slipway.domain.contract import Migration
from slipway.orchestration import tasks
from slipway.orchestration.factory import check_params, for_each_migration, verb_dag

DOC = """Create or bring in line what the migration stands on.

Topics, schemas, lake tables and serving tables, as the contract says. Prints every step with what was seen,
what is wanted and why. Running it again does nothing. It never deletes data.
"""


def build(migration: Migration) -> DAG:
    params = {"dry_run": Param(False, type="boolean", description="Print the steps and change nothing")}
    with verb_dag(migration, "provision", DOC, params) as dag:
        check_params() >> tasks.provision(migration.name)
    return dag


for_each_migration(build, globals())
