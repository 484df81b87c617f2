"""Random event schemas, KPIs over them, and records with all that goes wrong, for hypothesis."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from slipway.domain.contract_file import FUNCTIONS, Function
from slipway.domain.expressions import Column, ExpressionError
from slipway.domain.measures import CompiledKpi, CompiledMeasure, Tolerance, compile_grain, compile_measure
from tests.integration.engines import Example
from tests.integration.plain_engine import Arrivals

EDGES: Mapping[str, tuple[str, ...]] = {
    "America/New_York": ("2013-03-10T07:00Z", "2013-11-03T06:00Z"),
    "UTC": ("2016-02-29T00:00Z", "1969-12-31T23:59Z"),
    # Half an hour forward and back.
    "Australia/Lord_Howe": ("2020-04-04T15:00Z", "2020-10-03T15:30Z"),
    # No midnight on one day, two on another.
    "America/Sao_Paulo": ("2017-10-15T03:00Z", "2018-02-18T02:00Z"),
    "Asia/Kathmandu": ("2021-12-31T18:15Z", "2022-01-31T18:15Z"),
    "America/St_Johns": ("2010-03-14T03:31Z", "2010-11-07T02:31Z"),
}
"""Instants at which the wall clock does something odd, by zone."""

TEXTS = (
    "",
    "a",
    "B",
    "aB",
    "z",
    " ",
    "a ",
    "O'Hare",
    "\\",
    "é",
    "É",
    "\u0131",
    "İ",
    "ß",
    "\u017f",
    "\ue000",
    "\uffee",
    "😀",
    "7",
    "-3",
    "+12.50",
    "1e3",
    " 7",
    "7\n",
    "0012",
    "99999999999999999999",
    "0.0000005",
    "12.",
)
DOUBLES = (
    0.0,
    -0.0,
    0.1,
    -2.5,
    0.5,
    1.5,
    0.1234565,
    1.0000005,
    -1.0000005,
    1e300,
    -1e300,
    5e-324,
    1e-21,
    1e15,
    1e19,
    999999999999999.9,
    99999999999999.12,
    99999999999999983616.0,
    123456789012.3456785,
    9007199254740993.0,
    2e-3,
    1e-7,
    5e-7,
    1e22,
)
TYPES = (
    "int",
    "int",
    "long",
    "double",
    "decimal(10,2)",
    "decimal(18,4)",
    "decimal(5,0)",
    "decimal(28,6)",
    "string",
    "string",
    "boolean",
    "date",
    "timestamp",
)
CASTS = ("int", "long", "double", "decimal(5,2)", "decimal(12,0)", "decimal(28,10)")


def instants(zone: str) -> st.SearchStrategy[datetime]:
    """Instants, most of them near the zone's odd ones."""
    edges = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in EDGES[zone]]
    near = st.tuples(st.sampled_from(edges), st.integers(-30 * 60, 30 * 60), st.integers(0, 59_999_999)).map(
        lambda parts: parts[0] + timedelta(minutes=parts[1], microseconds=parts[2])
    )
    close = st.tuples(
        st.sampled_from(edges), st.sampled_from([-3600, -1, 0, 1, 1799, 1800, 3600, 7199, 86400])
    ).map(lambda parts: parts[0] + timedelta(seconds=parts[1]))
    far = st.datetimes(datetime(1971, 1, 1), datetime(2024, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    return st.one_of(near, close, close, far)


def values(kind: str, zone: str) -> st.SearchStrategy[Any]:
    """Values of a field's type, extremes among them."""
    match kind:
        case "int":
            return st.one_of(st.integers(-20, 20), st.sampled_from([-(2**31), 2**31 - 1]))
        case "long":
            return st.one_of(st.integers(-20, 20), st.sampled_from([-(2**63), 2**63 - 1, -1, 10**18]))
        case "double":
            return st.one_of(
                st.sampled_from(DOUBLES),
                st.integers(-(10**10), 10**10).map(lambda n: n / 2 / 10**6),
                st.floats(allow_nan=False, allow_infinity=False),
            )
        case "string":
            return st.sampled_from(TEXTS)
        case "boolean":
            return st.booleans()
        case "date":
            return st.dates(date(1969, 1, 1), date(2030, 1, 1))
        case "timestamp":
            return instants(zone)
    digits, places = (int(part) for part in kind[8:-1].split(","))
    most = 10**digits - 1
    return st.one_of(st.integers(-500, 500), st.sampled_from([-most, most, most // 2, 0])).map(
        lambda unscaled: Decimal(unscaled).scaleb(-places)
    )


class Expressions:
    """Random texts in the contract's language over some fields."""

    def __init__(self, draw: st.DrawFn, fields: Mapping[str, Column]) -> None:
        self.draw = draw
        self.fields = fields

    def one(self, *options: str) -> str:
        """One of some texts."""
        return self.draw(st.sampled_from(options))

    def named(self, *kinds: str) -> list[str]:
        """The fields of some types; `decimal` stands for all decimals."""
        return [name for name, column in self.fields.items() if column.type.partition("(")[0] in kinds]

    def number(self, depth: int) -> str:
        """A number."""
        fields = self.named("int", "long", "double", "decimal")
        if depth <= 0 or self.draw(st.integers(0, 3)) == 0:
            literals = ("0", "1", "-1", "2", "7", "100", "0.5", "-2.25", "0.01", "3000000000")
            return self.one(*(fields * 3), *literals)
        a, b = self.number(depth - 1), self.number(depth - 1)
        match self.one(
            "+", "-", "*", "/", "%", "neg", "abs", "round", "two", "nullif", "case", "cast", "read"
        ):
            case "neg":
                return f"(-{a})" if not a.startswith("-") else f"(- ({a}))"
            case "abs":
                return f"abs({a})"
            case "round":
                return self.one(f"round({a})", f"round({a}, 2)", f"round({a}, 1)", f"round({a}, 6)")
            case "two":
                return f"{self.one('greatest', 'least', 'coalesce')}({a}, {b})"
            case "nullif":
                return f"nullif({a}, {b})"
            case "case":
                return f"case when {self.condition(depth - 1)} then {a} {self.one(f'else {b} end', 'end')}"
            case "cast":
                return f"cast({a} as {self.one(*CASTS)})"
            case "read":
                return f"cast({self.text(depth - 1)} as {self.one(*CASTS)})"
            case operator:
                return f"({a} {operator} {b})"

    def text(self, depth: int) -> str:
        """A text; constants come in their quotes."""
        fields, written = self.named("string"), self.draw(st.sampled_from(TEXTS)).replace("'", "''")
        if depth <= 0 or self.draw(st.integers(0, 2)) == 0:
            return self.one(*(fields * 3), f"'{written}'")
        a, b = self.text(depth - 1), self.text(depth - 1)
        match self.one("letters", "two", "nullif", "case", "cast"):
            case "letters":
                return f"{self.one('lower', 'upper')}({a})"
            case "two":
                return f"{self.one('greatest', 'least', 'coalesce')}({a}, {b})"
            case "nullif":
                return f"nullif({a}, {b})"
            case "case":
                return f"case when {self.condition(depth - 1)} then {a} else {b} end"
            case _:
                return f"cast({self.number(depth - 1)} as string)"

    def condition(self, depth: int) -> str:
        """A condition."""
        sign = self.one("=", "<>", "<", "<=", ">", ">=")
        if depth <= 0 or self.draw(st.integers(0, 2)) == 0:
            flags = self.named("boolean")
            return self.one(
                f"{self.number(0)} {sign} {self.number(0)}",
                f"{self.text(0)} {sign} {self.text(0)}",
                f"{self.one(*self.fields)} is null",
                *flags,
            )
        match self.one("numbers", "texts", "times", "in", "in texts", "between", "not", "two"):
            case "numbers":
                return f"{self.number(depth - 1)} {sign} {self.number(depth - 1)}"
            case "texts":
                return f"{self.text(depth - 1)} {sign} {self.text(depth - 1)}"
            case "times":
                days = [f"{name} {sign} date '2013-03-10'" for name in self.named("date")]
                return self.one(*days, f"at {sign} timestamptz '2013-03-10T03:00:00.5-04:00'")
            case "in":
                return f"{self.number(depth - 1)} {self.one('in', 'not in')} (0, -1, 7, 0.5)"
            case "in texts":
                return f"{self.text(depth - 1)} in ('a', 'O''Hare', '😀', 'a  ')"
            case "between":
                return f"{self.number(depth - 1)} between {self.number(0)} and {self.number(0)}"
            case "not":
                return f"not ({self.condition(depth - 1)})"
            case _:
                return f"({self.condition(depth - 1)} {self.one('and', 'or')} {self.condition(depth - 1)})"


def _measure(draw: st.DrawFn, name: str, fields: Mapping[str, Column]) -> tuple[CompiledMeasure, str]:
    write = Expressions(draw, fields)
    where = write.condition(2) if draw(st.booleans()) else None
    function: Function = draw(st.sampled_from(FUNCTIONS))
    argument = write.number(3)
    if function in ("count", "count_distinct", "min", "max") and draw(st.booleans()):
        argument = draw(st.sampled_from([write.text(2), *write.named("date", "timestamp", "string")]))
    try:
        compiled = compile_measure(name, function, argument, where, Tolerance(), fields)
    except ExpressionError:
        # Too wide, always NULL, or of no use as it stands: refused with a reason, which other tests look at.
        return compile_measure(name, "count", "*", None, Tolerance(), fields), "count: *"
    return compiled, f"{function}: {argument} where {where}"


@st.composite
def examples(draw: st.DrawFn, zones: tuple[str, ...] = tuple(EDGES)) -> Example:
    """A KPI with a schema of its own, and up to twenty records."""
    zone = draw(st.sampled_from(zones))
    kinds = draw(st.lists(st.sampled_from(TYPES), min_size=3, max_size=8))
    nullable = draw(st.lists(st.booleans(), min_size=len(kinds), max_size=len(kinds)))
    fields = {"id": Column("id", "string", nullable=False), "at": Column("at", "timestamp", nullable=False)}
    for number, (kind, may_be_null) in enumerate(zip(kinds, nullable, strict=True)):
        fields[f"f{number}"] = Column(f"f{number}", kind, may_be_null)
    keys = [name for name, column in fields.items() if column.type != "double" and name not in ("id", "at")]
    function = draw(st.sampled_from(["minute", "minutes(15, at)", "hour", "day", "week", "month"]))
    time = compile_grain("t", function if "(" in function else f"{function}(at)", fields, ZoneInfo(zone))
    chosen = draw(st.lists(st.sampled_from(keys), max_size=2, unique=True)) if keys else []
    grain = (time, *(compile_grain(f"k_{name}", name, fields, ZoneInfo(zone)) for name in chosen))
    measures = [_measure(draw, f"m{number}", fields) for number in range(draw(st.integers(1, 4)))]
    kpi = CompiledKpi("k", grain, tuple(measure for measure, _ in measures), (), time)
    columns = [
        ("seq", "int"),
        ("arrived", "timestamp"),
        ("closes", "timestamp"),
        *((n, c.type) for n, c in fields.items()),
    ]
    events = []
    for seq in range(draw(st.integers(0, 20))):
        at = draw(instants(zone))
        delay = draw(st.sampled_from([-3600, 0, 60, 86399, 86400, 100_000, 200_000]))
        closes = (at + timedelta(hours=24)).replace(minute=0, second=0, microsecond=0)
        event: dict[str, Any] = {
            "seq": seq,
            "arrived": at + timedelta(seconds=delay),
            "at": at,
            "closes": closes,
        }
        event["id"] = draw(st.sampled_from(["x", "y", *(f"e{n}" for n in range(12))]))
        for name, column in fields.items():
            if name not in event:
                missing = column.nullable and draw(st.integers(0, 3)) == 0
                event[name] = None if missing else draw(values(column.type, zone))
        events.append(event)
    return Example(kpi, columns, draw(st.permutations(events)), Arrivals(), [text for _, text in measures])
