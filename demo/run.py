"""`make demo`: one whole migration of real flight data, through Airflow, as its users would do it.

Give it a running stack (`python -m local.stack up`) with an empty world. It triggers DAGs over REST, replays
history into the operational table and the topic, signs as the demo's people, and ends with a summary. It
holds no state of its own: whatever it says was asked of Airflow, the ledger, the lake or the warehouse.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape

from demo.airflow_api import Airflow, DemoError, Run
from demo.people import Migration
from demo.summary import Summary, show

NEW_YORK = ZoneInfo("America/New_York")
REPO = Path(__file__).parents[1]
HISTORY_TO = date(2013, 2, 26)
NIGHTS = [date(2013, 2, 27) + timedelta(days=days) for days in range(5)]
LAST_NIGHT = date(2013, 3, 14)
TRY_AGAIN = 75
"""Exit code of the replayer for what may be well next time (EX_TEMPFAIL)."""
EARLY_CUTOVER_AFTER = date(2013, 2, 28)
CLOSED = "2013-02-25..2013-02-28"
SIGNERS = (("ana", "data_owner"), ("carla", "consumer"), ("omar", "on_call"))


def six_in_the_morning(day: date) -> datetime:
    """Return 06:00 New York of a day, UTC."""
    return datetime.combine(day, clock_time(6), tzinfo=NEW_YORK).astimezone(UTC)


@dataclass
class Stage:
    """Prints one line for each step, with what is going on in it and how long it took."""

    console: Console
    started: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show a step while it runs; the yielded function replaces the note at its end."""
        begun, note = time.monotonic(), [""]

        def say(detail: str) -> None:
            note[0] = detail
            status.update(f"{text} [dim]{detail}[/dim]")

        with self.console.status(text) as status:
            yield say
        seconds = time.monotonic() - begun
        self.console.print(f"[green]✓[/green] {text} [dim]{note[0]} ({seconds:.1f} s)[/dim]", highlight=False)

    def heading(self, text: str) -> None:
        """Start a new part of the story."""
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        self.console.print(f"\n[bold]{text}[/bold] [dim]{minutes}:{seconds:02}[/dim]", highlight=False)


class Demo:
    """The story, one method a chapter."""

    def __init__(self, stack: dict[str, Any], console: Console) -> None:
        self.stack = stack
        self.stage = Stage(console)
        self.airflow = Airflow(stack["urls"]["airflow"], stack["users"])
        self.flights = Migration(self.airflow, "flights")
        self.summary = Summary()
        self.runs = 0

    # --- small verbs --------------------------------------------------------------------------------------

    def run(
        self, user: str, verb: str, text: str, conf: dict[str, Any] | None = None, *, may_fail: bool = False
    ) -> Run:
        """Trigger a DAG as a user and wait for its end."""
        with self.stage.step(text) as say:
            run = self.start(user, verb, conf)
            done = self.airflow.wait(run, seconds=600, seen=say)
            say(f"{run.dag_id} as {user}")
        if done.state == "failed" and not may_fail:
            raise DemoError(f"{self.airflow.link(run)}\n{self.airflow.failure(run)}")
        return done

    def start(self, user: str, verb: str, conf: dict[str, Any] | None = None) -> Run:
        """Trigger a DAG as a user and don't wait."""
        self.runs += 1
        return self.airflow.trigger(user, f"flights.{verb}", f"demo-{self.runs:02}-{verb}", conf or {})

    def replay(self, to: datetime, text: str) -> None:
        """Replay what had happened and what had arrived up to an instant, in a process of its own."""
        self.replayer(["--to", to.isoformat()], text)

    def replayer(self, arguments: list[str], text: str) -> None:
        """Run the replayer; when it says that trying again may help, try again."""
        command = [sys.executable, "-m", "demo.replay", *arguments]
        with self.stage.step(text) as say:
            for attempt in range(1, 8):
                done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
                if done.returncode != TRY_AGAIN:
                    break
                say(f"attempt {attempt}: {' '.join(done.stderr.split())[:120]}")
                time.sleep(5)  # a broker or database that was killed needs a few seconds to be back
            if done.returncode != 0:
                raise DemoError(f"the replayer failed:\n{done.stdout}\n{done.stderr}")
            say((done.stdout.strip().splitlines() or [""])[-1])

    def night(self, day: date) -> dict[str, Any]:
        """Replay to 06:00 of a day, build the baseline, wait for the reconciliation that its asset starts."""
        as_of = six_in_the_morning(day)
        name = f"{day:%-d %B}, 06:00"
        self.replay(as_of, f"{name}: replay")
        before = self.flights.newest_reconciliation()
        self.run("rita", "baseline", f"{name}: dbt baseline", {"as_of": as_of.isoformat()})
        with self.stage.step(f"{name}: reconcile") as say:
            found = self.flights.next_reconciliation(before, seconds=600, seen=say)
            say(f"{found['verdict']}, closed through {found['closed_through']}")
        self.summary.night(name, found)
        return found

    def reconcile_again(self, day: date, text: str) -> dict[str, Any]:
        """Reconcile by hand for the instant of a night that has been."""
        before = self.flights.newest_reconciliation()
        self.run("rita", "reconcile", text, {"as_of": six_in_the_morning(day).isoformat()})
        found = self.flights.next_reconciliation(before, seconds=60)
        self.summary.night(text, found)
        return found

    def expect(self, found: dict[str, Any], verdict: str) -> None:
        """Stop the demo when a night did not end as its data say it must."""
        if found["verdict"] != verdict:
            raise DemoError(
                f"the reconciliation of {found['as_of']} is {found['verdict']}, expected {verdict}; "
                f"see the report {found['report']}"
            )

    # --- chapters -----------------------------------------------------------------------------------------

    def build(self) -> None:
        """Steps 1 to 4: topics, schemas, tables, jobs."""
        self.stage.heading("Build: contract, topics, jobs, serving")
        self.replayer(["--prepare"], "create the operational tables of the airline")
        self.run("rita", "provision", "provision topics, schema, lake and serving tables")
        self.run("rita", "deploy", "deploy the ingest job and revision 1, each through its gate")
        self.replay(six_in_the_morning(HISTORY_TO), "replay history up to 26 February, 06:00")

    def observe(self) -> None:
        """Step 5: the parallel run, night by night."""
        self.stage.heading("Parallel run: five nights at 06:00 New York")
        for day in NIGHTS:
            found = self.night(day)
            self.expect(found, "FAIL" if day >= date(2013, 3, 1) else "PASS")
            if day == EARLY_CUTOVER_AFTER:
                self.refused_cutover()
        self.stage.heading("3 March: a data owner decides about the late departures")
        reason = "outage of the Newark feed on 27 February; the operational table has these departures"
        self.run("ana", "amend", "ana has the late rows of 27 February amended", {"reason": reason})
        found = self.reconcile_again(NIGHTS[-1], "3 March, again: reconcile after the amendment")
        self.expect(found, "PASS")

    def close_february(self) -> None:
        """The last days of February become final: compared at one cut, and signed."""
        self.stage.heading("The end of February is closed")
        conf = {"as_of": six_in_the_morning(NIGHTS[-1]).isoformat(), "period": CLOSED}
        self.run("rita", "reconcile", "rita has 25 to 28 February compared at one cut", conf)
        run = next(one["run"] for one in self.flights.closes() if one["period"] == CLOSED)
        for user, role in SIGNERS:
            with self.stage.step(f"{user} signs these numbers as final, as {role}") as say:
                self.flights.sign_close(user, role, run["digest"], "as booked")
                say(f"evidence {run['digest'][:12]}")

    def refused_cutover(self) -> None:
        """Too early: the preflight names every blocker and changes nothing."""
        done = self.run(
            "rita", "cutover", "rita asks for the cutover too early", {"reason": "eager"}, may_fail=True
        )
        if done.state != "failed":
            raise DemoError("an early cutover was not refused")
        told = [line.strip() for line in self.airflow.failure(done).splitlines()]
        self.summary.refusals = [line.removeprefix("- ") for line in told if line.startswith("- ")]
        if not self.summary.refusals:
            raise DemoError(
                "\n".join(["the early cutover failed for another reason than its blockers:", *told])
            )
        for blocker in self.summary.refusals:
            what = escape(blocker.partition(". To do:")[0])
            self.stage.console.print(f"    [yellow]refused[/yellow] {what}", highlight=False)

    def cut_over(self, text: str) -> None:
        """Step 6: request, sign-offs, canary, switch, verify."""
        run = self.start("rita", "cutover", {"reason": text})
        with self.stage.step("cutover requested by rita: preflight"):
            self.airflow.until_task(run, "sign_offs", {"deferred", "running", "success"}, 120)
        digest = self.flights.newest_reconciliation()["digest"]
        for user, role in SIGNERS:
            with self.stage.step(f"{user} signs as {role}") as say:
                self.flights.sign(user, role, digest, "checked the report")
                say(f"evidence {digest[:12]}")
        with self.stage.step("canary: LaGuardia from the stream; then the switch") as say:
            done = self.airflow.wait(run, seconds=600, seen=say)
            say("every reader is on the stream")
        if done.state != "success":
            raise DemoError(f"{self.airflow.link(run)}\n{self.airflow.failure(run)}")

    def switch_and_back(self) -> None:
        """Cut over, rehearse the rollback, cut over again, while somebody reads all the time."""
        self.stage.heading("Cutover, a rollback rehearsal, and the cutover again")
        with self.consumer():
            self.cut_over("five days agree, month end included")
            self.run("omar", "rollback", "omar rehearses the rollback", {"reason": "rehearsal"})
            self.expect(
                self.reconcile_again(NIGHTS[-1], "reconcile again: a rollback voids what was signed"), "PASS"
            )
            self.cut_over("the rehearsal went well")

    def live_on(self) -> None:
        """After the switch: maintenance, and the rest of the slice."""
        self.stage.heading("Live: maintenance, and on to 14 March")
        self.run("rita", "maintain", "compact the lake, expire snapshots")
        self.expect(self.night(LAST_NIGHT), "PASS")

    @contextmanager
    def consumer(self) -> Iterator[None]:
        """Run a reader of the serving view beside what happens inside, and keep its tally."""
        postgres = self.stack["postgres"]
        dsn = (
            f"host={postgres['host']} port={postgres['port']} dbname=warehouse user=reader "
            f"password={postgres['passwords']['reader']}"
        )
        with tempfile.TemporaryDirectory() as folder:
            tally = Path(folder) / "tally.json"
            command = [
                sys.executable,
                "-m",
                "demo.reader",
                "--view",
                "serving.flights_daily",
                "--tally",
                str(tally),
            ]
            process = subprocess.Popen(command, cwd=REPO, env={**os.environ, "SLIPWAY_READER_DSN": dsn})
            try:
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
                if tally.exists():
                    self.summary.reader = json.loads(tally.read_text())

    def finish(self) -> None:
        """Show what happened and where to look."""
        self.summary.collect(self.flights)
        show(self.stage.console, self.summary, self.stack, time.monotonic() - self.stage.started)


def main() -> int:
    """Run the demo on a world that is up; 0 when it went as it must."""
    parser = argparse.ArgumentParser(description="Run a whole migration of real flight data.")
    parser.add_argument(
        "--world", type=Path, default=os.environ.get("SLIPWAY_WORLD"), help="folder of the world"
    )
    parser.add_argument("--result", type=Path, help="write what was found to this file too, as JSON")
    given = parser.parse_args()
    # What goes into a file or through a pipe is not folded at 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 132)
    if given.world is None:
        console.print("There is no world: run `make demo`, which starts one, or give --world.")
        return 2
    demo = Demo(json.loads((Path(given.world) / "stack.json").read_text()), console)
    try:
        for chapter in (
            demo.build,
            demo.observe,
            demo.close_february,
            demo.switch_and_back,
            demo.live_on,
            demo.finish,
        ):
            chapter()
        if given.result:
            given.result.write_text(json.dumps(asdict(demo.summary), indent=2))
    except DemoError as error:
        console.print(f"\n[red]The demo stopped.[/red] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print(
            "\nInterrupted. The stack is still up: `make status`, `make down`; `make demo` starts afresh."
        )
        return 130
    finally:
        demo.airflow.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
