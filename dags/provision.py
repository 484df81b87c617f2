"""Airflow DAGs `<migration>.provision`."""

from airflow.sdk import DAG, Param

from slipway.domain.contract import Migration
from slipway.orchestration import tasks
from slipway.orchestration.factory import check_params, for_each_migration, verb_dag

DOC = """Create or bring in line what the migration stands on.

Topics, schemas, lake tables and serving tables, as the contract says. Prints every step with what was seen,
what is wanted, why, and whether it is safe, needs confirmation or is refused. With a refused step nothing is
done at all. Running it again does nothing. It never deletes data.
"""


def build(migration: Migration) -> DAG:
    params = {
        "dry_run": Param(False, type="boolean", description="Print the steps and change nothing"),
        "confirm": Param(
            False, type="boolean", description="Also do the steps that the plan says need confirmation"
        ),
        "plan": Param(
            None,
            type=["null", "object"],
            description="Content of a file that `slipway plan --out` wrote: refused when the contract or the "
            "world has moved since. Empty: plan now",
        ),
    }
    with verb_dag(migration, "provision", DOC, params) as dag:
        check_params() >> tasks.provision(migration.name)
    return dag


for_each_migration(build, globals())
