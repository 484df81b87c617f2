"""What follows from a contract without any I/O: its KPIs compiled, its digests, when its days close."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from slipway.domain.avro import EventSchema
from slipway.domain.avro import Field as EventField
from slipway.domain.cells import CellsError, Choices, checked
from slipway.domain.contract_file import Contract, Kpi, Measure
from slipway.domain.contract_judging import MeasureTolerance, Observe
from slipway.domain.evidence import Digest, digest_of
from slipway.domain.names import ROW_COLUMNS
from slipway.errors import Permanent

if TYPE_CHECKING:  # the language of measures brings sqlglot: loaded when a KPI is compiled, not before
    from slipway.domain.grain import GrainColumn
    from slipway.domain.measures import CompiledKpi, CompiledMeasure, Tolerance

__all__ = ["Contract", "ContractError", "Migration", "Observe", "compile_migration", "outline"]

VERSION_TYPES = ("int", "long", "timestamp")
RESERVED_FIELDS = ("business_day", "arrived_at", "kafka_partition", "kafka_offset")
"""Columns that event tables have beside the event's own fields."""
_NOT_IN_ROWS = ("traffic", "schema_file")


@dataclass(frozen=True)
class Migration:
    """A contract with its event schema, compiled: what every other part of Slipway is given."""

    contract: Contract
    schema: EventSchema
    kpis: Mapping[str, CompiledKpi]

    @property
    def name(self) -> str:
        """The migration's name, as used in DAG ids and table names."""
        return self.contract.migration

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the business day."""
        return self.contract.parity.timezone

    @property
    def document(self) -> Mapping[str, Any]:
        """The whole contract and the event schema, as its digest is taken of them."""
        return {"contract": _canonical(self.contract), "schema": self.schema.text}

    @cached_property
    def contract_digest(self) -> Digest:
        """Digest of the whole contract and the event schema."""
        return digest_of(self.document)

    @cached_property
    def parity_digest(self) -> Digest:
        """Digest of what gives the numbers their meaning: events, parity, dimensions, KPIs and fields.

        Traffic, promises to consumers and the docs of fields are left out: they change no number.
        """
        whole = _canonical(self.contract)
        parts = {key: whole[key] for key in ("events", "parity", "dimensions", "kpis")}
        parts["events"] = {key: value for key, value in parts["events"].items() if key != "traffic"}
        parts["kpis"] = {
            name: {key: value for key, value in kpi.items() if key != "serving"}
            for name, kpi in parts["kpis"].items()
        }
        fields = [
            {"name": field.name, "type": field.type, "nullable": field.nullable, "symbols": field.symbols}
            for field in self.schema.fields
        ]
        return digest_of({**parts, "fields": fields})

    @cached_property
    def rows_digest(self) -> Digest:
        """Digest of what gives a revision's rows their meaning.

        Less than the parity digest: how rows are compared, shown and promised changes none of them.
        """
        whole = _canonical(self.contract)
        fields = [
            {"name": field.name, "type": field.type, "nullable": field.nullable, "symbols": field.symbols}
            for field in self.schema.fields
        ]
        return digest_of(
            {
                "events": {key: value for key, value in whole["events"].items() if key not in _NOT_IN_ROWS},
                "parity": {key: whole["parity"][key] for key in ("timezone", "closes", "accept_late")},
                "dimensions": whole["dimensions"],
                "kpis": {
                    name: {
                        "grain": kpi["grain"],
                        "measures": {
                            measure: {key: value for key, value in made.items() if key != "tolerance"}
                            for measure, made in kpi["measures"].items()
                        },
                    }
                    for name, kpi in whole["kpis"].items()
                },
                "fields": fields,
            }
        )

    @property
    def event_fields(self) -> tuple[EventField, ...]:
        """The fields of an event, in the schema's order."""
        return self.schema.fields

    @property
    def dimension_fields(self) -> tuple[tuple[str, str, str], ...]:
        """(dimension, field, type) of every dimension field, in the contract's order."""
        return tuple(
            (name, field, kind)
            for name, dimension in self.contract.dimensions.items()
            for field, kind in dimension.fields.items()
        )

    def business_day(self, instant: datetime) -> date:
        """Return the calendar day in the contract's zone."""
        return instant.astimezone(self.zone).date()

    def period_end(self, day: date) -> datetime:
        """Return the local midnight that ends a business day, UTC."""
        return datetime.combine(day + timedelta(days=1), time(0), tzinfo=self.zone).astimezone(UTC)

    def closes_at(self, day: date) -> datetime:
        """Return the arrival instant from which records of a day are late, UTC."""
        return self.period_end(day) + self.contract.parity.accept_late

    def closed_through(self, progress: datetime) -> date | None:
        """Return the last business day that no acceptable record can still enter; None before the first."""
        day = self.business_day(progress - self.contract.parity.accept_late) - timedelta(days=1)
        return day if day >= self.contract.parity.from_day else None


def compile_migration(contract: Contract, schema: EventSchema) -> Migration:
    """Check a contract against its schema and compile its KPIs.

    ContractError carries the path of the key that does not fit.
    """
    _check_fields(contract, schema)
    compiled = _Kpis(contract, schema)
    kpis = {name: compiled[name] for name in compiled}
    _check_expectations(contract, schema, kpis)
    return Migration(contract, schema, kpis)


def outline(contract: Contract, schema: EventSchema) -> Migration:
    """Return a migration whose KPIs are compiled when they are asked for, and ContractError is raised then.

    For those who read the contract only, many at a time: a DAG is made from its name and its gates.
    """
    return Migration(contract, schema, _Kpis(contract, schema))


class ContractError(Permanent):
    """A key of a contract that does not fit.

    path: keys from the file's root. offset: characters from the start of the value's text to the part that
    is wrong; None when the whole value is meant.
    """

    def __init__(self, path: tuple[str | int, ...], why: str, offset: int | None = None) -> None:
        super().__init__(f"{'.'.join(map(str, path))}: {why}")
        self.path = path
        self.why = why
        self.offset = offset


class _Kpis(Mapping[str, "CompiledKpi"]):
    """The compiled KPIs by name, each compiled once, when it is first asked for."""

    def __init__(self, contract: Contract, schema: EventSchema) -> None:
        self._contract = contract
        self._schema = schema
        self._compiled: dict[str, CompiledKpi] = {}

    def __getitem__(self, name: str) -> CompiledKpi:
        if name not in self._compiled:
            self._compiled[name] = _compile_kpi(
                name, self._contract.kpis[name], self._contract, self._schema, self._columns
            )
        return self._compiled[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._contract.kpis)

    def __len__(self) -> int:
        return len(self._contract.kpis)

    @cached_property
    def _columns(self) -> Mapping[str, Any]:
        from slipway.domain.expressions import field_columns

        fields = {field.name: (field.type, field.nullable) for field in self._schema.fields}
        dimensions = {name: dict(found.fields) for name, found in self._contract.dimensions.items()}
        return field_columns(fields, dimensions)


def _check_fields(contract: Contract, schema: EventSchema) -> None:
    events = contract.events
    _field(schema, ("events", "id"), events.id, ("string",), "for every event must be told from the others")
    _field(schema, ("events", "time"), events.time, ("timestamp",), "for every event must have a period")
    if events.version is not None:
        why = "for an event without a version has no order"
        _field(schema, ("events", "version"), events.version, VERSION_TYPES, why)
    for index, name in enumerate(events.key):
        _field(schema, ("events", "key", index), name)
    for name, dimension in contract.dimensions.items():
        _field(schema, ("dimensions", name, "key"), dimension.key)
    for field in schema.fields:
        if field.name.lower() in RESERVED_FIELDS:
            raise ContractError(
                ("events", "schema"),
                f"the schema has the field {field.name}, but event tables have a column of that name "
                f"already; rename the field (reserved: {', '.join(RESERVED_FIELDS)})",
            )


def _check_expectations(contract: Contract, schema: EventSchema, kpis: Mapping[str, CompiledKpi]) -> None:
    from slipway.domain.expectations import complaints

    for path, why in complaints(contract, schema, kpis):
        raise ContractError(path, why)


def _field(
    schema: EventSchema,
    path: tuple[str | int, ...],
    name: str,
    types: tuple[str, ...] = (),
    never_null: str | None = None,
) -> None:
    """Refuse a field that the schema has not, or not of one of the types, or nullable where it may not be."""
    field = schema.field(name)
    if field is None:
        raise ContractError(path, _no_field(name, [field.name for field in schema.fields]))
    if types and field.type not in types:
        raise ContractError(
            path, f"the field must be {_either(types)} in the schema, but {name} is {field.type}"
        )
    if never_null and field.nullable:
        raise ContractError(
            path,
            f"the field {name} may be null in the schema, and must not, {never_null}; take null out of it",
        )


def _either(types: tuple[str, ...]) -> str:
    *others, last = [f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" for kind in types]
    return f"{', '.join(others)} or {last}" if others else last


def _no_field(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
    return f"the schema has no field {name}; {hint}"


def _compile_kpi(
    name: str, kpi: Kpi, contract: Contract, schema: EventSchema, known: Mapping[str, Any]
) -> CompiledKpi:
    from slipway.domain.expressions import ExpressionError
    from slipway.domain.measures import CompiledKpi, compile_grain

    here = ("kpis", name)
    for part, columns in (("grain", kpi.grain), ("measures", kpi.measures)):
        for column in columns:
            if column in ROW_COLUMNS:
                raise ContractError(
                    (*here, part, column),
                    f"a KPI's rows have a column {column} of Slipway's own; give this one another name "
                    f"(reserved: {', '.join(ROW_COLUMNS)})",
                )
    grain = []
    for column, text in kpi.grain.items():
        try:
            grain.append(compile_grain(column, text, known, contract.parity.timezone))
        except ExpressionError as error:
            raise ContractError((*here, "grain", column), str(error), _offset(error)) from error
    times = [part for part in grain if part.function and part.source.name == contract.events.time]
    if len(times) != 1:
        found = " and ".join(part.name for part in times)
        raise ContractError(
            (*here, "grain"),
            f"exactly one column must be a grain function of events.time, such as "
            f"day({contract.events.time}), for it says when a row closes; "
            f"{f'here {found} are' if found else 'here is none'}",
        )
    for segment in kpi.segments:
        if segment not in kpi.grain or segment == times[0].name:
            others = [column for column in kpi.grain if column != times[0].name]
            raise ContractError(
                (*here, "segments"),
                f"a segment is a column of the grain other than {times[0].name}, "
                f"but {segment} is not; choose from {', '.join(others) or 'none'}",
            )
    clash = sorted(set(kpi.measures) & set(kpi.grain))
    if clash:
        raise ContractError(
            (*here, "measures", clash[0]),
            f"{clash[0]} is a column of the grain already; give the measure another name",
        )
    choices = choices_of(tuple(grain), times[0], schema)
    measures = tuple(
        _compile_measure((*here, "measures", m), m, measure, choices, known)
        for m, measure in kpi.measures.items()
    )
    for step in contract.cutover.canary:
        for segment in step:
            if segment not in kpi.segments:
                raise ContractError(
                    ("cutover", "canary"),
                    f"a canary is made of segments that every KPI has, but {segment} is not a segment "
                    f"of {name}; its segments are {', '.join(kpi.segments) or 'none'}",
                )
    return CompiledKpi(name, tuple(grain), measures, kpi.segments, times[0])


def choices_of(grain: tuple[GrainColumn, ...], time: GrainColumn, schema: EventSchema) -> Choices:
    """Return by which columns, beside the time, the cells of a KPI are told, and their symbols."""
    fields = {part.name: schema.field(part.source.name) for part in grain if part is not time}
    return Choices(
        {part.name: part for part in grain if part is not time},
        {name: field.symbols for name, field in fields.items() if field is not None and field.symbols},
    )


def _tolerance(path: tuple[str | int, ...], given: MeasureTolerance, choices: Choices) -> Tolerance:
    from slipway.domain.measures import Bound, Tolerance

    bounds = []
    for n, segment in enumerate(given.segments):
        try:
            where = checked(segment.where, choices)
        except CellsError as error:
            place = (*path, "tolerance", "segments", n, "where", error.column)
            raise ContractError(place, str(error)) from error
        bounds.append(Bound(where, segment.absolute, segment.relative))
    return Tolerance(given.absolute, given.relative, tuple(bounds))


def _compile_measure(
    path: tuple[str, ...], name: str, measure: Measure, choices: Choices, known: Mapping[str, Any]
) -> CompiledMeasure:
    from slipway.domain.expressions import ExpressionError
    from slipway.domain.measures import compile_measure

    tolerance = _tolerance(path, measure.tolerance, choices)
    argument = getattr(measure, measure.function)
    try:
        compiled = compile_measure(name, measure.function, argument, measure.where, tolerance, known)
    except ExpressionError as error:
        raise ContractError((*path, _wrong_part(error, measure)), str(error), _offset(error)) from error
    if measure.function in ("min", "max") and compiled.type in ("string", "boolean"):
        raise ContractError(
            (*path, measure.function),
            f"{measure.function} needs a number, a date or a timestamp, but {argument!r} is {compiled.type}",
        )
    return compiled


def _wrong_part(error: Exception, measure: Measure) -> str:
    """Return which of a measure's two expressions is wrong."""
    text = getattr(error, "text", None)
    return "where" if measure.where is not None and text == measure.where else measure.function


def _offset(error: Exception) -> int | None:
    found: int | None = getattr(error, "offset", None)
    return found


def _canonical(value: Any) -> Any:
    match value:
        case BaseModel():
            return {key: _canonical(getattr(value, key)) for key in type(value).model_fields}
        case Mapping():
            return {str(key): _canonical(item) for key, item in value.items()}
        case tuple() | list():
            return [_canonical(item) for item in value]
        case ZoneInfo():
            return value.key
        case float():
            return str(value)
        case _:
            return value
