"""Takes a case from its folder end to end, as its people would: DAGs over REST, signatures on Slipway's page.

It asserts nothing: whatever was seen on the way is returned, and the tests hold it against the case's truth.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import yaml
from psycopg import sql

from demo.airflow_api import Airflow, Run
from demo.people import Migration
from tests.e2e.case_feed import Feed
from tests.e2e.cases.records import Kpis, Sent
from tests.stack import Stack

FOLDER = Path(__file__).parent / "cases"
SIGNERS = (("ana", "data_owner"), ("carla", "consumer"), ("omar", "on_call"))
RUN_SECONDS = 300.0


@dataclass(frozen=True)
class Case:
    """One folder of cases/: what README.md there says it holds."""

    name: str
    story: ModuleType
    truth: ModuleType
    steps: Sequence[Mapping[str, Any]]
    expect_failure: Sequence[str]
    never_shown: Sequence[str]
    contract: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def first_day(self) -> date:
        """The first day that the stream serves and that is compared."""
        found: date = self.contract["parity"]["from"]
        return found

    @property
    def kpis(self) -> Mapping[str, Mapping[str, Any]]:
        """The KPIs as the contract's file has them."""
        found: Mapping[str, Mapping[str, Any]] = self.contract["kpis"]
        return found

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Night:
    """One reconciliation. step: of case.yaml; sent: what had arrived by then; amended: late records count."""

    step: Mapping[str, Any]
    found: Mapping[str, Any]
    evidence: Mapping[str, Any]
    report: str
    sent: Sequence[Sent]
    amended: bool


@dataclass
class Outcome:
    """What a case left behind.

    lake: rows by table; served: rows by KPI after cutover and rollback, each with its source last.
    refused: what the cutover's failed task said; None when it went through, or was never asked for.
    """

    nights: list[Night] = field(default_factory=list)
    served: dict[str, Kpis] = field(default_factory=dict)
    lake: dict[str, int] = field(default_factory=dict)
    refused: str | None = None
    pages: list[str] = field(default_factory=list)


def every_case() -> list[Case]:
    """Return all cases, by name."""
    return [_read(folder) for folder in sorted(FOLDER.iterdir()) if (folder / "case.yaml").is_file()]


def _read(folder: Path) -> Case:
    given = yaml.safe_load((folder / "case.yaml").read_text(encoding="utf-8"))
    package = f"tests.e2e.cases.{folder.name}"
    contract = yaml.safe_load((folder / "contract" / f"{folder.name}.yaml").read_text(encoding="utf-8"))
    return Case(
        folder.name,
        importlib.import_module(f"{package}.story"),
        importlib.import_module(f"{package}.truth"),
        given["steps"],
        given.get("expect_failure", ()),
        given.get("never_shown", ()),
        contract,
    )


def install(cases: Sequence[Case], checkout: Path, home: Path) -> None:
    """Make a SLIPWAY_HOME: the checkout with the contracts and dbt models of the cases beside its own."""
    shutil.rmtree(home, ignore_errors=True)
    (home / "include" / "migrations").mkdir(parents=True)
    for name in ("plugins", "dags", "flink_jobs", ".local", "include/sql"):
        (home / name).symlink_to(checkout / name)
    for file in (checkout / "include" / "migrations").iterdir():
        shutil.copy(file, home / "include" / "migrations")
    shutil.copytree(
        checkout / "dbt_project", home / "dbt_project", ignore=shutil.ignore_patterns("target", "logs")
    )
    for case in cases:
        for file in (case.folder / "contract").iterdir():
            shutil.copy(file, home / "include" / "migrations")
        shutil.copytree(case.folder / "models", home / "dbt_project" / "models" / case.name)


def run_case(case: Case, stack: Stack) -> Outcome:
    """Take every step of a case; its jobs are ended in any case, for slots are scarce."""
    runner = _Runner(case, stack)
    try:
        return runner.run()
    finally:
        runner.end_jobs()
        runner.airflow.close()


class _Runner:
    def __init__(self, case: Case, stack: Stack) -> None:
        self.case, self.stack = case, stack
        self.airflow = Airflow(
            stack.settings.airflow_url,
            {
                name.removeprefix("user:"): secret
                for name, secret in stack.settings.secrets.items()
                if name.startswith("user:")
            },
        )
        self.people = Migration(self.airflow, case.name)
        self.feed = Feed(stack, case.contract["events"], case.story.records())
        self.done = Outcome()
        self.amended = False
        self.runs = 0

    def run(self) -> Outcome:
        self.feed.tables(
            (self.case.folder / "tables.sql").read_text(encoding="utf-8"), self.case.story.tables()
        )
        self.trigger("rita", "provision")
        self.trigger("rita", "deploy")
        for step in self.case.steps:
            self.take(step)
        self.look_around()
        return self.done

    def take(self, step: Mapping[str, Any]) -> None:
        match step:
            case {"night": as_of}:
                self.feed.replay(as_of)
                before = self.people.newest_reconciliation()
                self.trigger("rita", "baseline", {"as_of": as_of.isoformat()})
                self.note(step, self.people.next_reconciliation(before, RUN_SECONDS), as_of)
            case {"again": as_of}:
                before = self.people.newest_reconciliation()
                self.trigger("rita", "reconcile", {"as_of": as_of.isoformat()})
                self.note(step, self.people.next_reconciliation(before, RUN_SECONDS), as_of)
            case {"amend": user}:
                self.trigger(user, "amend", {"reason": step["reason"]})
                self.amended = True
            case {"waive": user, "conf": conf}:
                days = [day.isoformat() for day in conf["days"]]
                self.trigger(user, "waive", {**conf, "days": days})
            case {"withdraw": user}:
                given = self.airflow.call(user, "GET", f"/slipway/api/migrations/{self.case.name}/waivers")
                newest = given.json()[0]["id"]
                self.trigger(user, "waive", {"withdraw": newest, "reason": step["reason"]})
            case {"cutover": user}:
                self.cut_over(user)
            case {"rollback": user}:
                self.trigger(user, "rollback", {"reason": "the case looks at both sides"})
                self.done.served["rollback"] = self.read()
            case _:
                raise ValueError(f"{self.case}: case.yaml has the unknown step {step}")

    def note(self, step: Mapping[str, Any], found: Mapping[str, Any], as_of: datetime) -> None:
        report = Path(found["report"]).read_text(encoding="utf-8")
        sent = [record for record in self.case.story.records() if record.arrival <= as_of.astimezone(UTC)]
        evidence = self.people.evidence(found["digest"])
        self.done.nights.append(Night(step, found, evidence, report, sent, self.amended))

    def cut_over(self, user: str) -> None:
        run = self.start(user, "cutover", {"reason": "the case says so"})
        if not self.case.expect_failure:
            self.airflow.until_task(run, "sign_offs", {"deferred", "running", "success"}, RUN_SECONDS)
            digest = self.people.newest_reconciliation()["digest"]
            for signer, role in SIGNERS:
                self.people.sign(signer, role, digest, "read it")
        if self.airflow.wait(run, RUN_SECONDS).state == "failed":
            self.done.refused = self.airflow.failure(run)
        self.done.served["cutover"] = self.read()

    def trigger(self, user: str, verb: str, conf: Mapping[str, Any] | None = None) -> None:
        done = self.airflow.wait(run := self.start(user, verb, conf or {}), RUN_SECONDS)
        if done.state != "success":
            raise AssertionError(f"{run.dag_id} ended as {done.state}:\n{self.airflow.failure(run)}")

    def start(self, user: str, verb: str, conf: Mapping[str, Any]) -> Run:
        self.runs += 1
        return self.airflow.trigger(user, f"{self.case.name}.{verb}", f"case-{self.runs:02}-{verb}", conf)

    def read(self) -> Kpis:
        """Read the serving views as a consumer does."""
        found: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = {}
        with self.stack.postgres("warehouse", "reader") as connection:
            connection.execute("SET TIME ZONE 'UTC'")
            for name, kpi in self.case.kpis.items():
                columns = [*kpi["grain"], *kpi["measures"], "served_from"]
                query = sql.SQL("SELECT {} FROM serving.{}").format(
                    sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(name)
                )
                keys = len(kpi["grain"])
                rows = connection.execute(query).fetchall()
                found[name] = {row[:keys]: row[keys:] for row in rows}
                if len(found[name]) != len(rows):
                    raise AssertionError(f"serving.{name} holds a cell twice")
        return found

    def look_around(self) -> None:
        """Count the lake's tables with PyIceberg itself, and keep what the pages show."""
        catalog = self.feed.catalog()
        for table in ("bronze", "silver", "late", "rejected"):
            name = f"{table}.{self.case.name}" + ("" if table == "bronze" else "__r1")
            places = catalog.load_table(name).scan(selected_fields=("kafka_partition", "kafka_offset"))
            rows = places.to_arrow().to_pylist()
            if len({tuple(row.values()) for row in rows}) != len(rows):
                raise AssertionError(f"{name} holds a record twice")
            self.done.lake[table] = len(rows)
        page = self.airflow.call("rita", "GET", f"/slipway/migrations/{self.case.name}")
        self.done.pages.append(page.text)

    def end_jobs(self) -> None:
        """Cancel the jobs of this case, by their ids."""
        with httpx.Client(base_url=self.stack.settings.flink_url, timeout=30) as flink:
            for job in flink.get("/jobs/overview").json()["jobs"]:
                if self.case.name in job["name"] and job["state"] in ("RUNNING", "RESTARTING", "CREATED"):
                    flink.patch(f"/jobs/{job['jid']}", params={"mode": "cancel"})
