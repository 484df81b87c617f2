"""Airflow DAGs `<migration>.rollback`."""

from airflow.sdk import DAG

from slipway.domain.contract import Migration
from slipway.orchestration import tasks
from slipway.orchestration.factory import check_params, for_each_migration, verb_dag
from slipway.orchestration.params import reason

DOC = """Give readers the batch side back, at once, in one transaction.

Needs no approval, no running Flink, no Kafka and no ledger. Says afterwards what changed for readers, opens
an incident, and voids the sign-offs: switching again needs a new reconciliation and new sign-offs.
"""


def build(migration: Migration) -> DAG:
    with verb_dag(migration, "rollback", DOC, {"reason": reason()}) as dag:
        check_params() >> tasks.rollback(migration.name)
    return dag


for_each_migration(build, globals())
