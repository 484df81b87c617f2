"""Records how each run of a gated DAG was started, where only the scheduler can see it.

A task is told a user name, but the command line records any OS user there. The scheduler knows whether the
run came through the authenticated API; a listener writes that into the ledger before the first task starts.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

GATED = ("cutover", "amend", "waive", "rollback", "replay", "reconcile")
AUTHENTICATED = ("rest_api", "ui")
"""Ways of starting a run that go through Airflow's login."""

log = logging.getLogger(__name__)


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Write the origin of a run; without it the run is not authenticated, so nothing opens by failing."""
    if dag_run.dag_id.rpartition(".")[2] not in GATED:
        return
    from slipway import bootstrap
    from slipway.errors import SlipwayError

    triggered_by = dag_run.triggered_by.value if dag_run.triggered_by else "unknown"
    try:
        bootstrap.ledger().note_origin(
            dag_run.dag_id, dag_run.run_id, dag_run.triggering_user_name, triggered_by
        )
    except SlipwayError:
        log.exception("the origin of %s %s could not be recorded", dag_run.dag_id, dag_run.run_id)
