"""Composes the statements of include/sql/serving for one KPI; names and values are quoted by psycopg."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from psycopg import sql

from slipway.domain import names
from slipway.domain.closing import midnight_sql
from slipway.domain.measures import CompiledKpi
from slipway.domain.rendering import sql_type
from slipway.ports import Route, Source

FOLDER = Path(__file__).parents[4] / "include" / "sql" / "serving"
_SUMMABLE = ("int", "long", "double")


def template(name: str) -> sql.SQL:
    """Return a file of include/sql/serving; braces in it are placeholders."""
    return sql.SQL((FOLDER / f"{name}.sql").read_text(encoding="utf-8").strip())


def script(name: str) -> sql.Composed:
    """Return a file of include/sql/serving that has no placeholders."""
    return sql.Composed([sql.SQL((FOLDER / f"{name}.sql").read_text(encoding="utf-8"))])


def kind(name: str) -> sql.SQL:
    """Return Postgres's name of a contract type."""
    return sql.SQL(sql_type(name, "postgres"))


def batch_table(kpi: CompiledKpi) -> sql.Composed:
    """Return the statement that creates batch.<kpi> for dbt to fill."""
    columns = sql.SQL(", ").join(_definition(*column) for column in kpi.column_types())
    return sql.SQL("CREATE TABLE IF NOT EXISTS batch.{} ({})").format(sql.Identifier(kpi.name), columns)


def stream_table(kpi: CompiledKpi, revision: int) -> sql.Composed:
    """Return the statement that creates a revision's table; updated_through: newest arrival in the row.

    One row a cell, a cell of NULLs as well. The job's upserts find a row by the grain, or by its text
    (grain_key) where the grain may hold NULL.
    """
    columns: list[sql.Composable] = [_definition(*column) for column in kpi.column_types()]
    columns.append(sql.SQL("updated_through timestamptz"))
    if kpi.key_may_hold_null:
        columns.append(sql.SQL("{} text PRIMARY KEY").format(sql.Identifier(names.GRAIN_KEY)))
    key = sql.SQL("UNIQUE NULLS NOT DISTINCT ({})").format(_list(part.name for part in kpi.grain))
    return sql.SQL("CREATE TABLE IF NOT EXISTS stream.{} ({})").format(
        sql.Identifier(names.stream_table(kpi.name, revision)), sql.SQL(", ").join([*columns, key])
    )


def view_query(kpi: CompiledKpi, revisions: Sequence[int]) -> sql.Composed:
    """Return the query of serving.<kpi>: batch, and two gated branches a revision."""
    conditions = [
        template("in_canary").format(
            segment=sql.Identifier(segment),
            segment_name=sql.Literal(segment),
            type=kind(next(part.type for part in kpi.grain if part.name == segment)),
            kpi=sql.Literal(kpi.name),
        )
        for segment in kpi.segments
    ]
    shared = {
        "columns": sql.SQL(", ").join(
            sql.SQL("b.{}").format(sql.Identifier(name)) for name, _ in kpi.column_types()
        ),
        "time": sql.Identifier(kpi.time.name),
        "begin": _begin_of_route(kpi),
        "kpi": sql.Literal(kpi.name),
        "in_canary": sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("FALSE"),
    }
    branches = [template("view_batch").format(table=sql.Identifier(kpi.name), **shared)]
    branches += [
        template("view_stream").format(
            table=sql.Identifier(names.stream_table(kpi.name, revision)),
            revision=sql.Literal(revision),
            **shared,
        )
        for revision in revisions
    ]
    return sql.SQL("\nUNION ALL\n").join(branches)


def freshness_query(kpi: str, revisions: Sequence[int]) -> sql.Composed:
    """Return the KPI's row of serving.freshness."""
    newest: sql.Composable = sql.SQL("NULL::timestamptz")
    if revisions:
        whens = sql.SQL(" ").join(
            sql.SQL("WHEN {} THEN (SELECT max(updated_through) FROM stream.{})").format(
                sql.Literal(revision), sql.Identifier(names.stream_table(kpi, revision))
            )
            for revision in revisions
        )
        newest = sql.SQL("CASE r.revision {} END").format(whens)
    return template("freshness").format(kpi=sql.Literal(kpi), newest=newest)


def reader_changes_query(kpi: CompiledKpi, revision: int) -> sql.Composed:
    """Return the query that counts what differs between both sides, in all and by measure."""
    measures = [(measure.name, measure.type) for measure in kpi.measures]
    batch, stream = [f"{name}__b" for name, _ in measures], [f"{name}__s" for name, _ in measures]

    def side(filled: Sequence[str], own: bool) -> sql.Composed:
        return sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(sql.Identifier(name), sql.Identifier(column))
            if own
            else sql.SQL("NULL::{} AS {}").format(kind(typed), sql.Identifier(column))
            for (name, typed), column in zip(measures, filled, strict=True)
        )

    pairs = list(zip(measures, batch, stream, strict=True))
    differ = [
        sql.SQL("{} IS DISTINCT FROM {}").format(sql.Identifier(b), sql.Identifier(s)) for _, b, s in pairs
    ]
    figures: list[sql.Composable] = []
    for ((_, typed), b, s), different in zip(pairs, differ, strict=True):
        figures.append(sql.SQL("count(*) FILTER (WHERE {})").format(different))
        if typed in _SUMMABLE or typed.startswith("decimal"):
            total = "sum(coalesce({}, 0) - coalesce({}, 0))::text"
            figures.append(sql.SQL(total).format(sql.Identifier(s), sql.Identifier(b)))
        else:
            figures.append(sql.SQL("''"))
    return template("reader_changes").format(
        grain=_list(part.name for part in kpi.grain),
        time=sql.Identifier(kpi.time.name),
        begin=_begin_of_route(kpi),
        batch=sql.Identifier(kpi.name),
        stream=sql.Identifier(names.stream_table(kpi.name, revision)),
        batch_measures=sql.SQL(", ").join([side(batch, True), side(stream, False)]),
        stream_measures=sql.SQL(", ").join([side(batch, False), side(stream, True)]),
        both_measures=sql.SQL(", ").join(
            sql.SQL("max({0}) AS {0}").format(sql.Identifier(column)) for column in [*batch, *stream]
        ),
        differs=sql.SQL(" OR ").join(differ),
        figures=sql.SQL(", ").join(figures),
    )


def newest_query(kpi: CompiledKpi) -> sql.Composed:
    """Return the query of `day`, the last business day of the newest row of batch.<kpi>."""
    newest = sql.SQL("SELECT max({time}) AS {time} FROM batch.{table}").format(
        time=sql.Identifier(kpi.time.name), table=sql.Identifier(kpi.name)
    )
    closes = sql.SQL(kpi.time.closes_on("postgres"))
    return sql.SQL("SELECT {} AS day FROM ({}) AS newest").format(closes, newest)


def served_query(kpi: CompiledKpi, route: Route) -> sql.Composed:
    """Return the query that holds the view against its route, which is written out here as constants."""
    columns = _list(name for name, _ in kpi.column_types())
    moved: sql.Composable = sql.SQL("FALSE")
    if route.source is not Source.BATCH:
        opens = sql.SQL(kpi.time.opens_on("postgres"))
        moved = sql.SQL("{} >= {}").format(opens, sql.Literal(route.from_period))
    if route.source is Source.CANARY:
        for segment, values in route.canary.items():
            typed = kind(next(part.type for part in kpi.grain if part.name == segment))
            moved = sql.SQL("{} AND {} = ANY ({}::{}[])").format(
                moved, sql.Identifier(segment), sql.Literal(list(values)), typed
            )
    expected = sql.SQL("SELECT {}, 'batch'::text AS served_from FROM batch.{} WHERE ({}) IS NOT TRUE").format(
        columns, sql.Identifier(kpi.name), moved
    )
    if route.revision is not None:
        table = sql.Identifier(names.stream_table(kpi.name, route.revision))
        expected = sql.SQL("{} UNION ALL SELECT {}, 'stream'::text FROM stream.{} WHERE {}").format(
            expected, columns, table, moved
        )
    return template("served").format(columns=columns, kpi=sql.Identifier(kpi.name), expected=expected)


def begin(kpi: CompiledKpi, day: sql.Composable) -> sql.Composed:
    """Return the first value of the KPI's time column whose row opens on `day` or later.

    day: SQL of a date. A row that begins before it and ends after it is not served by the stream, which has
    only a part of its events.
    """
    match kpi.time.function:
        case "week":
            return sql.SQL("date_trunc('week', ({} + 6)::timestamp)::date").format(day)
        case "month":
            return sql.SQL("date_trunc('month', {} + interval '1 month - 1 day')::date").format(day)
        case _ if kpi.time.type == "date":
            return sql.SQL("{}").format(day)
        case _:
            return sql.SQL(midnight_sql(kpi.time.zone, "{}")).format(day)


def _begin_of_route(kpi: CompiledKpi) -> sql.Composed:
    wanted = begin(kpi, sql.Identifier("from_period"))
    return template("begin").format(begin=wanted, kpi=sql.Literal(kpi.name))


def _definition(name: str, typed: str) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(name), kind(typed))


def _list(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column) for column in columns)
