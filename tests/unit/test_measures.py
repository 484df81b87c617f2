"""One tree gives the same numbers in every engine; DuckDB is at hand here, the others elsewhere."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import duckdb
import pytest

from slipway.domain.expressions import Column, ExpressionError, parse_expression
from slipway.domain.measures import CompiledKpi, Tolerance, compile_grain, compile_measure
from slipway.domain.rendering import render, text_literal

FIELDS = {
    "t": Column("t", "timestamp", nullable=False),
    "n": Column("n", "int", nullable=True),
    "m": Column("m", "int", nullable=False),
    "s": Column("s", "string", nullable=True),
}
NEW_YORK = ZoneInfo("America/New_York")


def answer(expression: str, row: str) -> object:
    """Evaluate a contract's expression in DuckDB for a row `n, m, s`."""
    sql = render(parse_expression(expression, FIELDS), "duckdb")
    return duckdb.sql(f"SELECT {sql} FROM (VALUES {row}) AS x(n, m, s)").fetchall()[0][0]


@pytest.mark.parametrize(
    ("expression", "row", "expected"),
    [
        ("greatest(n, 0)", "(NULL, 1, 'a')", 0),
        ("least(n, 7, m)", "(NULL, 9, 'a')", 7),
        ("m / 2", "(1, 7, 'a')", 3),
        ("m / 2", "(1, -7, 'a')", -3),
        ("m % 4", "(1, -7, 'a')", -3),
        ("coalesce(n, m)", "(NULL, 3, 'a')", 3),
        ("case when n is null then 'none' when n > 5 then 'many' end", "(9, 1, 'a')", "many"),
        ("n between 1 and 3 and s in ('a', 'b')", "(3, 1, 'b')", True),
        ("not (upper(s) = 'O''HARE')", "(3, 1, 'o''hare')", False),
        ("nullif(n, 3)", "(3, 1, 'a')", None),
        ("-abs(n) + 2 * m", "(-3, 4, 'a')", 5),
        ("n is not null", "(NULL, 4, 'a')", False),
    ],
)
def test_an_expression_means_what_postgres_means(expression: str, row: str, expected: object) -> None:
    assert answer(expression, row) == expected


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("n + s", "an operand is string"),
        ("s > 3", "compares string with int"),
        ("n and m > 1", "an operand of int"),
        ("lower(n)", "lower needs a string"),
        ("pg_sleep(10)", "is not part of the language of measures"),
        ("(select 1)", "is not part of the language of measures"),
        ("n; drop table x", "is not part of the language of measures"),
        ("n in (m)", "a list of constants"),
        ("count(*)", "is not part of the language of measures"),
        ("q", "there is no field q"),
    ],
)
def test_what_the_language_does_not_hold_is_refused(expression: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(why)):
        parse_expression(expression, FIELDS)


def test_flink_skips_nulls_in_greatest_as_postgres_does() -> None:
    written = render(parse_expression("greatest(n, 0)", FIELDS), "flink")
    assert written == "COALESCE(GREATEST(`n`, 0), `n`, 0)"
    assert render(parse_expression("greatest(m, 0)", FIELDS), "flink") == "GREATEST(`m`, 0)"


def test_text_can_not_leave_its_quotes() -> None:
    assert text_literal("'; drop table x; --") == "'''; drop table x; --'"
    with pytest.raises(ValueError, match="NUL"):
        text_literal("a\0b")


def kpi() -> CompiledKpi:
    day = compile_grain("day", "day(t)", FIELDS, NEW_YORK)
    measures = [
        compile_measure("rows", "count", "*", None, Tolerance(), FIELDS),
        compile_measure("big", "count", "*", "n > 5", Tolerance(), FIELDS),
        compile_measure("total", "sum", "n", "m = 99", Tolerance(), FIELDS),
        compile_measure("kinds", "count_distinct", "s", None, Tolerance(), FIELDS),
        compile_measure("lowest", "min", "n", None, Tolerance(), FIELDS),
        compile_measure("mean", "avg", "n", None, Tolerance(), FIELDS),
    ]
    return CompiledKpi("k", (day,), tuple(measures), (), "day")


def test_a_fold_buckets_by_the_business_day_and_counts_nothing_as_zero() -> None:
    events = """(SELECT * FROM (VALUES
        (TIMESTAMPTZ '2013-03-10 04:59:59+00', 1, 1, 'a'),
        (TIMESTAMPTZ '2013-03-10 05:00:00+00', 9, 1, 'a'),
        (TIMESTAMPTZ '2013-03-11 03:59:59+00', NULL, 1, NULL)) AS v(t, n, m, s)) AS e"""
    found = duckdb.sql(kpi().fold("duckdb", events) + ' ORDER BY "day"').fetchall()
    assert [(str(day), *rest) for day, *rest in found] == [
        ("2013-03-09", 1, 0, 0, 1, 1, 1.0),
        ("2013-03-10", 2, 1, 0, 1, 9, 9.0),
    ]


def test_a_fold_of_no_events_has_the_measures_own_zero() -> None:
    assert [measure.zero for measure in kpi().measures] == [0, 0, 0, 0, None, None]
