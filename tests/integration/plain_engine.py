"""What a contract's expressions mean, worked out in plain Python: a third truth beside the engines.

It knows nothing of SQL and computes with unbounded numbers; a result that the language calls NULL is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import cmp_to_key
from typing import Any

from slipway.domain.measures import CompiledKpi, CompiledMeasure, GrainColumn
from slipway.domain.tree import Call, Case, Cast, Column, IsNull, Literal, Node, OneOf, Operation

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How records become events: the columns of identity, order, arrival and the period's close."""

    id: str = "id"
    order: str = "seq"
    arrived: str = "arrived"
    closes: str = "closes"


def accepted(events: Iterable[Event], arrivals: Arrivals) -> list[Event]:
    """Return the first record of each id, without those that came too late for their business day."""
    first: dict[str, Event] = {}
    for event in sorted(events, key=lambda each: each[arrivals.order]):
        first.setdefault(event[arrivals.id], event)
    return [event for event in first.values() if event[arrivals.arrived] < event[arrivals.closes]]


def fold(events: Iterable[Event], kpi: CompiledKpi) -> list[tuple[Any, ...]]:
    """Return the KPI's rows with their first and last business day, in no order."""
    cells: dict[tuple[Any, ...], list[Event]] = {}
    for event in events:
        cells.setdefault(tuple(key_part(part, event) for part in kpi.grain), []).append(event)
    return [
        (*key, *(aggregate(measure, members) for measure in kpi.measures), *open_days(kpi, key))
        for key, members in cells.items()
    ]


def open_days(kpi: CompiledKpi, key: Sequence[Any]) -> tuple[date, date]:
    """Return the first and the last business day of a row."""
    begins = next(value for part, value in zip(kpi.grain, key, strict=True) if part is kpi.time)
    if isinstance(begins, datetime):
        begins = begins.astimezone(kpi.time.zone).date()
    match kpi.time.function:
        case "week":
            return begins, begins + timedelta(days=6)
        case "month":
            return begins, (begins + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        case _:
            return begins, begins


def key_part(part: GrainColumn, event: Event) -> Any:
    """Return one column of the key of an event."""
    value = event[part.source.name]
    if value is None or part.function is None:
        return value
    local = value.astimezone(part.zone)
    match part.function:
        case "minute" | "minutes":
            return value - _beyond(local, local.minute % part.minutes)
        case "hour":
            return value - _beyond(local, local.minute)
        case "week":
            return local.date() - timedelta(days=local.weekday())
        case "month":
            return local.date().replace(day=1)
        case _:
            return local.date()


def _beyond(local: datetime, minutes: int) -> timedelta:
    return timedelta(minutes=minutes, seconds=local.second, microseconds=local.microsecond)


def aggregate(measure: CompiledMeasure, events: Sequence[Event]) -> Any:
    """Return a measure over the events of one cell."""
    counted = [each for each in events if measure.where is None or evaluate(measure.where, each) is True]
    if measure.argument is None:
        return len(counted)
    kind = measure.argument.type
    values = [found for each in counted if (found := evaluate(measure.argument, each)) is not None]
    if kind == "double" and measure.function in ("sum", "avg", "min", "max"):
        values = [value for value in values if abs(value) < 1e15]
    match measure.function:
        case "count":
            return len(values)
        case "count_distinct":
            return len(set(values))
        case "min":
            return min(values, key=_order, default=None)
        case "max":
            return max(values, key=_order, default=None)
    if kind == "double":
        values = [_rounded(value, 6) for value in values]
    with localcontext(prec=100):
        total = sum((Decimal(value) for value in values), Decimal(0))
    if measure.function == "avg":
        return float(total) / len(values) if values else None
    return int(total) if measure.type == "long" else total


def _order(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def evaluate(node: Node, event: Event) -> Any:
    """Return the value of an expression for an event; None is NULL."""
    match node:
        case Column(name=name):
            return event[name]
        case Literal(value=value):
            return value
        case IsNull(operand=operand):
            return evaluate(operand, event) is None
        case Case(branches=branches, default=default):
            for when, then in branches:
                if evaluate(when, event) is True:
                    return _of_type(evaluate(then, event), node.type)
            return _of_type(evaluate(default, event), node.type)
        case OneOf(operand=operand, options=options):
            value = evaluate(operand, event)
            if value is None:
                return None
            return any(compare(value, option.value) == 0 for option in options)
        case Cast(operand=operand, type=kind):
            return cast(evaluate(operand, event), kind)
        case Call():
            return _of_type(_call(node, event), node.type)
        case Operation(operator="not", operands=(operand,)):
            value = evaluate(operand, event)
            return None if value is None else not value
        case Operation(operator="and" | "or" as operator, operands=operands):
            values = [evaluate(operand, event) for operand in operands]
            decisive = operator == "or"
            return decisive if decisive in values else (None if None in values else not decisive)
        case Operation():
            values = [evaluate(operand, event) for operand in node.operands]
            if None in values:
                return None
            if node.type == "boolean":
                return _COMPARED[node.operator](compare(*values))
            return _arithmetic(node, values)


_COMPARED: Mapping[str, Callable[[int], bool]] = {
    "=": lambda sign: sign == 0,
    "<>": lambda sign: sign != 0,
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}


def compare(left: Any, right: Any) -> int:
    """Return the sign of left - right: numbers by value, as doubles beside a double, texts by their bytes."""
    if isinstance(left, float) or isinstance(right, float):
        left, right = float(left), float(right)
    first, second = _order(left), _order(right)
    return int(first > second) - int(first < second)


def _arithmetic(node: Operation, values: list[Any]) -> Any:
    if node.type == "double":
        bounded = [
            _bounded(float(value)) if _is_free(part) else float(value)
            for part, value in zip(node.operands, values, strict=True)
        ]
        numbers = [value for value in bounded if value is not None]
        return _on_doubles(node.operator, numbers) if len(numbers) == len(bounded) else None
    first, *rest = (Fraction(value) for value in values)
    if not rest:
        return _exact(-first, node.type)
    second = rest[0]
    match node.operator:
        case "+":
            return _exact(first + second, node.type)
        case "-":
            return _exact(first - second, node.type)
        case "*":
            return _exact(first * second, node.type)
    if second == 0:
        return None
    quotient = int(first / second)
    return _exact(Fraction(quotient) if node.operator == "/" else first - quotient * second, node.type)


def _exact(value: Fraction, kind: str) -> int | Decimal:
    if not kind.startswith("decimal"):
        assert value.denominator == 1
        assert kind != "long" or -(2**63) <= value < 2**63, "a long would have wrapped"
        return int(value)
    with localcontext(prec=100):
        return Decimal(value.numerator) / Decimal(value.denominator)


def _is_free(node: Node) -> bool:
    """Say whether nothing but the rendering keeps a double within bounds."""
    return node.type == "double" and not isinstance(node, Operation)


def _bounded(value: float) -> float | None:
    return None if abs(value) >= 1e15 else 0.0 if abs(value) < 1e-20 else value


def _on_doubles(operator: str, numbers: list[float]) -> float | None:
    match operator, numbers:
        case "-", [only]:
            return -only
        case "+", [left, right]:
            return left + right
        case "-", [left, right]:
            return left - right
        case "*", [left, right]:
            return left * right
        case _, [left, right]:
            return left / right if right else None
    raise AssertionError(operator)


def _of_type(value: Any, kind: str) -> Any:
    return float(value) if kind == "double" and value is not None else value


def _call(node: Call, event: Event) -> Any:
    values = [evaluate(operand, event) for operand in node.operands]
    present = [value for value in values if value is not None]
    match node.function:
        case "coalesce":
            return present[0] if present else None
        case "greatest":
            return max(present, key=cmp_to_key(compare), default=None)
        case "least":
            return min(present, key=cmp_to_key(compare), default=None)
        case "nullif":
            return None if len(present) == 2 and compare(*present) == 0 else values[0]
    if values[0] is None:
        return None
    match node.function:
        case "abs":
            return abs(values[0])
        case "lower":
            return "".join(c.lower() if c.isascii() else c for c in values[0])
        case _:
            return "".join(c.upper() if c.isascii() else c for c in values[0])


def cast(value: Any, kind: str) -> Any:
    """Return a value as another type; None when it does not fit."""
    if value is None:
        return None
    if kind == "string":
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, str):
        return _read(value, kind)
    if kind == "double":
        return float(value)
    if isinstance(value, float) and not abs(value) < 1e15:
        return None
    count, places = _digits(kind)
    result = _rounded(value, places)
    if kind in ("int", "long"):
        bits = 31 if kind == "int" else 63
        return int(result) if -(2**bits) <= result < 2**bits else None
    if abs(result) >= Decimal(10) ** (count - places):
        return None
    return int(result) if kind.startswith("whole") else result


def _read(text: str, kind: str) -> Any:
    digits, point, fraction = text.removeprefix("-" if text.startswith("-") else "+").partition(".")
    if kind == "double":
        whole_digits, fraction_digits = 20, 20
    else:
        places = max(_digits(kind)[1] + 1, 6) if kind.startswith("decimal") else 0
        whole_digits, fraction_digits = 38 - places, places
    good = _all_digits(digits) and len(digits) <= whole_digits
    if point:
        good = good and fraction_digits > 0 and _all_digits(fraction) and len(fraction) <= fraction_digits
    if not good:
        return None
    return float(text) if kind == "double" else cast(Decimal(text), kind)


def _all_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _digits(kind: str) -> tuple[int, int]:
    if "(" not in kind:
        return (38, 0)
    given = [int(each) for each in kind.partition("(")[2].rstrip(")").split(",")]
    return given[0], (*given, 0)[1]


def _rounded(value: float | int | Decimal, places: int) -> Decimal:
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    with localcontext(prec=100):
        return exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
