"""Airflow DAGs `<migration>.waive`."""

from airflow.sdk import DAG, Param

from slipway.domain.contract import Migration
from slipway.domain.waivers import WAIVABLE
from slipway.orchestration import tasks
from slipway.orchestration.factory import check_params, for_each_migration, verb_dag
from slipway.orchestration.params import instant, reason

DOC = """Accept one cause of differences on cells of closed days: a decision of a data owner, with its reason.

Bounded by a share of the batch's value and by the contract's gates.waiver_at_most; it counts from the next
reconciliation on, and every evidence shows it. The stream's own faults can't be waived. With `withdraw`, an
earlier waiver ends instead.
"""


def build(migration: Migration) -> DAG:
    names = list(migration.contract.kpis)
    most = migration.contract.gates.waiver_at_most
    params = {
        "kpi": Param(names[0], type="string", enum=names, description="The KPI whose cells differ"),
        "cause": Param(
            "",
            type="string",
            enum=["", *(cause.value for cause in WAIVABLE)],
            description="The cause that is accepted, as the report names it",
        ),
        "days": Param(
            [],
            type="array",
            items={"type": "string", "format": "date"},
            maxItems=2,
            description="First and last business day, or one day, such as 2013-02-27; all must be closed",
        ),
        "measures": Param(
            [], type="array", items={"type": "string"}, description="Measures; empty: every one of the KPI"
        ),
        "segments": Param(
            {},
            type="object",
            additionalProperties={"type": "array", "items": {"type": ["string", "null"]}},
            description='Cells by columns of the key, such as {"origin": ["EWR"]}; null for no value; empty:'
            " every cell",
        ),
        "at_most": Param(
            float(most),
            type="number",
            minimum=0,
            maximum=float(most),
            description="Share of a measure's batch value on a day that the cause may take, such as 0.001",
        ),
        "expires": instant("From when on it covers nothing any more; empty: until it is withdrawn"),
        "withdraw": Param(
            None, type=["null", "integer"], minimum=1, description="Number of a waiver that ends instead"
        ),
        "reason": reason(),
    }
    with verb_dag(migration, "waive", DOC, params) as dag:
        check_params() >> tasks.waive(migration.name)
    return dag


for_each_migration(build, globals())
