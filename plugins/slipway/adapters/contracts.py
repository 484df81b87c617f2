"""Reads contracts from files; every complaint names file and line, and for a typing error the nearest key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from slipway.adapters import placed_yaml
from slipway.adapters.placed_yaml import KeyPath, Placed, YamlError
from slipway.domain.avro import EventSchema, parse_schema
from slipway.domain.contract import Contract, ContractError, Migration, compile_migration, outline
from slipway.domain.contract_types import PATTERNS
from slipway.errors import Permanent

KEPT = 1024
"""Contracts that a process keeps compiled, by the text of their files: the same text is read once."""


class ContractFileError(Permanent):
    """Everything that is wrong with one contract file, a line each."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints


def load_migration(path: Path) -> Migration:
    """Read one contract and its schema; ContractFileError lists all that is wrong with them."""
    return _compiled(path, *_texts(path))


def load_outline(path: Path) -> Migration:
    """Read one contract and its schema, and leave the expressions of its KPIs for later.

    ContractFileError as of load_migration, but for expressions: those are told when a KPI is asked for.
    """
    return _outlined(path, *_texts(path))


def load_all(folder: Path) -> Mapping[str, Migration]:
    """Read every contract of a folder, by name; the complaints of all files come together."""
    found: dict[str, Migration] = {}
    complaints: list[str] = []
    for path in contract_files(folder):
        try:
            found[path.stem] = load_migration(path)
        except ContractFileError as error:
            complaints += error.complaints
    if complaints:
        raise ContractFileError(complaints)
    return found


def contract_files(folder: Path) -> list[Path]:
    """Return the contracts of a folder, sorted by name."""
    return sorted(folder.glob("*.yaml"))


def _texts(path: Path) -> tuple[str, str]:
    """Return the texts of a contract and of the schema that it names."""
    try:
        text = placed_yaml.text_of(path)
    except YamlError as error:
        raise ContractFileError([str(error)]) from error
    placed, contract = _contract(path, text)
    name = contract.events.schema_file
    schema = path.parent / name
    if Path(name).name != name or not schema.is_file():
        others = ", ".join(sorted(other.name for other in path.parent.glob("*.avsc"))) or "none"
        why = f"there is no file {name} next to the contract; the .avsc files there are: {others}"
        raise ContractFileError([_at(placed, ("events", "schema"), why)])
    try:
        return text, schema.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractFileError([f"{schema}: can't be read as UTF-8 text: {error}"]) from error


@lru_cache(maxsize=KEPT)
def _contract(path: Path, text: str) -> tuple[Placed, Contract]:
    try:
        placed = placed_yaml.parse(path, text)
    except YamlError as error:
        raise ContractFileError([str(error)]) from error
    try:
        contract = Contract.model_validate(placed.data)
    except ValidationError as error:
        raise ContractFileError(_complaints(placed, error)) from error
    if contract.migration != path.stem:
        why = (
            f"the migration is called {contract.migration}, but the file {path.name};"
            f" rename one of them, for the file of a migration is <migration>.yaml"
        )
        raise ContractFileError([_at(placed, ("migration",), why)])
    return placed, contract


@lru_cache(maxsize=KEPT)
def _compiled(path: Path, text: str, schema_text: str) -> Migration:
    placed, contract = _contract(path, text)
    try:
        return compile_migration(contract, _schema(path.parent / contract.events.schema_file, schema_text))
    except ContractError as error:
        raise ContractFileError([_at(placed, error.path, error.why, error.offset)]) from error


@lru_cache(maxsize=KEPT)
def _outlined(path: Path, text: str, schema_text: str) -> Migration:
    _, contract = _contract(path, text)
    return outline(contract, _schema(path.parent / contract.events.schema_file, schema_text))


@lru_cache(maxsize=KEPT)
def _schema(path: Path, text: str) -> EventSchema:
    try:
        return parse_schema(text)
    except Permanent as error:
        raise ContractFileError([f"{path}: {error}"]) from error


def _complaints(placed: Placed, error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        at = tuple(part for part in problem["loc"] if part != "[key]")
        lines.append(_at(placed, at, _why(at, problem)))
    return lines


def _why(at: KeyPath, problem: Any) -> str:
    kind, context, seen = problem["type"], problem.get("ctx", {}), problem["input"]
    match kind:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(at[-1]), [str(key) for key in _known_keys(at[:-1])], n=1)
            return "unknown key" + (f"; did you mean {near[0]}?" if near else _listing(at[:-1]))
        case "missing":
            return f"the key {at[-1]} is missing{_description(at)}"
        case "value_error":
            return str(problem["msg"]).removeprefix("Value error, ")
        case "literal_error":
            return f"must be {str(context['expected']).replace(chr(39), '')}{_seen(seen)}"
        case "string_pattern_mismatch":
            return PATTERNS.get(context["pattern"], str(problem["msg"])) + _seen(seen)
        case "greater_than":
            return f"must be greater than {context['gt']}{_seen(seen)}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}{_seen(seen)}"
        case "less_than_equal":
            return f"must be at most {context['le']:,}{_seen(seen)}"
        case "too_short":
            return f"nothing is given, but at least {context['min_length']} is needed{_description(at)}"
        case _ if kind in _NEEDED:
            return _NEEDED[kind] + _seen(seen)
        case _:
            return f"{problem['msg']}{_seen(seen)}"


_NEEDED = {
    "int_type": "a whole number is needed, such as 5",
    "int_from_float": "a whole number is needed, such as 5",
    "float_type": "a number is needed, such as 1.5",
    "float_parsing": "a number is needed, such as 1.5",
    "finite_number": "a finite number is needed, such as 1.5",
    "string_type": "a text is needed; write it between quotes",
    "date_type": "a date is needed, such as 2013-02-25",
    "date_from_datetime_inexact": "a date is needed, such as 2013-02-25",
    "tuple_type": "a list is needed, such as [first, second]",
    "dict_type": "keys with values are needed, such as {name: value}",
    "mapping_type": "keys with values are needed, such as {name: value}",
    "model_type": "keys with values are needed, such as {name: value}",
    "model_attributes_type": "keys with values are needed, such as {name: value}",
}


def _seen(seen: Any) -> str:
    if seen is None:
        return ", but nothing is there"
    if isinstance(seen, str | int | float | bool | date):
        return f", but here is {seen!r}" if isinstance(seen, str) else f", but here is {seen}"
    return ", but here is a list" if isinstance(seen, tuple) else ", but here are keys"


def _description(at: KeyPath) -> str:
    found = _field_at(at)
    return f": {found.description}" if found is not None and found.description else ""


def _listing(at: KeyPath) -> str:
    known = _known_keys(at)
    return f"; known here: {', '.join(sorted(known))}" if known else ""


def _known_keys(at: KeyPath) -> list[str]:
    """Return the keys that the model at a path knows."""
    model = _model_at(at)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _field_at(at: KeyPath) -> FieldInfo | None:
    model = _model_at(at[:-1])
    return _named(model.model_fields.items(), at[-1]) if model else None


def _named(fields: Iterable[tuple[str, FieldInfo]], key: str | int) -> FieldInfo | None:
    return next((field for name, field in fields if key in (field.alias or name, name)), None)


def _model_at(at: KeyPath) -> type[BaseModel] | None:
    """Return the model at a path; mappings are passed through by any key, lists by any index."""
    annotation: Any = Contract
    depth = 0  # of mappings and lists between a field and the model in it
    for key in at:
        if depth:
            depth -= 1
            continue
        field = _named(annotation.model_fields.items(), key)
        if field is None:
            return None
        found = _model_in(field.annotation, 0)
        if found is None:
            return None
        annotation, depth = found
    return annotation if depth == 0 else None


def _model_in(annotation: Any, depth: int) -> tuple[type[BaseModel], int] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, depth
    origin = getattr(annotation, "__origin__", None)
    deeper = depth + 1 if origin in (Mapping, tuple) else depth
    for part in getattr(annotation, "__args__", ()) or ():
        found = _model_in(part, deeper)
        if found is not None:
            return found
    return None


def _at(placed: Placed, at: KeyPath, why: str, offset: int | None = None) -> str:
    line, column = placed.place(at) if offset is None else placed.place_in(at, offset)
    return f"{placed.path}:{line}:{column}: {'.'.join(map(str, at)) + ': ' if at else ''}{why}"
