"""Which checks follow from a contract, and what its own may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from slipway.domain.avro import parse_schema
from slipway.domain.contract import Contract, ContractError, Migration, compile_migration
from slipway.domain.contract_judging import Expectation
from slipway.domain.expectations import Wanted, wanted
from tests.fakes.two_sides import SCHEMA, migration

BETWEEN = "expect_column_values_to_be_between"


def compiled(
    *own: Mapping[str, Any], schema: str = SCHEMA, kpis: Mapping[str, str] | None = None
) -> Migration:
    """Return the migration with expectations of its own, compiled as a file would be."""
    contract: Contract = migration(kpis=kpis).contract
    expectations = tuple(Expectation.model_validate(one) for one in own)
    return compile_migration(contract.model_copy(update={"expectations": expectations}), parse_schema(schema))


def of(migration: Migration, suite: str) -> list[Wanted]:
    return [one for one in wanted(migration) if one.suite == suite]


def columns(found: list[Wanted], expect: str) -> set[tuple[str, ...]]:
    return {one.columns for one in found if one.expect == expect}


def test_suites_follow_from_contract_and_schema() -> None:
    silver, serving = of(migration(), "silver"), of(migration(), "serving")

    required = columns(silver, "expect_column_values_to_not_be_null")
    assert required == {(n,) for n in ("arrived_at", "trip_id", "rider", "kind", "started", "version")}
    in_set = {"column": "kind", "value_set": ["A", "B"]}
    assert Wanted("silver", "expect_column_values_to_be_in_set", in_set) in silver
    assert columns(serving, "expect_compound_columns_to_be_unique") == {("day", "zone")}
    # Sums and counts over no events are 0; minima, maxima and averages are NULL.
    filled = columns(serving, "expect_column_values_to_not_be_null")
    assert filled == {("trips",), ("short",), ("fares",), ("weights",), ("riders",)}
    ordered = columns(serving, "expect_column_pair_values_a_to_be_greater_than_b")
    assert ordered == {("trips", "short"), ("trips", "riders")}
    assert all(one.otherwise == "fail" and one.source == "derived" for one in wanted(migration()))


def test_with_versions_an_id_and_its_version_are_unique_together() -> None:
    silver = of(migration(keep="latest"), "silver")

    assert ("trip_id", "version") in columns(silver, "expect_compound_columns_to_be_unique")
    assert not columns(silver, "expect_column_values_to_be_unique")


def test_only_rows_that_can_miss_the_begin_of_their_period_are_asked_about_it() -> None:
    several = migration(kpis={"by_day": "day(started)", "by_hour": "hour(started)"})

    assert {one.kpi for one in of(several, "serving") if "off_period" in one.columns} == {"by_hour"}


def test_own_expectations_come_with_what_the_contract_says_of_them() -> None:
    one = compiled(
        {"of": "comparison", "expect": BETWEEN, "with": {"column": "difference_trips"}, "otherwise": "warn"}
    )

    assert [found for found in wanted(one) if found.source == "contract"] == [
        Wanted(
            "comparison",
            BETWEEN,
            {"column": "difference_trips"},
            kpi="trips_daily",
            source="contract",
            otherwise="warn",
            cells=True,
        )
    ]


TWO = {"by_day": "day(started)", "by_hour": "hour(started)"}
PERSONAL = SCHEMA.replace('"doc": "Kafka key"', '"doc": "Kafka key", "pii": true')


@pytest.mark.parametrize(
    ("own", "more", "path", "words"),
    [
        (
            {"of": "silver", "with": {"column": "fair"}},
            {},
            "with",
            "silver has no column fair; it has trip_id",
        ),
        (
            {"of": "serving", "with": {"column": "fare"}},
            {},
            "with",
            "serving has no column fare; it has day, zone",
        ),
        (
            {"of": "comparison", "with": {"column": "trips"}},
            {},
            "with",
            "batch_trips, recomputed_trips, stream_trips, difference_trips",
        ),
        ({"of": "silver", "with": {"column_list": ("fare", "x")}}, {}, "with", "no column x"),
        ({"of": "silver", "with": {"column_A": "fare", "column_B": "y"}}, {}, "with", "no column y"),
        ({"of": "silver", "kpi": "trips_daily"}, {}, "kpi", "the events of all KPIs; leave kpi out"),
        ({"of": "serving"}, {"kpis": TWO}, "0", "say whose rows: kpi is one of by_day, by_hour"),
        ({"of": "serving", "kpi": "hourly"}, {}, "kpi", "there is no KPI hourly; choose from trips_daily"),
        (
            {"of": "silver", "with": {"column": "rider"}},
            {"schema": PERSONAL},
            "with",
            "rider is personal (pii)",
        ),
    ],
)
def test_what_an_own_expectation_names_must_be_there_and_may_be_shown(
    own: Mapping[str, Any], more: Mapping[str, Any], path: str, words: str
) -> None:
    with pytest.raises(ContractError) as refused:
        compiled({"expect": BETWEEN, **own}, **more)

    assert str(refused.value.path[-1]) == path
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "own",
    [
        {"of": "silver", "with": {"column": "seconds_before_closing"}},
        {"of": "silver", "with": {"column": "cabs__weight"}},
        {"of": "silver", "with": {"column": "arrived_at"}},
        {"of": "serving", "with": {"column": "mean_miles"}},
        {"of": "serving", "kpi": "trips_daily", "with": {"column": "day"}},
        {"of": "silver", "with": {"min_value": 1}},
    ],
)
def test_own_expectations_may_look_at_whatever_is_there(own: Mapping[str, Any]) -> None:
    assert compiled({"expect": BETWEEN, **own}).contract.expectations
