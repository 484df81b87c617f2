"""Migrations that Slipway has never seen, each end to end; cases/README.md says how to add one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from slipway.adapters.contracts import load_migration
from tests.e2e.case_runner import Case, Night, Outcome, every_case, run_case
from tests.e2e.cases.records import Kpis
from tests.stack import Stack

CASES = every_case()
AT_ONCE = 2
"""Each needs four slots of Flink's ten, and an amendment two."""

succeed = pytest.mark.parametrize("case", [case for case in CASES if not case.expect_failure], ids=str)
fail = pytest.mark.parametrize("case", [case for case in CASES if case.expect_failure], ids=str)
every = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture(scope="module")
def outcomes(stack: Stack) -> Mapping[str, Future[Outcome]]:
    """Every case, run once; a case that broke raises in its own tests."""
    longest_first = sorted(CASES, key=lambda case: -len(case.steps))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {case.name: pool.submit(run_case, case, stack) for case in longest_first}


@pytest.fixture
def done(case: Case, outcomes: Mapping[str, Future[Outcome]]) -> Outcome:
    return outcomes[case.name].result()


@every
def test_the_folder_is_complete_before_any_server_is_asked(case: Case) -> None:
    load_migration(case.folder / "contract" / f"{case.name}.yaml")
    ddl = (case.folder / "tables.sql").read_text(encoding="utf-8")
    assert set(case.story.tables()) == set(re.findall(r"CREATE TABLE (\S+)", ddl))
    arrivals = [record.arrival for record in case.story.records()]
    assert arrivals == sorted(arrivals)
    assert [instant for instant in arrivals if instant.microsecond % 1000] == []


@every
def test_each_night_ends_as_the_case_says(case: Case, done: Outcome) -> None:
    told = [(n.found["verdict"], n.found["closed_through"]) for n in done.nights]
    wanted = [(s["verdict"], str(s["closed_through"])) for s in case.steps if "verdict" in s]
    assert told == wanted


@every
def test_each_night_differs_just_where_the_truth_of_both_sides_does(case: Case, done: Outcome) -> None:
    for night in done.nights:
        assert found_differences(case, night) == true_differences(case, night), night.step


@every
def test_every_difference_has_the_cause_that_the_case_names_and_is_its_sum(case: Case, done: Outcome) -> None:
    for night in done.nights:
        causes = set()
        for kpi in night.evidence["kpis"].values():
            for each in kpi["differences"]:
                causes |= {cause for cause, share in each["shares"].items() if Decimal(share)}
                assert Decimal(each["remainder"]) == 0
        assert causes == set(night.step.get("causes", ())), night.step


@every
def test_a_night_passes_in_spite_of_differences_by_waivers_alone_and_says_so(
    case: Case, done: Outcome
) -> None:
    for night in done.nights:
        totals = [
            total
            for kpi in night.evidence["kpis"].values()
            for day in kpi["days"]
            for total in day["measures"].values()
        ]
        used = [one for waiver in night.evidence["waivers"] for one in waiver["used"] if one["covers"]]
        waived = bool(night.step.get("waived"))
        assert (any(total["waived"] for total in totals), bool(used)) == (waived, waived), night.step
        if waived:
            assert all(total["waived"] == total["beyond"] for total in totals), night.step
            assert [waiver["by"] for waiver in night.evidence["waivers"]] == ["ana"]


@every
def test_every_record_is_where_the_truth_says(case: Case, done: Outcome) -> None:
    for night in done.nights:
        wanted = case.truth.places(night.sent)
        names = ("bronze", "silver", "late", "rejected", "duplicates")
        told = {name: int(night.evidence["balance"][name]) for name in names}
        assert told == {name: wanted[name] for name in names} | {"bronze": wanted.total()}, night.step
    assert done.lake == {
        name: wanted.total() if name == "bronze" else wanted[name]
        for name in ("bronze", "silver", "late", "rejected")
    }


@succeed
def test_readers_get_the_truth_from_the_stream(case: Case, done: Outcome) -> None:
    assert done.refused is None
    night = done.nights[-1]
    assert done.served["cutover"] == wanted_rows(
        case, case.truth.batch(night.sent), stream_truth(case, night)
    )


@succeed
def test_after_a_rollback_readers_get_the_batch_side(case: Case, done: Outcome) -> None:
    batch = case.truth.batch(done.nights[-1].sent)
    assert done.served["rollback"] == wanted_rows(case, batch, {})


@fail
def test_a_case_that_must_fail_says_why_and_moves_nobody(case: Case, done: Outcome) -> None:
    assert done.refused is not None
    for message in case.expect_failure:
        assert message in done.refused
    batch = case.truth.batch(done.nights[-1].sent)
    assert done.served["cutover"] == wanted_rows(case, batch, {})


@every
def test_personal_values_are_shown_nowhere(case: Case, done: Outcome) -> None:
    shown = "\n".join([*done.pages, *(f"{night.evidence}{night.report}" for night in done.nights)])
    assert case.name in shown
    for name in case.never_shown:
        values = {r.event[name] for r in case.story.records() if not isinstance(r.event, bytes)}
        assert not [value for value in values if value in shown]


def stream_truth(case: Case, night: Night) -> Kpis:
    """What the stream's side must hold on a night."""
    truth: Kpis = (case.truth.amended if night.amended else case.truth.stream)(night.sent)
    return truth


def wanted_rows(case: Case, batch: Kpis, stream: Kpis) -> Kpis:
    """What readers must get, with the source last: the stream's rows, and what lies before its history."""
    return {
        name: {
            cell: (*row, source)
            for source, rows in (("batch", batch[name]), ("stream", stream.get(name, {})))
            for cell, row in rows.items()
            if not stream or (source == "stream") == (_opens_on(case, kpi, cell) >= case.first_day)
        }
        for name, kpi in case.kpis.items()
    }


def true_differences(case: Case, night: Night) -> set[tuple[Any, ...]]:
    """(KPI, measure, cell, batch, stream) wherever both sides differ on a closed day, by the truth."""
    closed = night.step["closed_through"]
    batch, stream = case.truth.batch(night.sent), stream_truth(case, night)
    found = set()
    for name, kpi in case.kpis.items():
        measures = list(kpi["measures"])
        nothing = tuple(
            0 if {"count", "count_distinct", "sum"} & m.keys() else None for m in kpi["measures"].values()
        )
        for cell in batch[name].keys() | stream[name].keys():
            ours, theirs = batch[name].get(cell, nothing), stream[name].get(cell, nothing)
            if case.first_day <= _opens_on(case, kpi, cell) and _closes_on(case, kpi, cell) <= closed:
                found |= {
                    (name, measure, cell, _plain(b), _plain(s))
                    for measure, b, s in zip(measures, ours, theirs, strict=True)
                    if b != s
                }
    return found


def found_differences(case: Case, night: Night) -> set[tuple[Any, ...]]:
    """The same as the evidence tells it."""
    found = set()
    for name, kpi in night.evidence["kpis"].items():
        grain = case.kpis[name]["grain"]
        for each in kpi["differences"]:
            cell = tuple(_read(each["cell"][column], text) for column, text in grain.items())
            sides = _plain(each["batch"]), _plain(each["stream"])
            found.add((name, each["measure"], cell, *sides))
    return found


def _opens_on(case: Case, kpi: Mapping[str, Any], cell: tuple[Any, ...]) -> date:
    _, value = _time_of(kpi, cell)
    if isinstance(value, datetime):
        return value.astimezone(ZoneInfo(case.contract["parity"]["timezone"])).date()
    assert isinstance(value, date)
    return value


def _closes_on(case: Case, kpi: Mapping[str, Any], cell: tuple[Any, ...]) -> date:
    function, value = _time_of(kpi, cell)
    if function == "month":
        following = value.replace(year=value.year + value.month // 12, month=value.month % 12 + 1)
        return date.fromordinal(following.toordinal() - 1)
    return _opens_on(case, kpi, cell)


def _time_of(kpi: Mapping[str, Any], cell: tuple[Any, ...]) -> tuple[str, Any]:
    """The grain function of the cell's time, and its value."""
    texts = [text.partition("(") for text in kpi["grain"].values()]
    return next((name, value) for (name, bracket, _), value in zip(texts, cell, strict=True) if bracket)


def _read(text: Any, grain: str) -> Any:
    """Read a part of a cell as JSON has it; every case's plain fields are texts."""
    match grain.partition("("):
        case (_, "", _):
            return text
        case ("day" | "week" | "month", _, _):
            return date.fromisoformat(text)
        case _:
            return datetime.fromisoformat(text)


def _plain(value: Any) -> Any:
    """A number as evidence writes it: doubles are decimals of scale 6 there."""
    if value is None:
        return None
    exact = Decimal(str(value))
    return exact.quantize(Decimal("0.000001")) if isinstance(value, float) else exact
