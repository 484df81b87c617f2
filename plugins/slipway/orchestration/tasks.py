"""The tasks of the DAGs: each reads its params, calls one use case, and prints what a person wants to see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from airflow.sdk import get_current_context, task

from slipway import bootstrap
from slipway.errors import Permanent, Retryable
from slipway.orchestration import params as forms
from slipway.orchestration.factory import baseline_asset
from slipway.orchestration.run_origin import AUTHENTICATED, GATED
from slipway.ports import Actor


def actor_of(context: Any) -> Actor:
    """Return who started this run; authenticated when the scheduler saw it come through Airflow's login."""
    run = context["dag_run"]
    verb = str(run.dag_id).rpartition(".")[2]
    name = run.triggering_user_name or "airflow"
    if verb not in GATED:
        return Actor(name, authenticated=False, dag_run=run.run_id)
    try:
        origin = bootstrap.ledger().origin(run.dag_id, run.run_id)
    except Retryable as error:
        if verb != "rollback":
            raise
        print(f"who asked could not be proven ({error}); a rollback does not wait for that")
        origin = None
    proven = origin is not None and origin[0] == name and origin[1] in AUTHENTICATED
    return Actor(name, authenticated=proven, dag_run=run.run_id)


def _params() -> Mapping[str, Any]:
    found: Mapping[str, Any] = get_current_context()["params"]
    return found


def _actor() -> Actor:
    return actor_of(get_current_context())


_WAITED_ALREADY = timedelta(seconds=30)
"""What is left for a cut that the sensor has waited for without holding a worker."""


@task
def provision(migration: str) -> None:
    """Look at the connections, plan, print, apply."""
    from slipway.app import provision as use_case
    from slipway.app.saved_plan import SavedPlan

    params = _params()
    kept = SavedPlan.from_json(params["plan"]) if params["plan"] else None
    contract = bootstrap.migration(migration)
    use_case.refuse_disagreements(contract, bootstrap.readable_migrations())
    connections = bootstrap.check_connections()
    print(use_case.connections_table(connections))
    use_case.refuse_connections(connections)
    world = bootstrap.world()
    world.ledger.upgrade()
    steps = use_case.plan(contract, world)
    print(use_case.table(steps))
    if not params["dry_run"]:
        use_case.apply(contract, kept or steps, world, _actor(), confirmed=params["confirm"])


@task
def deploy_ingest(migration: str) -> None:
    """Have the ingest job run and pass its gate."""
    from slipway.app import deploy

    print(deploy.deploy_ingest(bootstrap.migration(migration), bootstrap.world(), _actor()))


@task
def deploy_revision(migration: str) -> None:
    """Have this contract's revision run and pass its gate."""
    from slipway.app import deploy

    print(deploy.deploy_revision(bootstrap.migration(migration), bootstrap.world(), _actor()))


@task
def baseline(migration: str) -> None:
    """Build the batch side, and tell the asset for which instant."""
    from slipway.app import baseline as use_case

    context = get_current_context()
    as_of = forms.parsed_instant(context["params"]["as_of"], "as_of") or datetime.now(UTC)
    run = use_case.baseline(bootstrap.migration(migration), as_of, bootstrap.world(), _actor())
    print(use_case.table(run))
    if not run.ok:
        raise Permanent(
            f"dbt run {run.run_id} failed; the nodes above say where. Nothing is reconciled with it."
        )
    asset = baseline_asset(migration)
    context["outlet_events"][asset].extra = {"as_of": as_of.isoformat(), "dbt_run": run.run_id}


@task
def as_of(migration: str) -> str:
    """Return the instant to reconcile at: the param, else the newest baseline that started this run.

    For a close run, which a person starts, it is the newest baseline of all. What can't be closed is refused.
    """
    from slipway.app import close

    context = get_current_context()
    given = forms.parsed_instant(context["params"]["as_of"], "as_of")
    if period := context["params"]["period"]:
        contract = bootstrap.migration(migration)
        found = close.wanted(contract, period, _actor())
        print(f"to close: {found.words}, {found.first} to {found.last}")
        given = given or close.instant(contract, bootstrap.world())
    if given is None:
        events = context["triggering_asset_events"][baseline_asset(migration)]
        instants = [
            datetime.fromisoformat(event.extra["as_of"]) for event in events if "as_of" in event.extra
        ]
        if not instants:
            raise Permanent("there is no instant to reconcile at: give `as_of`, or run the baseline")
        given = max(instants)
    return given.isoformat()


@task
def reconcile(migration: str, target: Mapping[str, Any]) -> None:
    """Compare at the frozen cut, explain, judge; then see what that means for the migration's state."""
    from slipway.app import close, freeze, observation, status
    from slipway.app import reconcile as use_case

    contract, world, by = bootstrap.migration(migration), bootstrap.world(), _actor()
    aimed, name = freeze.Target.from_json(target), _params()["period"]
    found = use_case.reconcile(
        contract,
        aimed.as_of,
        world,
        by,
        target=aimed,
        patience=_WAITED_ALREADY,
        period=close.wanted(contract, name, by) if name else None,
        reread=lambda: bootstrap.migration(migration),
    )
    print(use_case.summary(world.evidence.get(found.digest)))
    print(f"report: {found.report}")
    if name:
        print(f"to sign: the page Slipway, {migration}, Closed periods; evidence {found.digest}")
        return
    standing = status.refresh(contract, world, by)
    print(f"state: {standing.state}")
    print(f"observation: {observation.write(contract, world)}")


@task
def amend(migration: str) -> None:
    """Apply a data owner's decision about late rows of closed days."""
    from slipway.app import amend as use_case

    reason = forms.needed_reason(_params())
    days = [date.fromisoformat(day) for day in _params()["days"]]
    print(use_case.amend(bootstrap.migration(migration), days, reason, bootstrap.world(), _actor()))


@task
def waive(migration: str) -> None:
    """Record a data owner's word that a difference is accepted, or the end of an earlier one."""
    from slipway.app import waive as use_case

    given = _params()
    reason = forms.needed_reason(given)
    contract, world, by = bootstrap.migration(migration), bootstrap.world(), _actor()
    if given["withdraw"] is not None:
        forms.refuse_beside(given, "withdraw", ("cause", "days", "measures", "segments", "expires"))
        ended = use_case.withdraw(contract, given["withdraw"], reason, by, world)
        print(f"withdrawn by {by.name}: {reason}\n{use_case.told(ended)}")
    else:
        days = forms.first_and_last(given["days"])
        wish = use_case.Wish(
            kpi=given["kpi"],
            cause=given["cause"],
            first_day=days[0],
            last_day=days[1],
            measures=tuple(given["measures"]),
            segments=given["segments"],
            at_most=Decimal(str(given["at_most"])),
            expires_at=forms.parsed_instant(given["expires"], "expires"),
            reason=reason,
        )
        print(use_case.told(use_case.waive(contract, wish, by, world)))
    print(f"it counts from the next reconciliation on: trigger {migration}.reconcile")


@task
def replay(migration: str) -> None:
    """Send dead letters to the raw topic again, each once."""
    from slipway.app import dead_letters as use_case

    given = _params()
    wanted = use_case.Wanted(
        reason=given["containing"],
        since=forms.parsed_instant(given["since"], "since"),
        until=forms.parsed_instant(given["until"], "until"),
        places=given["places"],
    )
    reason = "" if given["dry_run"] else forms.needed_reason(given)
    contract, world = bootstrap.migration(migration), bootstrap.world()
    print(use_case.replay(contract, wanted, reason, world, _actor(), dry_run=given["dry_run"]))


@task
def maintain(migration: str) -> None:
    """Compact and expire, table by table."""
    from slipway.app import maintain as use_case

    print(use_case.table(use_case.maintain(bootstrap.migration(migration), bootstrap.world(), _actor())))


@task.short_circuit
def preflight(migration: str) -> bool:
    """Ask every guard; a blocker fails the run, and a dry run or nothing to do ends it here."""
    from slipway.app import cutover

    reason = forms.needed_reason(_params())
    found = cutover.preflight(bootstrap.migration(migration), bootstrap.world(), _actor())
    print(found)
    if _params()["dry_run"] or found.nothing_to_do:
        return False
    cutover.request(bootstrap.migration(migration), bootstrap.world(), _actor(), reason)
    return True


@task
def arm(migration: str) -> None:
    """Record that the quorum stands on the newest evidence."""
    from slipway.app import cutover

    print(cutover.arm(bootstrap.migration(migration), bootstrap.world(), _actor()))


@task(max_active_tis_per_dagrun=1)
def canary(migration: str, step: int) -> None:
    """Serve one step's segments from the stream and watch them for the soak."""
    from slipway.app import cutover

    print(cutover.canary(bootstrap.migration(migration), step, bootstrap.world(), _actor()))


@task
def switch(migration: str) -> None:
    """Ask all guards again under the lock, and move the readers."""
    from slipway.app import cutover

    print(cutover.switch(bootstrap.migration(migration), bootstrap.world(), _actor(), _params()["reason"]))


@task(trigger_rule="one_failed")
def restore(migration: str) -> None:
    """Put the readers of a canary back on batch when a step before the switch has failed."""
    from slipway.app import cutover

    reason = "a step of the cutover failed before the switch"
    print(cutover.restore(bootstrap.migration(migration), bootstrap.world(), _actor(), reason))


@task
def verify(migration: str) -> None:
    """Read as a consumer does and compare; roll back when the stream is at fault."""
    from slipway.app import cutover

    print(cutover.verify(bootstrap.migration(migration), bootstrap.world(), _actor()))


@task
def rollback(migration: str) -> None:
    """Give readers the batch side back."""
    from slipway.app import rollback as use_case

    reason = forms.needed_reason(_params())
    print(use_case.rollback(bootstrap.migration(migration), bootstrap.world(), _actor(), reason))
