"""The keys of a contract's file, typed: what a user writes. `slipway.domain.contract` says what follows.

Descriptions are shown by editors (`slipway schema`), in messages about a missing key, and in
docs/reference/contract.md, which is made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from slipway.domain import names
from slipway.domain.contract_judging import Expectation, MeasureTolerance, Observe, Reconcile
from slipway.domain.contract_types import LONGEST_TOPIC, RELATION, TOPIC, Duration, Model, Name, Share, Zone

Function = Literal["count", "count_distinct", "sum", "min", "max", "avg"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)


class Escalation(Model):
    """Whom to tell when nobody answers."""

    after: Annotated[Duration, Field(description="How long a request may wait for an answer")]
    to: Annotated[str, Field(description="The role of `owners` that is told then")]


class Traffic(Model):
    """What the topic must carry; the number of partitions follows from it."""

    peak_per_second: Annotated[
        int, Field(gt=0, le=10**9, description="Records a second in the busiest minute, measured or promised")
    ]
    mean_bytes: Annotated[int, Field(gt=0, le=10**9, description="Mean size of a record's value, bytes")]
    yearly_growth: Annotated[
        float,
        Field(
            ge=1,
            le=1000,
            strict=False,
            allow_inf_nan=False,
            description="Peak in a year over the peak now; 1.5 is half as much again",
        ),
    ] = 1.0


class Events(Model):
    """The event stream: where it is, what identifies an event, which times it carries."""

    topic: Annotated[str, Field(pattern=TOPIC, description="The Kafka topic, called <layer>-<data type>")]
    schema_file: Annotated[
        str,
        Field(
            alias="schema", description="The Avro schema, a file next to the contract; a doc on each field"
        ),
    ]
    format: Annotated[
        Literal["json", "avro"],
        Field(description="What is on the wire: JSON objects, or Avro framed with a schema id"),
    ] = "json"
    key: Annotated[
        tuple[str, ...],
        Field(
            min_length=1,
            description="Fields that a record's key is made of: records of one key keep their order,"
            " and all records of one id share a key",
        ),
    ]
    id: Annotated[
        str,
        Field(description="The field that identifies an event; a text, never null. Equal ids are duplicates"),
    ]
    keep: Annotated[
        Literal["first", "latest"],
        Field(description="Which event of an id counts: the first that came, or that of the highest version"),
    ] = "first"
    version: Annotated[
        str | None,
        Field(
            description="With keep: latest, the field that grows with every revision of an event;"
            " an int, a long or a timestamp, never null"
        ),
    ] = None
    time: Annotated[
        str,
        Field(
            description="Event time: the field that decides in which period an event counts; a timestamp,"
            " never null. The instant at which it happened, UTC"
        ),
    ]
    ahead_at_most: Annotated[
        Duration, Field(description="An event whose time is later than its arrival by more is rejected")
    ] = timedelta(hours=24)
    arrival: Annotated[
        Literal["broker", "producer"],
        Field(
            description="Arrival time: who sets a record's timestamp, which decides whether it is late:"
            " broker for live feeds, producer for replays of history with their original instants"
        ),
    ] = "broker"
    traffic: Annotated[Traffic, Field(description="What the topic must carry")]

    @field_validator("topic")
    @classmethod
    def topic_and_its_dead_letters_have_names(cls, topic: str) -> str:
        """Refuse a topic that is its own dead-letter topic, and names that Kafka does not take."""
        dead = names.dlq_topic(topic)
        if topic == dead:
            raise ValueError(
                f"the layer dlq is kept for dead letters: refused records of {topic} would go into {topic} "
                f"itself; name another layer, such as raw-{topic.removeprefix('dlq-')}"
            )
        longest = max(topic, dead, key=len)
        if len(longest) > LONGEST_TOPIC:
            raise ValueError(
                f"Kafka takes {LONGEST_TOPIC} characters of a topic's name at most, but {longest[:40]}... "
                f"has {len(longest)}; give the data type a shorter name"
            )
        return topic

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


class Parity(Model):
    """What the same KPI means: the business day, how long it stays open, how far back it is compared."""

    timezone: Annotated[Zone, Field(description="The time zone of the business day")]
    closes: Annotated[
        Literal["day"], Field(description="The period that closes as one; every finer grain closes with it")
    ] = "day"
    accept_late: Annotated[
        Duration,
        Field(
            description="An event that arrives later than its period's end by more goes to the late table,"
            " and does not count"
        ),
    ]
    lateness_classes: Annotated[
        tuple[Duration, ...],
        Field(description="Bounds of arrival minus period's end by which late events are counted"),
    ] = (timedelta(0), timedelta(hours=24))
    amend: Annotated[
        Literal["by_hand"], Field(description="How late events of closed days are let count: by a data owner")
    ] = "by_hand"
    from_day: Annotated[
        date, Field(alias="from", description="The first business day compared, and served by the stream")
    ]
    reconcile_back: Annotated[
        Duration, Field(description="Closed days that are looked at again every night")
    ] = timedelta(days=14)


class Dimension(Model):
    """A relation of the warehouse, looked up once for each event."""

    relation: Annotated[str, Field(pattern=RELATION, description="The relation, called <schema>.<table>")]
    key: Annotated[str, Field(description="The event's field, and the relation's column, that are equal")]
    fields: Annotated[
        Mapping[Name, Literal["string", "int", "long", "double", "boolean", "date"]],
        Field(description="Type by column; an expression names it <dimension>.<column>, and it may be null"),
    ]


class Measure(Model):
    """One aggregate function of an expression, over the events that `where` lets through."""

    count: Annotated[
        str | None, Field(description='Number of events, with "*", or of those where it is not null')
    ] = None
    count_distinct: Annotated[str | None, Field(description="Number of different values")] = None
    sum: Annotated[str | None, Field(description="Sum of a number; 0 over no events")] = None
    min: Annotated[str | None, Field(description="Least value; null over no events")] = None
    max: Annotated[str | None, Field(description="Greatest value; null over no events")] = None
    avg: Annotated[str | None, Field(description="Mean of a number; null over no events")] = None
    where: Annotated[str | None, Field(description="A condition: which events count; all without it")] = None
    tolerance: Annotated[
        MeasureTolerance, Field(description="How far batch and stream may differ in a cell")
    ] = MeasureTolerance()

    @model_validator(mode="after")
    def one_function(self) -> Measure:
        """Refuse a measure with no function or with several."""
        given = [name for name in FUNCTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a measure has exactly one of {', '.join(FUNCTIONS)}, but this one has "
                f"{' and '.join(given) or 'none'}"
            )
        return self

    @property
    def function(self) -> Function:
        """The one aggregate function that is given."""
        return next(name for name in FUNCTIONS if getattr(self, name) is not None)


class Batch(Model):
    """The dbt models of the batch side: the KPI and the events that it is made of."""

    model: Annotated[
        Name, Field(description="The dbt model of the KPI: the grain's columns and the measures")
    ]
    events: Annotated[
        Name,
        Field(description="The dbt model of its events: one row each, the schema's fields, and arrived_at"),
    ]


class ServingPromise(Model):
    """What consumers are promised, and what happens when it can't be held."""

    fresh_within: Annotated[
        Duration,
        Field(
            description="Processing time: how long after its arrival an event is in the served rows, at the"
            " latest, by the engine's clock"
        ),
    ] = timedelta(seconds=5)
    stale_after: Annotated[
        Duration, Field(description="Age of the oldest unprocessed record from which the stream is stale")
    ] = timedelta(minutes=5)
    on_stale: Annotated[
        Literal["serve_batch"], Field(description="What readers get while the stream is stale")
    ] = "serve_batch"


class Kpi(Model):
    """One KPI: its key, its measures, its batch counterpart and its promise to consumers."""

    grain: Annotated[
        Mapping[Name, str],
        Field(
            min_length=1,
            description="The columns that a row is told by: a field, or a grain function (minute, hour, day,"
            " week, month) of a timestamp. Exactly one is a grain function of events.time",
        ),
    ]
    segments: Annotated[
        tuple[str, ...], Field(description="Columns of the grain by which differences and canaries are split")
    ] = ()
    measures: Annotated[
        Mapping[Name, Measure], Field(min_length=1, description="The numbers of a row, by column")
    ]
    batch: Annotated[Batch, Field(description="The dbt models that compute the same in batch")]
    serving: Annotated[ServingPromise, Field(description="What consumers are promised")] = ServingPromise()


class Retention(Model):
    """How long each layer is kept; raw is derived when it is left out."""

    raw: Annotated[
        Duration | None, Field(description="Of the raw topic; derived from accept_late when left out")
    ] = None
    dlq: Annotated[Duration, Field(description="Of the dead-letter topic")] = timedelta(days=30)
    bronze: Annotated[Duration, Field(description="Of every record as it came")] = timedelta(days=90)
    silver: Annotated[Duration, Field(description="Of accepted events")] = timedelta(days=730)
    gold: Annotated[Duration, Field(description="Of the KPIs' rows")] = timedelta(days=2555)

    @field_validator("raw", "dlq", "bronze", "silver", "gold")
    @classmethod
    def something_is_kept(cls, value: timedelta | None) -> timedelta | None:
        """Refuse 0, by which everything would be gone before it was read."""
        if value is not None and not value:
            raise ValueError("nothing would be kept for 0; write how long to keep it, such as 30d")
        return value


class Gates(Model):
    """What opens the way to the switch."""

    observe: Annotated[Observe, Field(description="The window of days that must agree")] = Observe()
    evidence_valid: Annotated[Duration, Field(description="Age up to which a reconciliation counts")] = (
        timedelta(hours=24)
    )
    sign_offs: Annotated[
        Mapping[str, Annotated[int, Field(ge=1)]],
        Field(min_length=1, description="How many people of each role of `owners` must sign"),
    ]
    sign_off_valid: Annotated[Duration, Field(description="Age up to which a sign-off counts")] = timedelta(
        hours=12
    )
    waiver_at_most: Annotated[
        Share,
        Field(
            lt=1,
            description="The largest share of a measure's batch value on a day that a waiver may accept",
        ),
    ] = Decimal("0.01")


class Cutover(Model):
    """How the switch is stepped."""

    canary: Annotated[
        tuple[Mapping[str, tuple[str, ...]], ...],
        Field(
            description="Steps before everybody: segment column and its values, served by the stream first"
        ),
    ] = ()
    soak: Annotated[Duration, Field(description="How long each step is watched")] = timedelta(minutes=10)


class Contract(Model):
    """One migration's file."""

    migration: Annotated[Name, Field(description="The migration's name, which is the file's too")]
    description: Annotated[str, Field(description="One line for people")]
    owners: Annotated[
        Mapping[str, Annotated[tuple[str, ...], Field(min_length=1)]],
        Field(description="Airflow user names by role: who may sign, amend and is told"),
    ]
    escalation: Annotated[Escalation | None, Field(description="Whom to tell when nobody answers")] = None
    events: Annotated[Events, Field(description="The event stream")]
    parity: Annotated[Parity, Field(description="What the same KPI means on both sides")]
    dimensions: Annotated[
        Mapping[Name, Dimension], Field(description="Relations that events are joined with, by name")
    ] = {}
    kpis: Annotated[Mapping[Name, Kpi], Field(min_length=1, description="The KPIs, by name")]
    reconcile: Annotated[Reconcile, Field(description="How the two sides are compared and judged")] = (
        Reconcile()
    )
    expectations: Annotated[
        tuple[Expectation, ...], Field(description="Checks of data quality beside those that follow")
    ] = ()
    gates: Annotated[Gates, Field(description="What opens the way to the switch")]
    cutover: Annotated[Cutover, Field(description="How the switch is stepped")] = Cutover()
    retention: Annotated[Retention, Field(description="How long each layer is kept")] = Retention()

    @model_validator(mode="after")
    def roles_have_owners(self) -> Contract:
        """Refuse a sign-off by a role that nobody holds."""
        for role, needed in self.gates.sign_offs.items():
            holders = self.owners.get(role, ())
            if len(set(holders)) < needed:
                raise ValueError(
                    f"gates.sign_offs needs {needed} of {role}, "
                    f"but owners.{role} names {', '.join(holders) or 'nobody'}"
                )
        return self
