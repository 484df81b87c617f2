"""The contract of a migration: what a user writes, typed, and what follows from it without any I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from slipway.domain.avro import EventSchema
from slipway.domain.avro import Field as EventField
from slipway.domain.evidence import Digest, digest_of
from slipway.domain.expressions import ExpressionError, field_columns
from slipway.domain.measures import (
    FUNCTIONS,
    CompiledKpi,
    CompiledMeasure,
    Function,
    Tolerance,
    compile_grain,
    compile_measure,
)
from slipway.errors import Permanent

VERSION_TYPES = ("int", "long", "timestamp")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_IDENTIFIER = r"^[a-z][a-z0-9_]{0,40}$"


def _duration(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+)\s*([smhd])", value.strip())):
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    raise ValueError(f"{value!r} is not a duration; write a number and s, m, h or d, such as 24h")


def _share(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip())):
        return Decimal(found[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    raise ValueError(f"{value!r} is not a share; write a number such as 0.001, or a percentage such as 0.1 %")


def _zone(value: object) -> object:
    try:
        return ZoneInfo(str(value))
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{value!r} is not a time zone of the IANA database, such as America/New_York"
        ) from error


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Share = Annotated[Decimal, BeforeValidator(_share), Field(ge=0)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
Name = Annotated[str, Field(pattern=_IDENTIFIER)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class Escalation(_Model):
    """Whom to tell when nobody answers."""

    after: Duration
    to: str


class Traffic(_Model):
    """What the topic must carry. mean_bytes: of one value. yearly_growth: 1.5 is half as much again."""

    peak_per_second: Annotated[int, Field(gt=0)]
    mean_bytes: Annotated[int, Field(gt=0)]
    yearly_growth: Annotated[float, Field(ge=1, strict=False)] = 1.0


class Events(_Model):
    """The event stream: where it is, what identifies an event, which times it carries."""

    topic: Annotated[str, Field(pattern=r"^[a-z0-9]+-[a-z0-9][a-z0-9-]*$")]
    schema_file: Annotated[str, Field(alias="schema")]
    format: Literal["json", "avro"] = "json"
    key: Annotated[tuple[str, ...], Field(min_length=1)]
    id: str
    keep: Literal["first", "latest"] = "first"
    version: str | None = None
    time: str
    ahead_at_most: Duration = timedelta(hours=24)
    arrival: Literal["broker", "producer"] = "broker"
    traffic: Traffic

    @model_validator(mode="after")
    def latest_needs_a_version(self) -> Events:
        """Refuse `keep: latest` without a field that orders the versions, and that field without it."""
        if self.keep == "latest" and self.version is None:
            raise ValueError(
                "keep: latest needs `version`, the field that grows with every revision of an event"
            )
        if self.keep == "first" and self.version is not None:
            raise ValueError("version has a meaning with keep: latest only; leave it out, or keep the latest")
        return self


class Parity(_Model):
    """What the same KPI means: the business day, how long it stays open, how far back it is compared."""

    timezone: Zone
    closes: Literal["day"] = "day"
    accept_late: Duration
    lateness_classes: tuple[Duration, ...] = (timedelta(0), timedelta(hours=24))
    amend: Literal["by_hand"] = "by_hand"
    from_day: Annotated[date, Field(alias="from")]
    reconcile_back: Duration = timedelta(days=14)


class Dimension(_Model):
    """A relation of the warehouse, looked up once for each event. fields: type by column."""

    relation: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$")]
    key: str
    fields: Mapping[Name, Literal["string", "int", "long", "double", "boolean", "date"]]


class MeasureTolerance(_Model):
    """How far a cell may differ."""

    absolute: Share = Decimal(0)
    relative: Share = Decimal(0)


class Measure(_Model):
    """One aggregate function of an expression, over the events that `where` lets through."""

    count: str | None = None
    count_distinct: str | None = None
    sum: str | None = None
    min: str | None = None
    max: str | None = None
    avg: str | None = None
    where: str | None = None
    tolerance: MeasureTolerance = MeasureTolerance()

    @model_validator(mode="after")
    def one_function(self) -> Measure:
        """Refuse a measure with no function or with several."""
        given = [name for name in FUNCTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a measure has exactly one of {', '.join(FUNCTIONS)}, but this one has {given or 'none'}"
            )
        return self

    @property
    def function(self) -> Function:
        """The one aggregate function that is given."""
        return next(name for name in FUNCTIONS if getattr(self, name) is not None)


class Batch(_Model):
    """The dbt models of the batch side: the KPI and the events that it is made of."""

    model: Name
    events: Name


class ServingPromise(_Model):
    """What consumers are promised, and what happens when it can't be held."""

    fresh_within: Duration = timedelta(seconds=5)
    stale_after: Duration = timedelta(minutes=5)
    on_stale: Literal["serve_batch"] = "serve_batch"


class Kpi(_Model):
    """One KPI: its key, its measures, its batch counterpart and its promise to consumers."""

    grain: Mapping[Name, str]
    segments: tuple[str, ...] = ()
    measures: Annotated[Mapping[Name, Measure], Field(min_length=1)]
    batch: Batch
    serving: ServingPromise = ServingPromise()


class Observe(_Model):
    """How many closed days must agree in a row, and which kinds of day must be among them."""

    closed_days: Annotated[int, Field(ge=1)] = 5
    including: tuple[Literal["month_end"], ...] = ()


class Gates(_Model):
    """What opens the way to the switch."""

    observe: Observe = Observe()
    evidence_valid: Duration = timedelta(hours=24)
    sign_offs: Mapping[str, Annotated[int, Field(ge=1)]]
    sign_off_valid: Duration = timedelta(hours=12)


class Cutover(_Model):
    """How the switch is stepped."""

    canary: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    soak: Duration = timedelta(minutes=10)


class Contract(_Model):
    """One migration's file."""

    migration: Name
    description: str
    owners: Mapping[str, Annotated[tuple[str, ...], Field(min_length=1)]]
    escalation: Escalation | None = None
    events: Events
    parity: Parity
    dimensions: Mapping[Name, Dimension] = {}
    kpis: Annotated[Mapping[Name, Kpi], Field(min_length=1)]
    gates: Gates
    cutover: Cutover = Cutover()

    @model_validator(mode="after")
    def roles_have_owners(self) -> Contract:
        """Refuse a sign-off by a role that nobody holds."""
        for role, needed in self.gates.sign_offs.items():
            holders = self.owners.get(role, ())
            if len(holders) < needed:
                raise ValueError(
                    f"gates.sign_offs needs {needed} of {role}, "
                    f"but owners.{role} names {list(holders) or 'nobody'}"
                )
        return self


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

    @cached_property
    def contract_digest(self) -> Digest:
        """Digest of the whole contract and the event schema."""
        return digest_of({"contract": _canonical(self.contract), "schema": self.schema.text})

    @cached_property
    def parity_digest(self) -> Digest:
        """Digest of what gives the numbers their meaning: events, parity, dimensions, KPIs and fields.

        Traffic and the docs of fields are left out: they change no number.
        """
        whole = _canonical(self.contract)
        parts = {key: whole[key] for key in ("events", "parity", "dimensions", "kpis")}
        parts["events"] = {key: value for key, value in parts["events"].items() if key != "traffic"}
        fields = [
            {"name": field.name, "type": field.type, "nullable": field.nullable, "symbols": field.symbols}
            for field in self.schema.fields
        ]
        return digest_of({**parts, "fields": fields})

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
    fields = {field.name: (field.type, field.nullable) for field in schema.fields}
    events = contract.events
    for path, name in [(("events", "id"), events.id), (("events", "time"), events.time)]:
        if name not in fields:
            raise ContractError(path, f"the schema has no field {name}; it has {', '.join(fields)}")
        if fields[name][1]:
            raise ContractError(path, f"the field {name} may not be null, for every event must have it")
    if fields[events.id][0] != "string":
        raise ContractError(
            ("events", "id"), f"the id must be a string, but {events.id} is {fields[events.id][0]}"
        )
    if fields[events.time][0] != "timestamp":
        raise ContractError(
            ("events", "time"), f"the time must be a timestamp, but {events.time} is {fields[events.time][0]}"
        )
    for name in events.key:
        if name not in fields:
            raise ContractError(
                ("events", "key"), f"the schema has no field {name}; it has {', '.join(fields)}"
            )
    if events.version is not None:
        _check_version(events.version, fields)
    dimensions = {name: dict(dimension.fields) for name, dimension in contract.dimensions.items()}
    for name, dimension in contract.dimensions.items():
        if dimension.key not in fields:
            raise ContractError(("dimensions", name, "key"), f"the schema has no field {dimension.key}")
    known = field_columns(fields, dimensions)
    kpis = {name: _compile_kpi(name, kpi, contract, known) for name, kpi in contract.kpis.items()}
    return Migration(contract, schema, kpis)


def _check_version(name: str, fields: Mapping[str, tuple[str, bool]]) -> None:
    path = ("events", "version")
    if name not in fields:
        raise ContractError(path, f"the schema has no field {name}; it has {', '.join(fields)}")
    kind, nullable = fields[name]
    if kind not in VERSION_TYPES:
        raise ContractError(
            path,
            f"a version must be one of {', '.join(VERSION_TYPES)}, which have an order, but {name} is {kind}",
        )
    if nullable:
        raise ContractError(
            path, f"the field {name} may not be null, for an event without a version has no order"
        )


class ContractError(Permanent):
    """A key of a contract that does not fit. path: keys from the file's root."""

    def __init__(self, path: tuple[str | int, ...], why: str) -> None:
        super().__init__(f"{'.'.join(map(str, path))}: {why}")
        self.path = path
        self.why = why


def _compile_kpi(name: str, kpi: Kpi, contract: Contract, known: Mapping[str, Any]) -> CompiledKpi:
    here = ("kpis", name)
    grain = []
    for column, text in kpi.grain.items():
        try:
            grain.append(compile_grain(column, text, known, contract.parity.timezone))
        except ExpressionError as error:
            raise ContractError((*here, "grain", column), str(error)) from error
    times = [part for part in grain if part.function and part.source.name == contract.events.time]
    if len(times) != 1:
        raise ContractError(
            (*here, "grain"),
            f"exactly one column must be a grain function of {contract.events.time}, such as "
            f"day({contract.events.time}), but {[part.name for part in times] or 'none'} is; "
            "it says when a row closes",
        )
    for segment in kpi.segments:
        if segment not in kpi.grain or segment == times[0].name:
            raise ContractError(
                (*here, "segments"), f"{segment} is not a column of the grain besides {times[0].name}"
            )
    measures = tuple(
        _compile_measure((*here, "measures", m), m, measure, known) for m, measure in kpi.measures.items()
    )
    for step in contract.cutover.canary:
        for segment in step:
            if segment not in kpi.segments:
                raise ContractError(("cutover", "canary"), f"{segment} is not a segment of {name}")
    return CompiledKpi(name, tuple(grain), measures, kpi.segments, times[0])


def _compile_measure(
    path: tuple[str, ...], name: str, measure: Measure, known: Mapping[str, Any]
) -> CompiledMeasure:
    tolerance = Tolerance(measure.tolerance.absolute, measure.tolerance.relative)
    argument = getattr(measure, measure.function)
    try:
        return compile_measure(name, measure.function, argument, measure.where, tolerance, known)
    except ExpressionError as error:
        raise ContractError(path, str(error)) from error


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
