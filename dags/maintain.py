"""Airflow DAGs `<migration>.maintain`."""

from airflow.sdk import DAG

from slipway.domain.contract import Migration
from slipway.orchestration import tasks
from slipway.orchestration.factory import check_params, for_each_migration, verb_dag

DOC = """Compact closed days of the lake tables and expire old snapshots.

Row count and content hash of every touched partition are compared before the commit; on a difference nothing
is committed. Snapshots that evidence names are kept. The streaming jobs go on writing meanwhile.
"""


def build(migration: Migration) -> DAG:
    schedule = None if migration.contract.events.arrival == "producer" else "30 7 * * *"
    with verb_dag(migration, "maintain", DOC, {}, schedule=schedule) as dag:
        check_params() >> tasks.maintain(migration.name)
    return dag


for_each_migration(build, globals())
