"""Airflow DAGs `<migration>.reconcile`."""

from datetime import timedelta

from airflow.sdk import DAG, Param

from slipway.domain.contract import Migration
from slipway.orchestration import tasks
from slipway.orchestration.cut_sensor import CutSensor
from slipway.orchestration.factory import baseline_asset, check_params, for_each_migration, verb_dag
from slipway.orchestration.params import instant

DOC = """Compare batch and stream at one cut, and explain every difference down to the event.

Starts when a baseline has finished, or by hand for an `as_of`. Waits until the lake holds every record below
the cut, compares three ways, walks the causes, runs the expectations, and writes evidence and the night's
report.
A FAIL is a finding, not a failed task: read it in the report.

With a `period` it compares that period's days alone, all at one cut, for people to sign as closed on the page
Slipway; a run by hand then, and who starts it does not sign.
"""


def build(migration: Migration) -> DAG:
    params = {
        "as_of": instant("The instant to compare at; empty: that of the newest baseline"),
        "period": Param(
            "",
            type="string",
            maxLength=40,
            description="To close it: 2013-02, 2013-W09, 2013-Q1 or 2013-02-01..2013-02-14; empty: a night",
        ),
    }
    with verb_dag(migration, "reconcile", DOC, params, schedule=[baseline_asset(migration.name)]) as dag:
        as_of = tasks.as_of(migration.name)
        freeze = CutSensor(
            task_id="freeze", migration=migration.name, as_of=as_of, patience=timedelta(minutes=10)
        )
        check_params() >> as_of
        tasks.reconcile(migration.name, freeze.output)
    return dag


for_each_migration(build, globals())
