"""Reads contracts from files; every complaint names file and line, and for a typing error the nearest key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from slipway.domain.avro import parse_schema
from slipway.domain.contract import Contract, ContractError, Migration, compile_migration
from slipway.errors import Permanent

Place = tuple[int, int]
KeyPath = tuple[str | int, ...]


class ContractFileError(Permanent):
    """Everything that is wrong with one contract file, a line each."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints


def load_migration(path: Path) -> Migration:
    """Read one contract and its schema; ContractFileError lists all that is wrong with them."""
    data, places = _read_yaml(path)
    try:
        contract = Contract.model_validate(data)
    except ValidationError as error:
        raise ContractFileError(_complaints(path, error, places)) from error
    if contract.migration != path.stem:
        raise ContractFileError(
            [
                _at(
                    path,
                    places,
                    ("migration",),
                    f"the migration is called {contract.migration}, so the file must be too",
                )
            ]
        )
    schema_path = path.parent / contract.events.schema_file
    if schema_path.parent.resolve() != path.parent.resolve() or not schema_path.is_file():
        why = f"there is no file {contract.events.schema_file} next to the contract"
        raise ContractFileError([_at(path, places, ("events", "schema"), why)])
    try:
        schema = parse_schema(schema_path.read_text("utf-8"))
    except Permanent as error:
        raise ContractFileError([f"{schema_path}: {error}"]) from error
    try:
        return compile_migration(contract, schema)
    except ContractError as error:
        raise ContractFileError([_at(path, places, error.path, error.why)]) from error


def load_all(folder: Path) -> Mapping[str, Migration]:
    """Read every contract of a folder, by name; the complaints of all files come together."""
    found: dict[str, Migration] = {}
    complaints: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            found[path.stem] = load_migration(path)
        except ContractFileError as error:
            complaints += error.complaints
    if complaints:
        raise ContractFileError(complaints)
    return found


def _read_yaml(path: Path) -> tuple[Any, dict[KeyPath, Place]]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractFileError([f"{path}: can't be read: {error}"]) from error
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise ContractFileError([f"{path}:1:1: the file is empty"])
        places: dict[KeyPath, Place] = {}
        _note_places(path, root, (), places)
        return _frozen(loader.construct_document(root)), places
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ContractFileError([f"{path}{place}: not YAML: {error.problem}"]) from error
    except ValueError as error:  # a date that the calendar does not have
        raise ContractFileError([f"{path}: a value can't be read: {error}"]) from error
    finally:
        loader.dispose()


def _note_places(path: Path, node: yaml.Node, at: KeyPath, places: dict[KeyPath, Place]) -> None:
    places.setdefault(at, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = (key.start_mark.line + 1, key.start_mark.column + 1)
            if key.value in seen:
                raise ContractFileError(
                    [f"{path}:{here[0]}:{here[1]}: {_dotted((*at, key.value))} stands here twice"]
                )
            seen.add(key.value)
            places[(*at, key.value)] = here
            _note_places(path, value, (*at, key.value), places)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note_places(path, value, (*at, index), places)


def _frozen(value: Any) -> Any:
    # Contracts are immutable: lists become tuples before the strict models look at them.
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value


def _complaints(path: Path, error: ValidationError, places: Mapping[KeyPath, Place]) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        at = tuple(problem["loc"])
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(at[-1]), _known_keys(at[:-1]), n=1)
            why = "unknown key" + (f"; did you mean {near[0]}?" if near else _listing(at[:-1]))
        elif problem["type"] == "missing":
            why = f"the key {at[-1]} is missing"
        else:
            why = f"{problem['msg'].removeprefix('Value error, ')}{_seen(problem)}"
        lines.append(_at(path, places, at, why))
    return lines


def _seen(problem: Any) -> str:
    seen = problem["input"]
    simple = isinstance(seen, str | int | float | bool | date) and problem["type"] != "value_error"
    return f" (seen: {seen!r})" if simple else ""


def _listing(at: KeyPath) -> str:
    known = _known_keys(at)
    return f"; known here: {', '.join(sorted(known))}" if known else ""


def _known_keys(at: KeyPath) -> list[str]:
    """Return the keys that the model at a path knows; mappings are passed through by any key."""
    annotation: Any = Contract
    for key in at:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = next((f for n, f in annotation.model_fields.items() if key in (n, f.alias)), None)
            annotation = _model_in(field.annotation) if field else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [field.alias or name for name, field in annotation.model_fields.items()]
    return []


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()) or ():
        found = _model_in(part)
        if found is not None:
            return found
    return None


def _at(path: Path, places: Mapping[KeyPath, Place], at: KeyPath, why: str) -> str:
    known = at
    while known and known not in places:
        known = known[:-1]
    line, column = places.get(known, (1, 1))
    return f"{path}:{line}:{column}: {_dotted(at) + ': ' if at else ''}{why}"


def _dotted(at: KeyPath) -> str:
    return ".".join(map(str, at))
