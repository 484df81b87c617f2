"""The language of measures: types grow, nothing fails, and what has no meaning is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import duckdb
import pytest

from slipway.domain.expressions import Column, ExpressionError, parse_expression
from slipway.domain.measures import CompiledMeasure, GrainColumn, Tolerance, compile_grain, compile_measure
from slipway.domain.rendering import render

KINDS = {
    "t": "timestamp",
    "i": "int",
    "j": "int",
    "b": "long",
    "x": "double",
    "y": "double",
    "d": "decimal(10,2)",
    "wide": "decimal(38,0)",
    "s": "string",
    "yes": "boolean",
    "day": "date",
}
FIELDS = {name: Column(name, kind, nullable=True) for name, kind in KINDS.items()}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("i + j", "long"),
        ("i * j", "long"),
        ("i / j", "long"),
        ("b + 1", "whole(20)"),
        ("b * b", "whole(38)"),
        ("b / 2", "long"),
        ("-b", "whole(19)"),
        ("d + i", "decimal(13,2)"),
        ("d * i", "decimal(20,2)"),
        ("d / i", "double"),
        ("round(d)", "decimal(9,0)"),
        ("round(x, 2)", "decimal(17,2)"),
        ("coalesce(i, d)", "decimal(12,2)"),
        ("cast(s as decimal(5, 1))", "decimal(5,1)"),
    ],
)
def test_a_type_grows_with_what_its_values_may_need(text: str, kind: str) -> None:
    assert parse_expression(text, FIELDS).type == kind


@pytest.mark.parametrize(
    ("text", "offset", "why"),
    [
        ("1 + b * b * b", 4, "is whole(38) * long, which may need up to 57 digits"),
        ("wide + d", 0, "is decimal(38,0) + decimal(10,2), which may need up to 41 digits"),
        ("x * y * x * y * x * y * x * y * x * y * x * y * x * y * x * y", 0, "a double ends near 1e±300"),
        ("i = 1 and s > i", 10, "compares string with int"),
        ("yes > false", 0, "true and false have no order"),
        ("i between symmetric 1 and 2", 0, "is not part of the language"),
        ("i in (1, null)", 0, "IN needs a list of constants other than NULL"),
        ("cast(x as string)", 5, "CAST of double to 'TEXT' is not known"),
        ("cast(d as decimal)", 5, "a decimal needs its digits"),
        ("t > timestamptz '2024-01-01T00:00:00'", 16, "names no offset"),
        ("round(i, j)", 0, "ROUND needs a whole constant"),
        ("i +", 2, "can't read 'i +'"),
        ("1 % 2.5", 0, "% is known for int and long"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused_where_it_stands(text: str, offset: int, why: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(why)) as caught:
        parse_expression(text, FIELDS)
    found = caught.value.offset
    assert found is not None
    assert text[:found].strip() == text[:offset].strip()


def measure(function: str, argument: str) -> CompiledMeasure:
    return compile_measure("m", function, argument, None, Tolerance(), FIELDS)  # type: ignore[arg-type]


def test_a_sum_leaves_room_for_many_events() -> None:
    assert measure("sum", "i").type == "long"
    assert measure("sum", "b").type == "decimal(38,0)"
    assert measure("sum", "x").type == "decimal(38,6)"
    with pytest.raises(ExpressionError, match=re.escape("CAST it to decimal(28,0) at most")):
        measure("sum", "wide")
    with pytest.raises(ExpressionError, match="max needs an order"):
        measure("max", "yes")


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("b / i", "(-9223372036854775808, -1)", "9223372036854775808"),
        ("b % i", "(-9223372036854775808, -1)", "0"),
        ("b / i", "(7, 0)", None),
        ("b * b", "(9223372036854775807, 1)", "85070591730234615847396907784232501249"),
        ("round(cast(b as decimal(20, 1)) + 0.5)", "(-3, 1)", "-3"),
        ("round(cast(b as decimal(20, 1)) - 0.5)", "(-3, 1)", "-4"),
        ("cast(b as int)", "(3000000000, 1)", None),
    ],
)
def test_numbers_at_their_ends_neither_wrap_nor_fail(text: str, values: str, expected: str | None) -> None:
    sql = render(parse_expression(text, FIELDS), "duckdb")
    source = f"(SELECT CAST(b AS BIGINT) AS b, CAST(i AS INTEGER) AS i FROM (VALUES {values}) AS v(b, i))"
    (found,) = duckdb.sql(f"SELECT CAST({sql} AS VARCHAR) FROM {source}").fetchall()[0]
    assert found == expected


def hours_of(day: str, zone: str) -> int:
    hour = compile_grain("g", "hour(t)", FIELDS, ZoneInfo(zone))
    noon = f"TIMESTAMPTZ '{day} 12:00:00+00'"
    around = f"{noon} - INTERVAL 2 DAY, {noon} + INTERVAL 2 DAY, INTERVAL 5 MINUTE"
    instants = f"SELECT unnest(generate_series({around})) AS t"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT {hour.sql('duckdb')} AS g FROM ({instants})) "
            f"WHERE {hour.opens_on('duckdb')} = DATE '{day}'"
        ).fetchall()
    return int(rows[0][0])


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2013-03-10", "America/New_York", 23),
        ("2013-11-03", "America/New_York", 25),
        ("2013-07-01", "Asia/Kathmandu", 24),
        ("2017-10-15", "America/Sao_Paulo", 23),
    ],
)
def test_a_day_has_as_many_hours_as_its_clock_passes(day: str, zone: str, hours: int) -> None:
    assert hours_of(day, zone) == hours


def grain(text: str, zone: str = "America/New_York") -> GrainColumn:
    return compile_grain("g", text, FIELDS, ZoneInfo(zone))


def bucket(text: str, instant: datetime) -> object:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(
            f"SELECT {grain(text).sql('duckdb')} FROM (SELECT ? AS t)", [instant]
        ).fetchall()[0][0]


def test_a_unit_begins_where_the_clock_says() -> None:
    in_the_second_one_oclock = datetime(2013, 11, 3, 6, 44, 30, tzinfo=UTC)
    assert bucket("minutes(15, t)", in_the_second_one_oclock) == datetime(2013, 11, 3, 6, 30, tzinfo=UTC)
    assert bucket("hour(t)", in_the_second_one_oclock) == datetime(2013, 11, 3, 6, tzinfo=UTC)
    assert str(bucket("week(t)", in_the_second_one_oclock)) == "2013-10-28"
    assert str(bucket("month(t)", in_the_second_one_oclock)) == "2013-11-01"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("minutes(7, t)", "needs a divisor of 60"),
        ("minutes(t)", "needs a divisor of 60"),
        ("hour(s)", "hour needs a timestamp, but s is string"),
        ("year(t)", "there is no grain function year"),
        ("x", "doubles make no key"),
        ("hour(t + 1)", "hour needs the name of one field"),
        ("day(tt)", "there is no field tt"),
        ("i + 1", "'i + 1' is no grain"),
    ],
)
def test_a_grain_that_says_nothing_is_refused(text: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(why)):
        grain(text)
