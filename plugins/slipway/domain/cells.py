"""Cells told by values of their key's columns, as contracts (tolerances) and waivers name them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # brings sqlglot, which the parsing of DAGs does without
    from slipway.domain.grain import GrainColumn

Where = Mapping[str, tuple[str | None, ...]]
"""Values by column of the key, as text; None for no value. A cell fits when it fits in every column."""

_WHOLE = {"int": 31, "long": 63}


class CellsError(ValueError):
    """A condition on cells that no cell can meet, or whose meaning is not plain. column: the part meant."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(why)
        self.column = column


@dataclass(frozen=True, slots=True)
class Choices:
    """Which columns cells are told by. symbols: what an enumerated column may hold, by column."""

    columns: Mapping[str, GrainColumn]
    symbols: Mapping[str, Sequence[str]]


def checked(where: Mapping[str, Sequence[str | None]], choices: Choices) -> Where:
    """Return the condition with each value in its column's one form; CellsError says what does not fit."""
    return {
        column: tuple(_value(column, value, choices) for value in values) for column, values in where.items()
    }


def fits(where: Where, cell: Mapping[str, str | None]) -> bool:
    """Say whether a cell, its values as text, meets a condition."""
    return all(cell.get(column) in values for column, values in where.items())


def _value(column: str, value: str | None, choices: Choices) -> str | None:
    part = choices.columns.get(column)
    if part is None:
        known = ", ".join(choices.columns) or "none"
        near = difflib.get_close_matches(column, list(choices.columns), n=1)
        hint = f"did you mean {near[0]}?" if near else f"cells are told by {known}"
        raise CellsError(column, f"{column} is no column of the grain beside the time; {hint}")
    if value is None:
        if not part.source.nullable:
            raise CellsError(column, f"{column} is never null, so no cell is meant by null")
        return None
    symbols = choices.symbols.get(column, ())
    if symbols and value not in symbols:
        raise CellsError(column, f"{column} is never {value!r}; its values are {', '.join(symbols)}")
    return _canonical(column, value, part.type)


def _canonical(column: str, value: str, kind: str) -> str:
    try:
        match kind:
            case "string":
                return value
            case "int" | "long":
                number = int(value)
                if not -(2 ** _WHOLE[kind]) <= number < 2 ** _WHOLE[kind]:
                    raise ValueError
                return str(number)
            case "date":
                return date.fromisoformat(value).isoformat()
            case "boolean":
                return {"true": "true", "false": "false"}[value.lower()]
            case _ if kind.startswith("decimal"):
                places = int(kind.rstrip(")").split(",")[1])
                number_ = Decimal(value)
                if number_ != number_.quantize(Decimal(1).scaleb(-places)):
                    raise ValueError
                return format(number_.quantize(Decimal(1).scaleb(-places)), "f")
    except (ValueError, KeyError, InvalidOperation):
        raise CellsError(column, f"{column} is {_a(kind)}, and {value!r} is none") from None
    raise CellsError(column, f"{column} is {_a(kind)}; cells can't be told by its values")


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
