"""The end of the demo: what happened, in figures that were read from the systems, and where to look."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from demo.people import Migration

COLOURS = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow", "ERROR": "red"}


@dataclass
class Summary:
    """What the chapters found; `collect` asks for the rest."""

    nights: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    reader: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, dict[str, Any]] = field(default_factory=dict)
    switches: list[dict[str, Any]] = field(default_factory=list)
    maintenance: list[dict[str, Any]] = field(default_factory=list)
    closes: list[dict[str, Any]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)

    def night(self, name: str, found: dict[str, Any]) -> None:
        """Keep one night's reconciliation."""
        self.nights.append((name, found))

    def collect(self, migration: Migration) -> None:
        """Ask for evidence, journal, maintenance and state."""
        self.evidence = {found["digest"]: migration.evidence(found["digest"]) for _, found in self.nights}
        self.switches = migration.switches()
        self.maintenance = migration.maintenance()
        self.closes = migration.closes()
        self.status = migration.status()


def causes(document: dict[str, Any], closed_through: str | None) -> list[str]:
    """Return `day: n events cause` of one evidence document, for closed days.

    Counted by the first measure of each KPI that differs: in the flights contract one event is one flight.
    """
    events: dict[tuple[str, str], int] = defaultdict(int)
    for kpi in document["kpis"].values():
        differing = {difference["measure"] for difference in kpi["differences"]}
        first = next((m["name"] for m in kpi["measures"] if m["name"] in differing), None)
        for difference in kpi["differences"]:
            if difference["measure"] == first and difference["day"] <= (closed_through or ""):
                for cause, share in difference["shares"].items():
                    events[difference["day"], cause] += abs(int(share))
    return [f"{day}: {number} events {cause}" for (day, cause), number in sorted(events.items()) if number]


def show(console: Console, summary: Summary, stack: dict[str, Any], seconds: float) -> None:
    """Print the summary."""
    console.print()
    console.print(_nights(summary))
    console.print(_records(summary))
    console.print(_switches(summary))
    minutes, rest = divmod(int(seconds), 60)
    told = f"[bold]flights is {summary.status['state']}[/bold] after {minutes} min {rest} s"
    console.print(Panel("\n".join(_told(summary)), title=told, border_style="green"))
    for line in _where(summary, stack):
        console.print(line, highlight=False, soft_wrap=True)


def _nights(summary: Summary) -> Table:
    table = Table(title="The nights", title_justify="left", box=None, pad_edge=False)
    for name in ("night", "verdict", "closed through", "days in a row", "differences by cause"):
        table.add_column(name)
    for name, found in summary.nights:
        text = ", ".join(causes(summary.evidence[found["digest"]], found["closed_through"]))
        verdict = found["verdict"]
        table.add_row(
            name,
            f"[{COLOURS[verdict]}]{verdict}[/]",
            str(found["closed_through"]),
            str(found["window_days"]),
            text or "none",
        )
    return table


def _records(summary: Summary) -> Table:
    balance = summary.evidence[summary.nights[-1][1]["digest"]]["balance"]
    table = Table(title="\nWhere every record went", title_justify="left", box=None, pad_edge=False)
    parts = ("produced", "bronze", "silver", "late", "rejected", "duplicates")
    for name in parts:
        table.add_column(name, justify="right")
    table.add_row(*(f"{balance[name]:,}" for name in parts))
    return table


def _switches(summary: Summary) -> Table:
    table = Table(title="\nThe switch journal", title_justify="left", box=None, pad_edge=False)
    for name in ("at", "what", "by", "took", "why"):
        table.add_column(name)
    for row in summary.switches:
        took = f"{row['seconds'] * 1000:.0f} ms" if row.get("seconds") is not None else ""
        table.add_row(str(row["at"])[11:19], row["action"], row["by"], took, row["reason"])
    return table


def _told(summary: Summary) -> list[str]:
    reader, lines = summary.reader, []
    compared = sum(night["window_days"] for _, night in summary.nights[-1:])
    lines.append(f"{compared} closed days agree in a row, to the last flight; every difference had a name.")
    if reader:
        lines.append(
            f"A consumer read serving.flights_daily {reader['reads']:,} times during canaries, switches and "
            f"rollback: [bold]{reader['failures']} failed[/bold], slowest {reader['slowest_ms']:.0f} ms."
        )
    for one in summary.closes:
        signed = ", ".join(sorted({user for users in one["closed"]["signed_by"].values() for user in users}))
        lines.append(
            f"{one['period']} is closed: signed by {signed}, and {len(one['restatements'])} of its values"
            " moved since."
        )
    before = sum(row["files_before"] for row in summary.maintenance)
    after = sum(row["files_after"] for row in summary.maintenance)
    if before:
        lines.append(f"Maintenance left {after} of {before} files; rows and content hash are as before.")
    return lines


def _where(summary: Summary, stack: dict[str, Any]) -> list[str]:
    postgres, report = stack["postgres"], summary.nights[-1][1]["report"]
    reader = f"postgresql://reader:{postgres['passwords']['reader']}@{postgres['host']}:{postgres['port']}"
    users = [f"             {name} / {password}" for name, password in stack["users"].items()]
    return [
        "",
        f"Airflow      {stack['urls']['airflow']}  (the page Slipway is in the menu); users of the demo:",
        *users,
        f"Flink        {stack['urls']['flink']}",
        f"report       {report}",
        f"observation  {Path(report).with_name('observation.html')}  (all nights on one page)",
        f"tables       {reader}/warehouse  (consumers read the view serving.flights_daily)",
        "",
        "The stack is still up: `make status`, `make down`. `make demo` starts an empty world again.",
    ]
