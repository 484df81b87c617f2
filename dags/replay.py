"""Airflow DAGs `<migration>.replay`."""

from airflow.sdk import DAG, Param

from slipway.domain.contract import Migration
from slipway.orchestration import tasks
from slipway.orchestration.factory import check_params, for_each_migration, verb_dag
from slipway.orchestration.params import instant, reason

DOC = """Send dead letters to the raw topic again, after what refused them was mended.

Each is sent once, however often this runs: its place among the dead letters travels in a header, and the
ledger keeps who sent it and why. What the contract of today would refuse again stays where it is. The records
are counted in every reconciliation. `slipway dlq list` shows what there is.
"""


def build(migration: Migration) -> DAG:
    params = {
        "containing": Param("", type="string", description="Only those whose reason contains this text"),
        "since": instant("Only those refused from this instant on; empty: all"),
        "until": instant("Only those refused before this instant; empty: all"),
        "places": Param(
            [],
            type="array",
            items={"type": "string", "pattern": r"^\d+:\d+$"},
            description="Only these, as partition:offset, such as 2:17; empty: all",
        ),
        "dry_run": Param(True, type="boolean", description="Print what would be sent, and send nothing"),
        "reason": reason("What was mended; kept in the ledger. Not needed for a dry run"),
    }
    with verb_dag(migration, "replay", DOC, params) as dag:
        check_params() >> tasks.replay(migration.name)
    return dag


for_each_migration(build, globals())
