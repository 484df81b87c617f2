"""docs/reference/contract.md, made from the descriptions of the keys, so that it can't go stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from slipway.domain.contract_file import Contract

HEAD = (
    "# Every key of a contract\n"
    "A contract is `include/migrations/<migration>.yaml`, with its Avro schema beside it. This page is "
    "made from the keys' own descriptions (`slipway schema --markdown`); `slipway schema` prints the "
    "same as a JSON Schema for editors, and `slipway validate` says what is wrong with a file, with "
    "line and column. Expressions: [expressions.md](expressions.md).\n\n"
    "`*` stands for a name of your own. A duration is a number and s, m, h or d (`24h`); a share is a "
    "number or a percentage (`0.1 %`).\n"
)


def markdown() -> str:
    """Return the page: a table for each group of keys."""
    sections = [f"{HEAD}"]
    for path, model in _models("", Contract):
        title = f"`{path}`" if path else "The file"
        rows = [
            f"| `{field.alias or name}` | {_kind(field.annotation)} | {_default(field)} | {_cell(field)} |"
            for name, field in model.model_fields.items()
        ]
        table = "\n".join(["| key | value | default | meaning |", "| --- | --- | --- | --- |", *rows])
        sections.append(f"## {title}\n{_first_line(model)}\n\n{table}\n")
    return "\n".join(sections)


def _models(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        found = _model_in(field.annotation)
        if found is not None:
            inner, stars = found
            here = f"{path}.{field.alias or name}".lstrip(".")
            yield from _models(here + ".*" * stars, inner)


def _model_in(annotation: Any) -> tuple[type[BaseModel], int] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, 0
    for part in get_args(annotation):
        found = _model_in(part)
        if found is not None:
            return found[0], found[1] + (get_origin(annotation) is Mapping)
    return None


_NAMES: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    timedelta: "duration",
    Decimal: "share",
}


def _kind(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "keys"
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_kind(part) for part in parts if part is not NoneType)
    if origin is Mapping:
        return f"{_kind(parts[1])} by name"
    if origin is tuple:
        return f"list of {_kind(parts[0])}"
    if origin is not None and hasattr(annotation, "__metadata__"):
        return _kind(parts[0])
    return _NAMES.get(
        annotation, getattr(annotation, "__name__", str(annotation)).replace("ZoneInfo", "time zone")
    )


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "**needed**"
    if value is None or isinstance(value, BaseModel) or value in ((), {}):
        return "none" if value is None or value in ((), {}) else "as below"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(_written, value))}]`"
    return f"`{_written(value)}`"


def _written(value: Any) -> str:
    if value == timedelta(0):
        return "0m"
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        unit, size = next(
            ((u, s) for u, s in (("d", 86400), ("h", 3600), ("m", 60)) if seconds % s == 0), ("s", 1)
        )
        return f"{seconds // size}{unit}"
    return str(value)


def _cell(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|").replace("<", "&lt;")


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]
