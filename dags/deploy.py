"""Airflow DAGs `<migration>.deploy`."""

from airflow.sdk import DAG

from slipway.domain.contract import Migration
from slipway.orchestration import tasks
from slipway.orchestration.factory import check_params, for_each_migration, verb_dag

DOC = """Run the stream jobs of the current contract: ingest, and this revision.

A job that is running and healthy is left alone; one that the engine has lost is started again from its newest
checkpoint; a contract whose numbers mean something else gets a new revision with tables of its own. Each job
must pass the deploy gate: all its parts running, a new checkpoint, no restarts, every record accounted for.
"""


def build(migration: Migration) -> DAG:
    with verb_dag(migration, "deploy", DOC, {}) as dag:
        check_params() >> tasks.deploy_ingest(migration.name) >> tasks.deploy_revision(migration.name)
    return dag


for_each_migration(build, globals())
