"""A dbt model of events as a sample: columns from the project's YAML, types from there or the warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg.conninfo import make_conninfo

from slipway.domain.contract import RESERVED_FIELDS
from slipway.domain.inference import Guess, guess
from slipway.domain.sample import Sample
from slipway.errors import Permanent, Retryable

_TYPES: Mapping[str, tuple[Any, str]] = {
    "text": ("string", "string"),
    "character varying": ("string", "string"),
    "varchar": ("string", "string"),
    "string": ("string", "string"),
    "uuid": ("string", "string"),
    "smallint": ("int", "int"),
    "integer": ("int", "int"),
    "int": ("int", "int"),
    "bigint": ("long", "long"),
    "double precision": ("double", "double"),
    "real": ("double", "double"),
    "boolean": ("boolean", "boolean"),
    "date": ({"type": "int", "logicalType": "date"}, "date"),
    "timestamp with time zone": ({"type": "long", "logicalType": "timestamp-micros"}, "timestamp"),
    "timestamptz": ({"type": "long", "logicalType": "timestamp-micros"}, "timestamp"),
}


def from_model(project: Path, model: str, warehouse: Callable[[], Mapping[str, str]]) -> Sample:
    """Return a sample without records: the model's columns are the fields.

    warehouse: gives libpq parameters; asked for the types when the project's YAML does not give them all.
    """
    if not any((project / "models").rglob(f"{model}.sql")):
        known = ", ".join(sorted(path.stem for path in (project / "models").rglob("*.sql"))) or "none"
        raise Permanent(f"the dbt project has no model {model}; it has {known}")
    columns = [_declared(entry) for entry in _columns(project, model)]
    if not columns or any(kind is None for _, kind, _, _, _ in columns):
        columns = _from_warehouse(warehouse(), model, columns)
    fields = tuple(
        _field(*column) for column in columns if column[0] not in RESERVED_FIELDS and "__" not in column[0]
    )
    if not fields:
        raise Permanent(f"no column of {model} can be a field of an event")
    return Sample(f"the columns of dbt model {model}", (), model=model, columns=fields)


Column = tuple[str, str | None, str, bool, bool]
"""Name, type in the warehouse, description, never null, unique."""


def _columns(project: Path, model: str) -> Iterator[Mapping[str, Any]]:
    for path in sorted((project / "models").rglob("*.y*ml")):
        try:
            document = yaml.safe_load(path.read_text("utf-8")) or {}
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            raise Permanent(f"{path} can't be read: {' '.join(str(error).split())}") from error
        for entry in document.get("models") or ():
            if entry.get("name") == model:
                yield from entry.get("columns") or ()


def _declared(entry: Mapping[str, Any]) -> Column:
    tests = [
        test if isinstance(test, str) else next(iter(test), "") for test in entry.get("data_tests") or ()
    ]
    kind = entry.get("data_type")
    described = " ".join(str(entry.get("description") or "").split())
    unique = "unique" in tests
    return (
        str(entry["name"]),
        str(kind).lower() if kind else None,
        described,
        unique or "not_null" in tests,
        unique,
    )


def _from_warehouse(server: Mapping[str, str], model: str, declared: list[Column]) -> list[Column]:
    known = {name: column for column in declared for name in [column[0]]}
    try:
        with psycopg.connect(make_conninfo(**server), connect_timeout=10) as connection:
            rows = connection.execute(
                "SELECT column_name, data_type, numeric_precision, numeric_scale, is_nullable = 'NO'"
                " FROM information_schema.columns WHERE table_schema = 'batch' AND table_name = %s"
                " ORDER BY ordinal_position",
                (model,),
            ).fetchall()
    except psycopg.OperationalError as error:
        raise Retryable(f"the warehouse does not answer: {error}; is it up?") from error
    if not rows:
        raise Permanent(
            f"the project's YAML does not give the data_type of every column of {model}, and the warehouse "
            f"has no table batch.{model} to ask; add the types, or build the model with dbt once"
        )
    found: list[Column] = []
    for name, kind, precision, scale, never_null in rows:
        _, _, described, required, unique = known.get(name, (name, None, "", False, False))
        full = f"numeric({precision},{scale})" if kind == "numeric" and precision else kind
        found.append((name, full, described, required or never_null, unique))
    return found


def _field(name: str, kind: str | None, described: str, required: bool, unique: bool) -> Guess:
    looks = guess(name, ["x"])  # for what its name alone tells
    personal = isinstance(looks, Guess) and looks.personal
    notes = (
        ["looks personal, so it is marked pii and masked wherever data is shown; is it?"] if personal else []
    )
    base = (kind or "text").partition("(")[0].strip()
    if base in ("numeric", "decimal"):
        precision, _, scale = (kind or "").partition("(")[2].rstrip(")").partition(",")
        digits, places = int(precision or 38), int(scale or (0 if precision else 6))
        avro: Any = {"type": "bytes", "logicalType": "decimal", "precision": digits, "scale": places}
        mine = f"decimal({digits},{places})"
    elif base in _TYPES:
        avro, mine = _TYPES[base]
    else:
        avro, mine = "string", "string"
        notes.append(f"{kind} has no counterpart in an event, so it is a text; is it?")
    return Guess(
        name, avro, mine, not required, described or "DECIDE: say what it holds, and its unit", personal,
        tuple(notes), unique=unique,
    )  # fmt: skip
