"""A fold by the stream engine: its script, and that it leaves nothing behind however it ends."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import httpx
import pytest

from slipway.adapters.comparison.folds import Folded, refuse_other_events, rows_of
from slipway.adapters.comparison.on_flink import AT_MOST, SLOT_AT_MOST, FlinkFolds
from slipway.adapters.flink.render import Endpoints, FlinkScripts
from slipway.adapters.flink.rest import FlinkEngine
from slipway.domain import derive
from slipway.domain.contract import Migration
from slipway.errors import Permanent, Retryable
from slipway.faults import InjectedFault
from slipway.ports import JobStatus, LakeFiles, Question
from tests.fakes.engine import FakeEngine, FakeJob, FakeScripts
from tests.fakes.two_sides import TwoSides, migration

REPO = Path(__file__).parents[2]
QUESTION = Question(
    revision=2,
    offsets={0: 17, 3: 5},
    files=LakeFiles((), (), (), (), ()),
    first=date(2026, 3, 4),
    closed_through=date(2026, 3, 8),
    last=date(2026, 3, 9),
    batch_through=datetime(2026, 3, 9, tzinfo=UTC),
    amendments=(),
    snapshots={"silver.trips__r2": 41, "late.trips__r2": 42},
)
AMENDED = dataclasses.replace(QUESTION, amendments=(1, 2))


class Clock:
    """A clock that goes on only when somebody pauses."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def pause(self, span: timedelta) -> None:
        self.at += span


class Cluster(FakeEngine):
    """An engine that says what it is. looks: how often the newest job is looked at until it has finished."""

    def __init__(self, slots: int = 8, looks: int = 1) -> None:
        super().__init__(slots)
        self.looks = looks

    def version(self) -> str:
        return "flink 2.1.3"

    def status(self, job_id: str) -> JobStatus | None:
        job = self.jobs.get(job_id)
        if job is not None and job.state == "RUNNING":
            self.looks -= 1
            if self.looks < 0:
                job.state = "FINISHED"
        return super().status(job_id)


class Tables:
    """The warehouse's part, as a list of what stands there."""

    def __init__(self) -> None:
        self.standing: list[str] = []

    def jobs(self, migration: str) -> Sequence[str]:
        return self.standing

    def prepare(self, migration: Migration, question: Question, job_id: str) -> str:
        assert self.standing == []
        self.standing.append(job_id)
        return f"side_{migration.name}_fold_{job_id[:6]}"

    def clean(self, migration: str) -> None:
        self.standing.clear()


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def trips() -> Migration:
    return migration(kpis={"trips_daily": "day(started)", "trips_weekly": "week(started)"})


def folds(engine: Cluster, tables: Tables, clock: Clock | None = None) -> FlinkFolds:
    return FlinkFolds(engine, FakeScripts(), tables, clock or Clock())  # type: ignore[arg-type]


def script(trips: Migration, question: Question) -> str:
    here = Endpoints("b:1", "jdbc:postgresql://db:5/w", "jdbc:postgresql://db:5/l?user=l", "file:///lake")
    rendered = FlinkScripts(REPO / "flink_jobs" / "pipeline", here, Path("absent.jar"))
    return rendered.fold(trips, question, "side_trips_fold_0a1b2c")


def test_the_script_folds_every_kpi_at_the_cut_and_nothing_beyond_it(trips: Migration) -> None:
    found = script(trips, QUESTION)

    for kpi in trips.kpis.values():
        assert f"'table-name' = 'side.{kpi.name}__fold'" in found
        for measure in kpi.measures:
            assert measure.sql("flink") in found
            assert found.count(f"AS `{measure.name}`") == len(trips.kpis)
    assert found.count("/*+ OPTIONS('snapshot-id' = '41') */") == found.count("FROM `lake`.`silver`") > 0
    assert "s.`kafka_offset` < CASE s.`kafka_partition` WHEN 0 THEN 17 WHEN 3 THEN 5 END" in found
    # The week that holds the first day began on a Monday, and that after parity.from.
    assert "BETWEEN DATE '2026-03-02' AND DATE '2026-03-09'" in found
    assert "?user=side_trips_fold_0a1b2c" in found
    assert found.count("EXECUTE STATEMENT SET") == 1
    assert "`late`" not in found
    assert "password" not in found.lower().replace("the password comes from pgpassfile", "")


def test_amended_late_rows_count_in_rows_of_a_week_only_with_that_week(trips: Migration) -> None:
    found = script(trips, AMENDED)

    day, _, week = found.partition("VIEW `amended_week`")
    assert "OPTIONS('snapshot-id' = '42')" in day
    assert "p.`week`" not in day
    assert "AND p.`week`;" in week
    assert "FROM `counted_day`" in week
    assert "FROM `counted_week`" in week


def test_without_a_snapshot_there_are_no_events(trips: Migration) -> None:
    found = script(trips, dataclasses.replace(QUESTION, snapshots={}))

    assert "WHERE FALSE AND" in found
    assert "snapshot-id" not in found


def test_the_newest_versions_count_and_replaced_ones_do_not() -> None:
    found = script(migration(keep="latest"), AMENDED)

    assert "PARTITION BY `trip_id`, `$amended` ORDER BY `version` DESC" in found
    assert "WHERE a.`replaces` AND a.`trip_id` = s.`trip_id`" in found


def test_the_tables_stand_while_they_are_read_and_no_longer(trips: Migration, tables: Tables) -> None:
    engine = Cluster(slots=5)

    with folds(engine, tables).folded(trips, QUESTION) as found:
        [job] = engine.submitted
        assert tables.standing == [job.job_id]
        assert found == Folded(
            {"trips_daily": "side.trips_daily__fold", "trips_weekly": "side.trips_weekly__fold"},
            "flink 2.1.3",
        )

    assert tables.standing == []
    assert job.parallelism == 2, "half of the free slots"


def test_the_same_cut_has_the_same_job_id_until_the_engine_knows_it(trips: Migration, tables: Tables) -> None:
    engine, other = Cluster(), Cluster()
    for one in (engine, other, engine):
        with folds(one, tables).folded(trips, QUESTION):
            one.looks = 1
    with folds(other, tables).folded(trips, AMENDED):
        pass

    (first, again), (same, another) = engine.submitted, other.submitted
    assert first.job_id == same.job_id
    assert len({first.job_id, again.job_id, another.job_id}) == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_ends_the_job_and_drops_its_tables(
    trips: Migration, tables: Tables, error: type[BaseException]
) -> None:
    class Interrupted(Clock):
        def pause(self, span: timedelta) -> None:
            raise error

    engine = Cluster(looks=9)
    with pytest.raises(error), folds(engine, tables, Interrupted()).folded(trips, QUESTION):
        pytest.fail("nothing was folded")

    assert [job.state for job in engine.jobs.values()] == ["CANCELED"]
    assert tables.standing == []


def test_an_error_of_the_reader_drops_the_tables(trips: Migration, tables: Tables) -> None:
    with pytest.raises(ZeroDivisionError), folds(Cluster(), tables).folded(trips, QUESTION):
        raise ZeroDivisionError

    assert tables.standing == []


@pytest.mark.parametrize("step", ["fold.after_prepare", "fold.after_submit", "fold.after_run"])
def test_what_a_crash_leaves_is_ended_by_the_next_fold(
    trips: Migration, tables: Tables, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    engine = Cluster()
    monkeypatch.setenv("SLIPWAY_FAIL_AT", step)
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    with pytest.raises(InjectedFault), folds(engine, tables).folded(trips, QUESTION):
        pytest.fail("it should have crashed before")
    assert len(tables.standing) == 1
    monkeypatch.delenv("SLIPWAY_FAIL_AT")
    engine.looks = 1

    with folds(engine, tables).folded(trips, AMENDED):
        assert tables.standing == [engine.submitted[-1].job_id]

    assert tables.standing == []
    left = {job.state for job in engine.jobs.values()}
    assert left == ({"CANCELED", "FINISHED"} if step == "fold.after_submit" else {"FINISHED"})


def test_a_failed_job_says_why_and_what_to_do(trips: Migration, tables: Tables) -> None:
    def fail(job: FakeJob) -> None:
        job.state, job.failure = "FAILED", "PSQLException: connection lost"

    engine = Cluster()
    engine.begin = fail
    with (
        pytest.raises(
            Retryable, match=r"slipway-trips-r2-fold .* is FAILED: PSQLException: .*engine to duckdb"
        ),
        folds(engine, tables).folded(trips, QUESTION),
    ):
        pytest.fail("nothing was folded")

    assert tables.standing == []


def test_a_job_that_does_not_end_is_cancelled_and_told_of_meanwhile(
    trips: Migration, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Cluster(looks=10**9)
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(Retryable, match=r"is RUNNING after 2:00:00 and is cancelled"),
        folds(engine, tables).folded(trips, QUESTION),
    ):
        pytest.fail("nothing was folded")

    assert [job.state for job in engine.jobs.values()] == ["CANCELED"]
    assert tables.standing == []
    told = [line for line in caplog.messages if "tasks done" in line]
    assert told[0] == "slipway-trips-r2-fold: running, 0 of 8 tasks done after 10 s"
    assert len(told) == AT_MOST / timedelta(seconds=10) - 1


def test_without_a_free_slot_nothing_is_begun(trips: Migration, tables: Tables) -> None:
    engine, clock = Cluster(slots=0), Clock()
    began = clock.now()

    with (
        pytest.raises(Retryable, match=r"one free slot .* add a TaskManager, stop a job"),
        folds(engine, tables, clock).folded(trips, QUESTION),
    ):
        pytest.fail("nothing was folded")

    assert (engine.submitted, tables.standing) == ([], [])
    assert clock.now() - began == SLOT_AT_MOST


@pytest.fixture
def counted(trips: Migration) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE stream_events AS SELECT unnest([4, 5, 9]) AS kafka_offset")
        yield connection


@pytest.mark.parametrize(
    ("rows", "right"),
    [
        ("(2, 9), (1, 9)", True),
        ("(2, 9)", False),
        ("(2, 10), (1, 9)", False),
        ("(2, 9), (1, 9), (1, 9)", False),
    ],
)
def test_a_fold_of_other_events_is_not_believed(
    trips: Migration, counted: duckdb.DuckDBPyConnection, rows: str, right: bool
) -> None:
    kpi = trips.kpis["trips_daily"]
    counted.execute(
        f"CREATE TEMP TABLE {rows_of(kpi)} AS SELECT * FROM (VALUES {rows}) AS v (_events, _offsets)"
    )

    if right:
        refuse_other_events(counted, kpi, "flink 2.1.3")
        return
    with pytest.raises(Retryable, match=r"flink 2.1.3 folded trips_daily of .* but the cut has 3 \(18\)"):
        refuse_other_events(counted, kpi, "flink 2.1.3")


def test_an_engine_that_nobody_wired_is_refused_by_name(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, migration())
    wanted = sides.migration.contract.reconcile.model_copy(update={"engine": "flink"})
    sides.migration = dataclasses.replace(
        sides.migration, contract=sides.migration.contract.model_copy(update={"reconcile": wanted})
    )

    with pytest.raises(Permanent, match=r"reconcile.engine is flink, but only duckdb is known here"):
        sides.comparison().compare(sides.migration, QUESTION, None)  # type: ignore[arg-type]


def test_explain_names_the_engine() -> None:
    plain = migration()
    other = plain.contract.reconcile.model_copy(update={"engine": "flink"})
    clusters = dataclasses.replace(plain, contract=plain.contract.model_copy(update={"reconcile": other}))

    told = [derive.explain(one, 3)["fold of silver for the comparison"] for one in (plain, clusters)]

    assert [line.value for line in told] == [
        "on the machine that runs the night",
        "a batch job on half of the stream engine's free slots",
    ]
    assert told[1].inputs == {"engine": "flink"}


def test_the_engine_says_what_it_is(tmp_path: Path) -> None:
    answers = httpx.MockTransport(lambda request: httpx.Response(200, json={"flink-version": "2.1.3"}))

    assert FlinkEngine("http://flink", tmp_path / "driver.jar", answers).version() == "flink 2.1.3"
