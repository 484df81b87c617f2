"""Airflow DAGs `<migration>.amend`."""

from airflow.sdk import DAG, Param

from slipway.domain.contract import Migration
from slipway.orchestration import tasks
from slipway.orchestration.factory import check_params, for_each_migration, verb_dag
from slipway.orchestration.params import reason

DOC = """Let late records of closed days count: a decision of a data owner, recorded with its reason.

A bounded run computes the days again with the late records; the new rows, the amended ids and the journal are
committed in one transaction. Silver and late are never written. Open days are refused.
"""


def build(migration: Migration) -> DAG:
    params = {
        "days": Param(
            [],
            type="array",
            items={"type": "string", "format": "date"},
            description="Business days, such as 2013-02-27; empty: every closed day that has late records",
        ),
        "reason": reason(),
    }
    with verb_dag(migration, "amend", DOC, params) as dag:
        check_params() >> tasks.amend(migration.name)
    return dag


for_each_migration(build, globals())
