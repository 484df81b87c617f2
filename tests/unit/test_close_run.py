"""Close runs and the nights after them, with the real comparison over files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from slipway.app import close
from slipway.app.reconcile import reconcile
from slipway.app.verify import verify
from slipway.domain.evidence import Verdict
from slipway.domain.periods import period
from slipway.ports import Actor, Amendment, Reconciliation
from tests.fakes.night import ANA, NightWorld
from tests.fakes.two_sides import FIRST, Trip, TwoSides, migration

RITA = Actor("rita", authenticated=True)
NOON = datetime(2026, 3, 1, 17, tzinfo=UTC)
ALL = "SELECT * FROM folded"
EDITED = (
    "SELECT * REPLACE (CASE WHEN day = DATE '2026-03-02' AND zone = 'N' THEN trips + 1 ELSE trips END"
    " AS trips) FROM folded"
)


def trip(n: int, day: int = 0, zone: str | None = "N") -> Trip:
    started = NOON + timedelta(days=day, minutes=n)
    return Trip(f"t{n}", f"r{n}", "AB"[n % 2], started, zone, 100 * n, n / 4, 2**n)


class Nights:
    """A migration whose closed periods can be looked at night after night."""

    def __init__(self, folder: Path, days: int = 3, **contract: Any) -> None:
        self.sides = TwoSides(folder, migration(**contract), days=days)
        self.migration = self.sides.migration
        for n in range(2 * days):
            self.sides.batch.append(trip(n, n % days, None if n % 4 == 0 else "N"))
            self.sides.accept(self.sides.batch[-1])
        self.night = NightWorld(self.sides, self.migration.closes_at(FIRST + timedelta(days=days - 1)))
        self.world = self.night.world()
        self.ledger = self.night.ledger

    def close(self, name: str = "2026-03-01..2026-03-02", by: Actor = RITA) -> Reconciliation:
        self.night.now_at += timedelta(minutes=1)
        found = close.wanted(self.migration, name, by)
        return reconcile(self.migration, self.night.as_of, self.world, by, wait=self.night.wait, period=found)

    def signed(self, name: str = "2026-03-01..2026-03-02") -> Reconciliation:
        run = self.close(name)
        self.night.now_at += timedelta(minutes=1)
        _, closed = close.sign_off(self.migration, "data_owner", "approve", run.digest, "", ANA, self.world)
        assert closed is not None
        return run

    def reconcile(self) -> tuple[Reconciliation, Any]:
        self.night.now_at += timedelta(minutes=1)
        found = reconcile(self.migration, self.night.as_of, self.world, ANA, wait=self.night.wait)
        return found, self.ledger.evidence(found.digest)

    def document(self, found: Reconciliation) -> Any:
        return self.ledger.evidence(found.digest)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def codes(document: Any) -> list[str]:
    return [finding["code"] for finding in document["findings"]]


def test_a_close_run_compares_its_days_alone_and_is_no_night(nights: Nights) -> None:
    night, _ = nights.reconcile()
    run = nights.close()
    again = nights.close()

    document = nights.document(run)
    assert (run.verdict, run.period, run.by) == (Verdict.PASS, "2026-03-01..2026-03-02", "rita")
    assert document["period"] == {
        "name": "2026-03-01..2026-03-02",
        "first": "2026-03-01",
        "last": "2026-03-02",
    }
    days = document["days"]
    assert (days["first"], days["last"], days["closed_through"]) == ("2026-03-01", "2026-03-02", "2026-03-02")
    assert days["closed"] == days["row_by_row"] == ["2026-03-01", "2026-03-02"]
    shown = {day["day"] for day in document["kpis"]["trips_daily"]["days"]}
    assert shown == {"2026-03-01", "2026-03-02"}
    assert document["window"]["complete"] is False
    assert (run.window_days, run.window_complete) == (0, False)
    assert document["restatements"] == []
    assert again.digest == run.digest != night.digest
    assert [one.id for one in nights.ledger.reconciliations("trips")] == [night.id]
    assert [one.id for one in nights.ledger.close_runs("trips")] == [again.id, run.id]
    assert nights.document(night)["period"] is None
    page = Path(run.report).read_text("utf-8")
    assert run.report != night.report
    assert run.digest in page
    assert verify(nights.migration, run.digest, nights.world).same


def test_its_snapshots_carry_a_tag_that_says_whose_they_are(nights: Nights) -> None:
    run = nights.close()
    assert {name for _, _, name in nights.night.tags} == {f"close-2026-03-01..2026-03-02-{run.digest[:16]}"}
    nights.reconcile()
    assert {name.partition("-")[0] for _, _, name in nights.night.tags} == {"close", "evidence"}


def test_days_that_a_night_no_longer_looks_back_on_are_compared_all_the_same(tmp_path: Path) -> None:
    nights = Nights(tmp_path, days=6, reconcile_back="2d")
    assert nights.reconcile()[1]["days"]["first"] == "2026-03-05"
    document = nights.document(nights.close("2026-03-01..2026-03-03"))
    assert document["days"]["closed"] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert document["verdict"] == "PASS"


def test_a_period_with_an_open_day_closes_nothing_and_says_which_day(nights: Nights) -> None:
    run = nights.close("2026-03-02..2026-03-05")

    document = nights.document(run)
    assert run.verdict is Verdict.INCONCLUSIVE
    [finding] = document["findings"]
    assert finding["code"] == "period_open"
    assert "2 to 5 March 2026 can't be closed yet: 4 March 2026 is still open" in finding["what"]
    assert document["kpis"] == {}
    assert Path(run.report).is_file()
    with pytest.raises(Exception, match="only PASS can be signed"):
        close.sign_off(nights.migration, "data_owner", "approve", run.digest, "", ANA, nights.world)


def test_a_batch_side_that_has_not_loaded_all_of_the_period_keeps_it_open(nights: Nights) -> None:
    nights.night.loaded_through = nights.migration.closes_at(FIRST)
    document = nights.document(nights.close())
    assert "2 March 2026 is still open on the batch side" in document["findings"][0]["what"]
    # Of days after the period it may lack what it likes.
    nights.night.loaded_through = nights.migration.closes_at(FIRST + timedelta(days=1))
    assert nights.close().verdict is Verdict.PASS


def test_only_rows_that_close_in_the_period_belong_to_it(tmp_path: Path) -> None:
    monday = date(2026, 3, 2)
    nights = Nights(
        tmp_path,
        days=16,
        kpis={"trips_daily": "day(started)", "trips_weekly": "week(started)"},
        begins=monday,
        reconcile_back="40d",
    )
    nights.night.now_at = datetime(2026, 4, 1, tzinfo=UTC)
    document = nights.document(nights.close("2026-03-02..2026-03-12"))

    weekly = document["kpis"]["trips_weekly"]
    assert [day["day"] for day in weekly["days"]] == ["2026-03-08"]
    assert document["verdict"] == "PASS"
    # The week that ends on the 15th closes in the period that holds its end, with the days before it.
    later = nights.document(nights.close("2026-03-13..2026-03-15"))["kpis"]["trips_weekly"]
    assert [day["day"] for day in later["days"]] == ["2026-03-15"]
    assert later["verdict"] == "PASS"


def test_a_row_that_somebody_has_edited_is_unexplained_and_recorded_once(nights: Nights) -> None:
    run = nights.signed()
    assert nights.reconcile()[1]["restatements"] == []
    nights.sides.stream_rows = EDITED

    _, document = nights.reconcile()
    _, again = nights.reconcile()

    [found] = document["restatements"]
    assert found["closed_digest"] == run.digest
    assert (found["period"], found["kpi"], found["day"]) == (
        "2026-03-01..2026-03-02",
        "trips_daily",
        "2026-03-02",
    )
    assert (found["cell"], found["measure"], found["side"]) == (
        {"day": "2026-03-02", "zone": "N"},
        "trips",
        "stream",
    )
    assert int(found["now"]) == int(found["was"]) + 1
    assert found["cause"] == "unexplained"
    assert again["restatements"] == document["restatements"]
    [warned] = [each for each in document["findings"] if each["code"] == "closed_period_moved"]
    assert warned["warns"] is True
    assert "nobody accounts for 1 value" in warned["what"]
    assert len(nights.ledger.restatements("trips")) == 1
    [incident] = nights.ledger.incidents("trips")
    assert incident["severity"] == "error"
    assert "nobody accounts for it" in incident["what"]

    nights.sides.stream_rows = ALL
    assert nights.reconcile()[1]["restatements"] == []
    assert [row.cause for row in nights.ledger.restatements("trips")] == ["unexplained", "returned"]
    # What was signed is found again from what was kept, whatever became of the rows.
    nights.sides.stream_rows = EDITED
    assert verify(nights.migration, run.digest, nights.world).same


def test_an_amendment_after_the_close_accounts_for_what_it_moves(nights: Nights) -> None:
    offset = nights.sides.come_late(trip(30, 1))
    nights.signed()
    nights.sides.amended = [offset]
    nights.ledger.open_amendment(
        Amendment(
            0,
            "trips",
            1,
            (date(2026, 3, 2),),
            1,
            1,
            "ana",
            "the sensor was late",
            "applied",
            nights.night.now(),
        )
    )

    found, document = nights.reconcile()

    assert {row["side"] for row in document["restatements"]} == {"stream"}
    assert {row["cause"] for row in document["restatements"]} == {"amendment"}
    assert {row["reason"] for row in document["restatements"]} == {"amendment 1 by ana: the sensor was late"}
    assert "closed_period_restated" in codes(document)
    assert "closed_period_moved" not in codes(document)
    assert nights.ledger.incidents("trips") == []

    # Signed again, the new numbers are the closed ones, and the run lists what has changed.
    nights.sides.batch.append(trip(30, 1))
    nights.night.dbt_run = "dbt-2"
    second = nights.signed()
    listed = nights.document(second)["restatements"]
    assert {(row["side"], row["cause"]) for row in listed} == {("stream", "amendment"), ("batch", "baseline")}
    assert all("dbt-2" in row["reason"] for row in listed if row["side"] == "batch")
    assert nights.reconcile()[1]["restatements"] == []
    first, newest = nights.ledger.closes("trips")
    assert newest.supersedes == first.id
    assert found.verdict is Verdict.FAIL  # until the batch side had the late record, too


def test_batch_rows_that_change_without_a_build_are_unexplained(nights: Nights) -> None:
    nights.signed()
    nights.sides.batch_rows = EDITED
    [row] = nights.reconcile()[1]["restatements"]
    assert (row["side"], row["cause"]) == ("batch", "unexplained")


def test_a_rebuilt_baseline_is_told_with_the_causes_of_that_night(nights: Nights) -> None:
    nights.signed()
    nights.sides.batch = [one for one in nights.sides.batch if one.trip_id != "t1"]
    nights.night.dbt_run = "dbt-2"
    rows = nights.reconcile()[1]["restatements"]
    assert {row["side"] for row in rows} == {"batch"}
    assert {row["cause"] for row in rows} == {"baseline"}
    [counted] = [row for row in rows if row["measure"] == "trips"]
    assert counted["reason"].endswith("in dbt run dbt-2; there it differs from the stream by not in batch")


@pytest.mark.parametrize("blind", [{"batch_ok": False}, {"end_offset": 99}], ids=["being built", "cut"])
def test_a_night_that_could_not_look_does_not_use_up_a_baseline(
    nights: Nights, blind: Mapping[str, Any]
) -> None:
    """The night after it has seen the baseline first, and must not say that nobody built one."""
    nights.signed()
    nights.sides.batch = [one for one in nights.sides.batch if one.trip_id != "t1"]
    nights.night.dbt_run = "dbt-2"
    before = {name: getattr(nights.night, name) for name in blind}
    for name, value in blind.items():
        setattr(nights.night, name, value)
    found, document = nights.reconcile()
    assert (found.verdict, document["restatements"]) == (Verdict.INCONCLUSIVE, [])
    for name, value in before.items():
        setattr(nights.night, name, value)

    assert {row["cause"] for row in nights.reconcile()[1]["restatements"]} == {"baseline"}
    assert nights.ledger.incidents("trips") == []


def test_nothing_is_looked_at_while_a_baseline_is_being_built(nights: Nights) -> None:
    nights.signed()
    nights.sides.stream_rows = EDITED
    known = nights.reconcile()[1]["restatements"]
    nights.sides.batch_rows = "SELECT * FROM folded WHERE FALSE"
    nights.night.batch_ok = False
    assert nights.reconcile()[1]["restatements"] == known
    assert len(nights.ledger.restatements("trips")) == 1


def test_a_measure_that_means_something_else_is_said_to_be_apart(nights: Nights) -> None:
    nights.signed()
    [kept] = nights.ledger.closes("trips")
    document = dict(nights.ledger.evidence(kept.digest) or {})
    measures = document["kpis"]["trips_daily"]["measures"]
    next(one for one in measures if one["name"] == "trips")["function"] = "sum"

    [finding] = [f for f in nights.reconcile()[1]["findings"] if f["code"] == "closed_period_apart"]

    assert "1 to 2 March 2026: trips_daily counts trips otherwise" in finding["what"]
    assert finding["warns"] is True


def test_where_periods_stand_is_told_for_people(nights: Nights) -> None:
    nights.signed()
    nights.sides.stream_rows = EDITED
    nights.reconcile()
    failing = nights.close("2026-03-03..2026-03-03")

    later, first = close.standings(nights.migration, nights.world)

    assert (later.period.name, later.close, later.run) == ("2026-03-03..2026-03-03", None, failing)
    assert first.close is not None and first.run is None
    assert [row.cause for row in first.restated] == ["unexplained"]
    assert first.period == replace(period("2026-03-01..2026-03-02"))
