"""What the demo's people do on Slipway's page: look at a migration, and sign."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from demo.airflow_api import Airflow, DemoError


class Migration:
    """One migration as Slipway's routes in Airflow's API server show it to a logged-in person."""

    def __init__(self, airflow: Airflow, name: str) -> None:
        self._airflow = airflow
        self.name = name

    def _get(self, path: str) -> Any:
        answer = self._airflow.call("rita", "GET", f"/slipway/api/{path}")
        if answer.status_code != httpx.codes.OK:
            raise DemoError(f"GET /slipway/api/{path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def status(self) -> dict[str, Any]:
        """Return state, blockers, routes and next step, as they are now."""
        found: dict[str, Any] = self._get(f"migrations/{self.name}")
        return found

    def reconciliations(self) -> list[dict[str, Any]]:
        """Return what was reconciled, newest first."""
        found: list[dict[str, Any]] = self._get(f"migrations/{self.name}/reconciliations")
        return found

    def newest_reconciliation(self) -> dict[str, Any]:
        """Return the newest reconciliation, or an empty mapping when there is none yet."""
        found = self.reconciliations()
        return found[0] if found else {}

    def next_reconciliation(
        self, before: dict[str, Any], seconds: float, seen: Callable[[str], None] = lambda _: None
    ) -> dict[str, Any]:
        """Wait for a reconciliation newer than the given one; a failed run of the DAG ends the wait."""
        deadline = time.monotonic() + seconds
        dag_id = f"{self.name}.reconcile"
        while True:
            found = self.newest_reconciliation()
            if found.get("id", 0) > before.get("id", 0):
                return found
            run = self._airflow.newest_run(dag_id)
            if run is not None and run.state == "failed":
                raise DemoError(f"{self._airflow.link(run)}\n{self._airflow.failure(run)}")
            if time.monotonic() > deadline:
                raise DemoError(f"no reconciliation for {seconds:.0f} s; look at {dag_id} in Airflow")
            if run is not None:
                active = [
                    t["task_id"] for t in self._airflow.tasks(run) if t["state"] in ("running", "deferred")
                ]
                seen(", ".join(active))
            time.sleep(0.5)  # a run that an asset starts has no id that could be known before

    def evidence(self, digest: str) -> dict[str, Any]:
        """Return an evidence document."""
        found: dict[str, Any] = self._get(f"evidence/{digest}")
        return found

    def switches(self) -> list[dict[str, Any]]:
        """Return the switch journal, oldest first."""
        found: list[dict[str, Any]] = self._get(f"migrations/{self.name}/switches")
        return found

    def maintenance(self) -> list[dict[str, Any]]:
        """Return what maintenance did, newest first."""
        found: list[dict[str, Any]] = self._get(f"migrations/{self.name}/maintenance")
        return found

    def closes(self) -> list[dict[str, Any]]:
        """Return the periods that were closed, or are to be, with what moved in them since."""
        found: list[dict[str, Any]] = self._get(f"migrations/{self.name}/closes")
        return found

    def sign(self, user: str, role: str, evidence: str, comment: str) -> None:
        """Approve a piece of evidence as a person, in a role."""
        self._approve("sign-offs", user, role, evidence, comment)

    def sign_close(self, user: str, role: str, evidence: str, comment: str) -> None:
        """Approve the numbers of a close run as final, as a person, in a role."""
        self._approve("closes", user, role, evidence, comment)

    def _approve(self, what: str, user: str, role: str, evidence: str, comment: str) -> None:
        body = {"role": role, "decision": "approve", "evidence": evidence, "comment": comment}
        path = f"/slipway/api/migrations/{self.name}/{what}"
        answer = self._airflow.call(user, "POST", path, body)
        already = answer.status_code == httpx.codes.CONFLICT and "already" in answer.text
        if answer.status_code != httpx.codes.CREATED and not already:
            raise DemoError(f"{user} could not sign as {role}: {answer.status_code} {answer.text[:500]}")
