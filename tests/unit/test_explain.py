"""What follows from a contract: the rules, the risks it leaves open, and how keys fall on partitions."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from slipway import cli
from slipway.adapters.contracts import load_migration
from slipway.adapters.key_samples import from_file
from slipway.app.explain import explain
from slipway.domain import derive, times
from slipway.domain.closing import closes
from slipway.domain.contract import Migration, compile_migration
from slipway.domain.contract_file import Retention, Traffic
from slipway.domain.contract_judging import MeasureTolerance, Observe
from slipway.domain.looking_back import enough_days, fewest_days
from slipway.domain.risks import risks
from slipway.domain.skew import KeySample, murmur2, partition_of, skew
from slipway.errors import Permanent
from tests.fakes.control import CONTRACT

KNOWN = {  # hash of Kafka's own Java client, as its unit test has it (signed)
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.fixture
def flights() -> Migration:
    return load_migration(CONTRACT)


def changed(flights: Migration, section: str, **values: object) -> Migration:
    part = getattr(flights.contract, section).model_copy(update=values)
    return replace(flights, contract=flights.contract.model_copy(update={section: part}))


@pytest.mark.parametrize(("key", "signed"), KNOWN.items())
def test_murmur2_is_kafkas(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed % 2**32


def test_one_heavy_key_is_found_and_more_partitions_are_said_not_to_help() -> None:
    records = {f"k{number}".encode(): 10 for number in range(100)} | {b"heavy": 1000}

    found = skew(KeySample("test", records), 4, ("customer",))

    assert found.largest_key == "heavy" and found.largest_share == 0.5
    assert found.imbalance == pytest.approx(
        4 * (1000 + 10 * sum(partition_of(f"k{n}".encode(), 4) == partition_of(b"heavy", 4)
                             for n in range(100))) / 2000
    )  # fmt: skip
    assert not found.even
    ways = {way.name: way for way in found.ways_out}
    assert "once there are more than 2" in ways["more partitions"].helps
    assert "no order any more" in ways["salting"].costs
    assert "finer key" in ways["composite key"].costs


def test_many_light_keys_are_even() -> None:
    found = skew(KeySample("test", {f"key-{n}".encode(): 1 for n in range(10_000)}), 8, ("id",))

    assert found.even and found.ways_out == () and found.imbalance < 1.1


def test_a_key_that_nobody_may_read_is_masked() -> None:
    assert skew(KeySample("t", {b"ana@example.org": 9}), 2, ("email",), masked=True).largest_key == "(masked)"


def test_a_file_is_a_sample_and_ids_under_several_keys_are_counted(
    flights: Migration, tmp_path: Path
) -> None:
    lines = [{"event_id": "1", "flight_id": "a"}, {"event_id": "1", "flight_id": "b"},
             {"event_id": "2", "flight_id": "a"}]  # fmt: skip
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")

    found = from_file(flights, path)

    assert found == KeySample(str(path), {b"a": 2, b"b": 1}, 0, strays=1, ids=2, identified=3)
    path.write_text('{"event_id": "1"}')
    with pytest.raises(Permanent, match=r"events\.jsonl:1: the event has no flight_id"):
        from_file(flights, path)


def test_every_value_comes_with_its_rule_and_without_any_system(flights: Migration) -> None:
    found = explain(flights)

    values = {line.name: line for line in found.derived}
    assert values["raw-flight-status: partitions"].value == "2"
    assert values["raw-flight-status: partitions"].inputs["peak"] == "2000/s"
    assert values["bronze: retention"].value == "90d" and values["gold: retention"].value == "2555d"
    assert all(line.rule for line in found.derived)
    assert found.assumptions[0] == "the cluster has 3 brokers; --cluster asks it"
    assert [time.name for time in found.kinds_of_time] == [
        "event time",
        "arrival time",
        "processing time",
    ]
    assert {sink.guarantee for sink in found.guarantees} == {"exactly-once", "effectively-once"}
    assert all(sink.prerequisites for sink in found.guarantees)
    (promise,) = found.promises
    assert "within 5s" in promise.latency and "1d after its end" in promise.completeness
    assert "delay_minutes within 0.1 %" in promise.consistency and "older than 5m" in promise.degraded


def test_the_state_grows_with_the_ids_of_a_day(flights: Migration) -> None:
    figures = {one.name: one.value for one in explain(flights, keys_per_day=1_000_000).state}

    assert figures["state of the deduplication"] == "1.1 GB"  # 7 d x 1 M x 150 B
    assert figures["checkpoint, incremental"].startswith("17.4 kB")


def test_the_upper_bound_of_the_state_is_the_peak_in_a_year(flights: Migration) -> None:
    figures = {one.name: one for one in explain(flights).state}

    traffic = flights.contract.events.traffic
    ids = round(traffic.peak_per_second * traffic.yearly_growth * 86_400)
    assert traffic.yearly_growth > 1
    assert figures["new ids a day"].value == f"{ids:,}"
    assert figures["state of the deduplication"].bytes == ids * 7 * 150
    assert "count how many different origin x carrier" in figures["state of flights_daily"].how


def test_the_state_of_a_kpi_is_reckoned_where_the_contract_knows_the_values_of_its_grain(
    flights: Migration,
) -> None:
    kpi = flights.kpis["flights_daily"]
    kind = replace(kpi.time, name="kind", source=replace(kpi.time.source, name="kind"), function=None)
    known = replace(flights, kpis={"flights_daily": replace(kpi, grain=(kpi.time, kind))})

    (figure,) = [one for one in explain(known).state if one.name == "state of flights_daily"]

    symbols = next(field for field in flights.event_fields if field.name == "kind").symbols
    assert figure.bytes == len(symbols) * 365 * len(kpi.measures) * 100


def test_what_went_into_a_value_is_real(flights: Migration) -> None:
    written = replace(flights, contract=flights.contract.model_copy(
        update={"retention": Retention.model_validate({"silver": "9d"})}))  # fmt: skip
    lines = {line.name: line.inputs for line in explain(written).derived}

    assert lines["silver: retention"] == {"retention.silver": "9 d"}
    assert lines["gold: retention"] == {"retention.gold": "not given"}
    assert lines["checkpoint interval"] == {"commits": "8,640 a day on each lake table"}


@pytest.mark.parametrize(("hours", "days"), [(1, "1"), (24, "1"), (25, "2"), (48, "2")])
def test_days_of_retention_are_rounded_up(flights: Migration, hours: int, days: str) -> None:
    kept = changed(flights, "retention", silver=timedelta(hours=hours))

    assert derive.table_properties(kept, "silver") == {"slipway.retention-days": days}


@pytest.mark.parametrize("layer", ["raw", "dlq", "bronze", "silver", "gold"])
def test_nothing_is_kept_for_no_time(layer: str) -> None:
    with pytest.raises(ValueError, match="nothing would be kept for 0"):
        Retention.model_validate({layer: "0s"})


@pytest.mark.parametrize("growth", [math.inf, math.nan, 1e300])
def test_growth_is_a_number_that_can_be_planned_for(growth: float) -> None:
    with pytest.raises(ValueError, match="yearly_growth"):
        Traffic(peak_per_second=1, mean_bytes=1, yearly_growth=growth)


@pytest.mark.parametrize("count", ["9" * 400, "0", "²", "1.5", "-1"])
def test_keys_per_day_is_a_number_that_can_be_reckoned_with(
    count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["explain", "flights", f"--keys-per-day={count}"])

    assert left.value.code == 2
    assert "is not a whole number above 0" in capsys.readouterr().err


def test_two_brokers_may_lose_what_was_acknowledged(flights: Migration) -> None:
    told = {brokers: risk.what for brokers in (1, 2) for risk in risks(flights, brokers)
            if risk.about == "Kafka cluster"}  # fmt: skip

    assert "acknowledges records alone" in told[2] and "can't be written" not in told[2]
    assert "the only copy" in told[1]


def test_explain_and_the_nightly_report_have_one_list_of_the_kinds_of_time(flights: Migration) -> None:
    assert explain(flights).kinds_of_time == times.kinds_of_time(flights)
    arrival = explain(flights).kinds_of_time[1].decides
    assert "too far ahead" in arrival and "lateness class (0 h, 1 h, 6 h, 24 h)" in arrival


def test_a_contract_says_how_long_a_layer_is_kept(flights: Migration) -> None:
    live = changed(flights, "events", arrival="broker")
    kept = changed(live, "retention", raw=timedelta(days=30), bronze=timedelta(days=3))

    assert derive.raw_retention(kept).value == 30 * 86_400_000
    assert derive.table_properties(kept, "bronze") == {"slipway.retention-days": "3"}
    assert any(risk.about == "retention.bronze" for risk in risks(kept))
    assert not any(risk.about == "retention.bronze" for risk in risks(live))


def test_each_risk_goes_when_its_key_is_set(flights: Migration) -> None:
    def about(migration: Migration, brokers: int | None = None) -> set[str]:
        return {risk.about for risk in risks(migration, brokers)}

    assert {"events.arrival", "events.key", "events.format", "gates.observe.closed_days"} <= about(flights)
    assert "events.arrival" not in about(changed(flights, "events", arrival="broker"))
    assert "events.key" not in about(changed(flights, "events", key=("event_id",)))
    assert "events.format" not in about(changed(flights, "events", format="avro"))
    assert "parity.accept_late" in about(changed(flights, "parity", accept_late=timedelta(0)))
    assert "cutover.canary" in about(changed(flights, "cutover", canary=()))
    owners = {**flights.contract.owners, "on_call": ("ana",)}
    alone = replace(flights, contract=flights.contract.model_copy(update={"owners": owners}))
    assert "owners" in about(alone) and "owners" not in about(flights)
    assert "Kafka cluster" in about(flights, 1) and "Kafka cluster" not in about(flights, 3)


def by_grain(
    flights: Migration, function: str, back: int, closed_days: int = 5, including: tuple[str, ...] = ()
) -> Migration:
    looking = changed(changed(flights, "parity", reconcile_back=timedelta(days=back)), "gates")
    observe = Observe(closed_days=closed_days, including=including)  # type: ignore[arg-type]
    gates = looking.contract.gates.model_copy(update={"observe": observe})
    kpi = flights.kpis["flights_daily"]
    kpis = {"flights_daily": replace(kpi, time=replace(kpi.time, function=function))}
    return replace(looking, contract=looking.contract.model_copy(update={"gates": gates}), kpis=kpis)


def coarse(function: str, days: int) -> dict[str, tuple[str, str]]:
    return {"parity.reconcile_back": (f"by {function}", f"{days}d")}


@pytest.mark.parametrize(
    ("function", "back", "closed_days", "including", "about"),
    [
        ("day", 5, 5, (), {}),
        ("day", 4, 5, (), {"gates.observe": ("never", "5d")}),
        ("day", 14, 5, ("month_end",), {"gates.observe": ("on some nights only", "31d")}),
        ("day", 31, 5, ("month_end",), {}),
        ("week", 14, 2, (), {}),
        ("week", 13, 2, (), {"gates.observe": ("on some nights only", "14d")}),
        ("week", 7, 2, (), {"gates.observe": ("never", "14d")}),
        ("week", 6, 1, (), {**coarse("week", 7), "gates.observe": ("some nights", "7d")}),
        ("week", 40, 2, ("month_end",), {"gates.observe.including": ("Sunday", "leave month_end out")}),
        ("month", 14, 1, (), {**coarse("month", 31), "gates.observe": ("some nights", "31d")}),
        ("month", 28, 2, (), {**coarse("month", 31), "gates.observe": ("never", "62d")}),
        ("month", 62, 2, ("month_end",), {}),
    ],
)  # fmt: skip
def test_looking_back_too_little_for_what_the_gate_waits_for_is_a_risk(
    flights: Migration,
    function: str,
    back: int,
    closed_days: int,
    including: tuple[str, ...],
    about: dict[str, tuple[str, str]],
) -> None:
    mine = ("parity.reconcile_back", "gates.observe", "gates.observe.including")
    found = {
        risk.about: risk
        for risk in risks(by_grain(flights, function, back, closed_days, including))
        if risk.about in mine and "need be seen" not in risk.what
    }

    assert found.keys() == about.keys()
    for key, (what, closed_by) in about.items():
        assert what in found[key].what and closed_by in found[key].closed_by


def test_what_is_called_enough_lets_every_night_hold_the_window(flights: Migration) -> None:
    for function, closed_days in itertools.product(("day", "week", "month"), (1, 2, 3, 5)):
        asked = by_grain(flights, function, 1, closed_days)
        enough, fewest = enough_days(asked), fewest_days(asked)
        kpi = asked.kpis["flights_daily"]
        loud = [closes(kpi.time, date(2024, 1, 1) + timedelta(days=n)) for n in range(1600)]
        held = {
            back: [sum(loud[n - back : n]) for n in range(back, 1600)]
            for back in (enough, enough - 1, fewest, fewest - 1)
        }

        assert min(held[enough]) >= closed_days > min(held[enough - 1])
        assert max(held[fewest]) >= closed_days > max(held[fewest - 1])


def test_explain_prints_tables_or_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "flights"]) == 0
    told = capsys.readouterr().out
    assert "Risks that the contract leaves open" in told and "Kinds of time" in told

    assert cli.main(["explain", "flights", "--json", "--keys-per-day", "10"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["derived"][0]["inputs"]["parallelism"] == "2"
    assert document["skew"] is None


@pytest.mark.parametrize(
    ("grain", "kind", "told"),
    [
        ("day", date(2013, 7, 4), "once 4 July 2013 lies further back, the gate closes for good"),
        ("day", date(2013, 2, 1), "no row that is compared closes on 1 February 2013: the gate stays closed"),
        ("week", date(2013, 7, 4), "no row that is compared closes on 4 July 2013"),
        ("week", date(2013, 7, 7), "once 7 July 2013 lies further back"),
        ("week", "weekly_cycle", "no row closes on most days of the week"),
        ("week", "month_end", "seldom the end of a month"),
        ("month", "weekly_cycle", "no row closes on most days of the week"),
    ],
)
def test_a_kind_of_day_that_the_gate_may_never_see_is_a_risk(
    flights: Migration, grain: str, kind: str | date, told: str
) -> None:
    contract = flights.contract
    kpi = contract.kpis["flights_daily"]
    kpis = {"k": kpi.model_copy(update={"grain": {**kpi.grain, "flight_date": f"{grain}(event_time)"}})}
    observe = contract.gates.observe.model_copy(update={"including": (kind,)})
    gates = contract.gates.model_copy(update={"observe": observe})
    made = compile_migration(contract.model_copy(update={"kpis": kpis, "gates": gates}), flights.schema)

    found = [risk.what for risk in risks(made) if risk.about == "gates.observe.including"]

    assert any(told in what for what in found)
    assert len(found) <= 2


def test_a_daily_window_of_a_week_is_no_risk(flights: Migration) -> None:
    observe = flights.contract.gates.observe.model_copy(update={"including": ("month_end", "weekly_cycle")})
    gates = flights.contract.gates.model_copy(update={"observe": observe})
    made = compile_migration(flights.contract.model_copy(update={"gates": gates}), flights.schema)

    assert not [risk for risk in risks(made) if risk.about == "gates.observe.including"]


def test_consumers_are_promised_the_tolerance_of_each_cell(flights: Migration) -> None:
    kpi = flights.contract.kpis["flights_daily"]
    segments = (
        {"where": {"origin": ["LGA", "EWR"], "carrier": ["UA"]}, "absolute": 2, "relative": "1 %"},
        {"where": {"origin": ["JFK"]}},
    )
    tolerance = MeasureTolerance.model_validate({"segments": [dict(one) for one in segments]}, strict=False)
    seats = kpi.measures["seats"].model_copy(update={"tolerance": tolerance})
    kpis = {"flights_daily": kpi.model_copy(update={"measures": {**kpi.measures, "seats": seats}})}
    made = compile_migration(flights.contract.model_copy(update={"kpis": kpis}), flights.schema)

    (promise,) = explain(made).promises

    assert (
        "seats within 2 or 1 % where origin is LGA or EWR and carrier is UA, within 0 where origin is JFK,"
        " else equal" in promise.consistency
    )
    assert any(risk.about.endswith("measures.seats") and "tolerance" in risk.what for risk in risks(made))
