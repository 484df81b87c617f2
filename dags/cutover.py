"""Airflow DAGs `<migration>.cutover`."""

from airflow.sdk import DAG, Param

from slipway.domain.contract import Migration
from slipway.orchestration import tasks
from slipway.orchestration.factory import check_params, for_each_migration, verb_dag
from slipway.orchestration.params import reason
from slipway.orchestration.signoff_trigger import SignOffSensor

DOC = """Move readers from batch to stream, on evidence and by sign-off, step by step.

Preflight prints every blocker and changes nothing when there is one. Then the sign-offs of the contract's
roles on the newest evidence are awaited (Slipway's page in the menu), a canary segment is served and watched,
and the switch is made in one transaction, after all guards were asked again under the lock. Undo: `rollback`.
"""


def build(migration: Migration) -> DAG:
    params = {
        "dry_run": Param(False, type="boolean", description="Stop after the preflight"),
        "reason": reason("Why now; kept in the switch journal"),
    }
    with verb_dag(migration, "cutover", DOC, params) as dag:
        signed = SignOffSensor(
            task_id="sign_offs",
            migration=migration.name,
            timeout=migration.contract.gates.sign_off_valid.total_seconds(),
        )
        armed, switch = tasks.arm(migration.name), tasks.switch(migration.name)
        check_params() >> tasks.preflight(migration.name) >> signed >> armed >> switch
        switch >> tasks.verify(migration.name)
        may_fail = [switch]
        # Mapped over nothing, a task is skipped, and the switch behind it with it.
        if steps := list(range(len(migration.contract.cutover.canary))):
            canaries = tasks.canary.partial(migration=migration.name).expand(step=steps)
            armed >> canaries >> switch
            may_fail.append(canaries)
        may_fail >> tasks.restore(migration.name)
    return dag


for_each_migration(build, globals())
