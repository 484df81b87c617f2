"""DAGs from contracts: the id, the tags, the retries and the first task are the same for every verb."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, ExceptionRetryPolicy, Param, RetryAction, RetryRule, get_current_context, task
from airflow.sdk.definitions.asset import Asset

from slipway import bootstrap
from slipway.domain.contract import Migration
from slipway.orchestration import params as forms

RETRIES = 12
RETRY_DELAY = timedelta(seconds=8)
"""Long enough for a server that is restarted to be back, and for another verb to give its lock back."""

_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception="slipway.errors.Permanent", action=RetryAction.FAIL, reason="a person must mend it"
        ),
        RetryRule(
            exception="slipway.errors.Retryable", action=RetryAction.RETRY, reason="may be well next time"
        ),
    ],
    default=RetryAction.FAIL,
)


def baseline_asset(migration: str) -> Asset:
    """Return the asset that a finished baseline updates and a reconciliation waits for."""
    return Asset(name=f"{migration}.baseline", uri=f"slipway://{migration}/baseline")


def verb_dag(
    migration: Migration,
    verb: str,
    doc: str,
    params: Mapping[str, Param],
    *,
    schedule: list[Asset] | str | None = None,
) -> DAG:
    """Return the DAG `<migration>.<verb>`, its params and help in place; the caller wires the tasks."""
    return DAG(
        dag_id=f"{migration.name}.{verb}",
        description=doc.strip().splitlines()[0],
        doc_md=f"{doc.strip()}\n\n**{migration.name}**: {migration.contract.description}",
        schedule=schedule,
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        params=dict(params),
        tags=["slipway", migration.name, verb],
        is_paused_upon_creation=False,
        default_args={
            "owner": "slipway",
            "retries": RETRIES,
            "retry_delay": RETRY_DELAY,
            "retry_policy": _POLICY,
            "on_failure_callback": note_incident,
        },
        render_template_as_native_obj=False,
    )


def for_each_migration(build: Callable[[Migration], DAG], into: dict[str, Any]) -> None:
    """Build a verb's DAG for every readable contract and put it where Airflow looks for DAGs."""
    for migration in _migrations():
        dag = build(migration)
        into[dag.dag_id.replace(".", "_")] = dag


def _migrations() -> Iterator[Migration]:
    return bootstrap.readable_migrations()


@task(task_id="check_params")
def check_params() -> None:
    """Refuse what the DAG does not know before anything is touched; Airflow accepts unknown conf."""
    context = get_current_context()
    forms.refuse_unknown(context["dag_run"].conf, context["dag"].params)


def note_incident(context: Any) -> None:
    """Write a failed task into the ledger's incidents; when that fails too, the log says so."""
    from slipway.errors import SlipwayError
    from slipway.orchestration.tasks import actor_of

    instance = context["task_instance"]
    name = str(instance.dag_id).partition(".")[0]
    told = str(context.get("exception") or "").strip().splitlines()[:1]
    what = f"{instance.dag_id} / {instance.task_id} failed: {' '.join(told)}"
    try:
        bootstrap.world().ledger.incident(name, "error", what, actor_of(context))
    except SlipwayError as error:
        print(f"the incident could not be written to the ledger ({error}); it was: {what}")
