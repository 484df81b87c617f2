"""Which checks of data quality a migration has: those that follow from its contract, and its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from slipway.domain.avro import EventSchema
from slipway.domain.contract_file import Contract
from slipway.domain.contract_judging import Expectation

if TYPE_CHECKING:  # brings sqlglot, which the parsing of DAGs does without
    from slipway.domain.contract import Migration
    from slipway.domain.measures import CompiledKpi, CompiledMeasure

SILVER, RECORDS, COMPARISON, SERVING = "silver", "records", "comparison", "serving"

SIDES = {"batch": "b", "recomputed": "r", "stream": "s"}
"""Prefixes of a measure's columns in the compared rows, with the side of the comparison; and `difference`."""

_EVENTS_ALSO = ("kafka_partition", "kafka_offset", "arrived_at", "business_day")
_COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")
BEFORE_CLOSING = "seconds_before_closing"
OFF_PERIOD = "off_period"

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One expectation to run. suite: what it looks at; kpi: whose rows, empty for events and records.

    cells: it looks at the compared rows, cell by cell, not at what they come to.
    """

    suite: str
    expect: str
    arguments: Mapping[str, Any]
    kpi: str = ""
    source: Literal["derived", "contract"] = "derived"
    otherwise: Literal["warn", "fail"] = "fail"
    cells: bool = field(default=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at."""
        return columns_of_arguments(self.arguments)


def columns_of_arguments(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns that arguments name, each once, in their order."""
    found: list[str] = []
    for name in _COLUMN_ARGUMENTS:
        value = arguments.get(name, ())
        found += [value] if isinstance(value, str) else [str(one) for one in value or ()]
    return tuple(dict.fromkeys(found))


def complaints(
    contract: Contract, schema: EventSchema, kpis: Mapping[str, CompiledKpi]
) -> Iterator[tuple[Path, str]]:
    """Yield (path in the file, what is wrong) for the contract's own expectations."""
    for index, one in enumerate(contract.expectations):
        here: Path = ("expectations", index)
        if one.of == SILVER and one.kpi is not None:
            yield (*here, "kpi"), "silver holds the events of all KPIs; leave kpi out"
            continue
        if one.of != SILVER and one.kpi is None and len(kpis) > 1:
            yield here, f"say whose rows: kpi is one of {', '.join(kpis)}"
            continue
        if one.kpi is not None and one.kpi not in kpis:
            yield (*here, "kpi"), f"there is no KPI {one.kpi}; choose from {', '.join(kpis)}"
            continue
        known = _known(contract, schema, one.of, kpis.get(_kpi(one, kpis)))
        for column in columns_of_arguments(one.arguments):
            if column not in known:
                yield (
                    (*here, "with"),
                    f"{one.of} has no column {column}; it has {', '.join(known)}",
                )
            elif known[column]:
                yield (
                    (*here, "with"),
                    f"{column} is personal (pii), and the pages of checks show samples of what they look at;"
                    " check another column, or leave it to the checks that follow from the contract",
                )


def wanted(migration: Migration) -> tuple[Wanted, ...]:
    """Return every expectation of a migration, those that follow from its contract first."""
    own = (
        Wanted(
            suite=one.of,
            expect=one.expect,
            arguments={name: _plain(value) for name, value in one.arguments.items()},
            kpi=_kpi(one, migration.kpis),
            source="contract",
            otherwise=one.otherwise,
            cells=one.of == COMPARISON,
        )
        for one in migration.contract.expectations
    )
    return (*_of_silver(migration), *_of_records(), *_of_comparison(), *_of_serving(migration), *own)


def _of_silver(migration: Migration) -> Iterator[Wanted]:
    events = migration.contract.events
    # With keep: latest every version of an id is accepted once.
    yield (
        _compound(SILVER, "", events.id, events.version)
        if events.version
        else Wanted(SILVER, "expect_column_values_to_be_unique", {"column": events.id})
    )
    yield _compound(SILVER, "", "kafka_partition", "kafka_offset")
    # Arrival at or after the day's end and the accepted lateness belongs to the late table.
    yield Wanted(
        SILVER,
        "expect_column_values_to_be_between",
        {"column": BEFORE_CLOSING, "min_value": 0, "strict_min": True},
    )
    yield _not_null(SILVER, "", "arrived_at")
    for column in migration.event_fields:
        if not column.nullable:
            yield _not_null(SILVER, "", column.name)
        if column.symbols and not column.pii:
            arguments = {"column": column.name, "value_set": list(column.symbols)}
            yield Wanted(SILVER, "expect_column_values_to_be_in_set", arguments)


def _of_records() -> Iterator[Wanted]:
    for column in ("not_in_bronze", "not_accounted"):
        yield _nothing(RECORDS, "", column)


def _of_comparison() -> Iterator[Wanted]:
    for column in ("broken_walks", "crowded_cells", "beyond_without_cause"):
        yield _nothing(COMPARISON, "", column)


def _of_serving(migration: Migration) -> Iterator[Wanted]:
    for name, kpi in migration.kpis.items():
        yield _compound(SERVING, name, *(part.name for part in kpi.grain))
        if kpi.time.function != "day":
            yield _nothing(SERVING, name, OFF_PERIOD)
        for measure in kpi.measures:
            if measure.zero is not None:
                yield _not_null(SERVING, name, measure.name)
            if measure.function in ("count", "count_distinct"):
                yield Wanted(
                    SERVING,
                    "expect_column_values_to_be_between",
                    {"column": measure.name, "min_value": 0},
                    name,
                )
        yield from (
            Wanted(
                SERVING,
                "expect_column_pair_values_a_to_be_greater_than_b",
                {
                    "column_A": more.name,
                    "column_B": less.name,
                    "or_equal": True,
                    "ignore_row_if": "either_value_is_missing",
                },
                name,
            )
            for more, less in _ordered(kpi)
        )


def _ordered(kpi: CompiledKpi) -> Iterator[tuple[CompiledMeasure, CompiledMeasure]]:
    """Yield pairs of measures of which the first is never below the second, whatever the events are."""
    for more in kpi.measures:
        for less in kpi.measures:
            if more is less or more.where not in (None, less.where):
                continue
            same = more.argument == less.argument
            if (more.function, less.function) == ("max", "min") and same and more.where == less.where:
                yield more, less
            counts = more.function == "count" and less.function in ("count", "count_distinct")
            wider = more.argument is None or (same and less.function == "count_distinct")
            if (
                counts
                and wider
                and (more.argument, more.where, more.function)
                != (
                    less.argument,
                    less.where,
                    less.function,
                )
            ):
                yield more, less


def _known(contract: Contract, schema: EventSchema, on: str, kpi: CompiledKpi | None) -> Mapping[str, bool]:
    """Return the columns of what is looked at, each with whether it is personal."""
    personal = {one.name for one in schema.fields if one.pii}
    if on == SILVER or kpi is None:
        looked_up = [
            f"{name}__{column}"
            for name, dimension in contract.dimensions.items()
            for column in dimension.fields
        ]
        events = {one.name: one.pii for one in schema.fields}
        return events | dict.fromkeys([*looked_up, *_EVENTS_ALSO, BEFORE_CLOSING], False)
    grain = {part.name: part.source.name in personal for part in kpi.grain}
    if on == SERVING:
        return grain | {measure.name: False for measure in kpi.measures}
    prefixes = (*SIDES, "difference")
    return grain | {f"{prefix}_{measure.name}": False for measure in kpi.measures for prefix in prefixes}


def _kpi(one: Expectation, kpis: Mapping[str, CompiledKpi]) -> str:
    return "" if one.of == SILVER else one.kpi or next(iter(kpis))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _compound(suite: str, kpi: str, *columns: str) -> Wanted:
    if len(columns) == 1:
        return Wanted(suite, "expect_column_values_to_be_unique", {"column": columns[0]}, kpi)
    return Wanted(suite, "expect_compound_columns_to_be_unique", {"column_list": list(columns)}, kpi)


def _not_null(suite: str, kpi: str, column: str) -> Wanted:
    return Wanted(suite, "expect_column_values_to_not_be_null", {"column": column}, kpi)


def _nothing(suite: str, kpi: str, column: str) -> Wanted:
    arguments = {"column": column, "min_value": 0, "max_value": 0}
    return Wanted(suite, "expect_column_values_to_be_between", arguments, kpi)
