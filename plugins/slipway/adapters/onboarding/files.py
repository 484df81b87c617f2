"""Writes the files of a draft: contract, schema and dbt stubs, all of them or none, and never over a file."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from slipway.adapters.contracts import load_migration
from slipway.domain.avro import parse_schema
from slipway.domain.contract import compile_migration
from slipway.domain.contract_file import Contract
from slipway.domain.contract_types import LONGEST_NAME
from slipway.domain.draft import Draft
from slipway.domain.expressions import ExpressionError, field_columns
from slipway.domain.inference import Guess, snake
from slipway.domain.measures import Tolerance, compile_grain, compile_measure
from slipway.domain.names import ROW_COLUMNS
from slipway.domain.rendering import quoted, sql_type
from slipway.errors import Permanent

_TEMPLATES = Path(__file__).parent / "templates"
WIDTH = 96
LONGEST_STEM = LONGEST_NAME - len("_events")
_UTC = ZoneInfo("UTC")
_RESERVED = frozenset((Path(__file__).parent / "reserved_words.txt").read_text("utf-8").split())
"""Words that are no column's name in Postgres without quotes."""


class DraftFiles:
    """The places of a migration's files. contracts: include/migrations. project: the dbt project."""

    def __init__(self, contracts: Path, project: Path) -> None:
        self._contracts = contracts
        self._project = project

    def refuse_taken(self, name: str) -> None:
        """Refuse a name whose files are there already; nothing is ever overwritten."""
        models = self._project / "models"
        places = [self._contracts / f"{name}.yaml", self._contracts / f"{name}.avsc", models / name]
        found = [place for place in places if place.exists()]
        found += sorted(path for stem in _models(name) for path in models.rglob(f"{stem}.sql"))
        if found:
            shown = ", ".join(str(path) for path in dict.fromkeys(found))
            raise Permanent(
                f"{name} is there already: {shown}; nothing is ever overwritten, "
                "so choose another name, or move these away"
            )

    def write(self, draft: Draft) -> list[Path]:
        """Write every file and return their paths, the contract first; on any failure there is none."""
        self.refuse_taken(draft.name)
        rendered = render(draft)
        # In the same file system, so that moving into place is a matter of names only.
        staging = Path(tempfile.mkdtemp(prefix=".slipway-init-", dir=self._contracts.parent))
        placed: list[Path] = []
        try:
            for place, text in rendered.items():
                path = staging / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            load_migration(staging / f"{draft.name}.yaml")
            models = self._project / "models" / draft.name
            models.parent.mkdir(parents=True, exist_ok=True)
            models.mkdir()  # fails when somebody was faster
            placed.append(models)
            for path in sorted((staging / "models").iterdir()):
                _place(path, models / path.name, placed)
            # The contract comes last: it is what makes the migration exist.
            for suffix in ("avsc", "yaml"):
                file = f"{draft.name}.{suffix}"
                _place(staging / file, self._contracts / file, placed)
        except BaseException:
            for path in reversed(placed):
                path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return [path for path in reversed(placed) if path.is_file()]


def _place(source: Path, target: Path, placed: list[Path]) -> None:
    try:
        os.link(source, target)  # unlike a rename, it never replaces a file
    except FileExistsError as error:
        raise Permanent(f"{target} appeared meanwhile; nothing was written") from error
    placed.append(target)


def _models(name: str) -> tuple[str, str]:
    stem = name[:LONGEST_STEM].rstrip("_")  # both are names, too, and no longer than one may be
    return f"{stem}_daily", f"{stem}_events"


def render(draft: Draft) -> Mapping[str, str]:
    """Return the text of each file by its place: <name>.yaml, <name>.avsc, models/..."""
    kpi, events = _models(draft.name)
    events = draft.model or events
    schema = parse_schema(avro(draft))
    known = field_columns({field.name: (field.type, field.nullable) for field in schema.fields}, {})
    grain, measures = list(_grain(draft, known)), []
    taken = {column for column, _, _ in grain}
    for function, argument, base, why in _wanted(draft, known):
        column = _column(base, taken)
        measures.append((column, function, argument, why))
    values: dict[str, Any] = {
        "draft": draft,
        "kpi": kpi,
        "events": events,
        "grain": grain,
        "segments": [column for column, _, _ in grain[1:]],
        "measures": measures,
        "notes": [(field.name, note) for field in draft.fields for note in field.notes],
    }
    environment = _environment()
    contract = environment.get_template("contract.yaml.j2").render(values)
    compiled = _compiled(contract, draft, schema).kpis[kpi]
    keys, selected = compiled.select("postgres")
    nullable = {part.name for part in compiled.grain if part.source.nullable}
    values |= {
        "columns": [(_sql_name(field.name), sql_type(field.type, "postgres")) for field in schema.fields],
        "fields": [
            (field, sql_type(parsed.type, "postgres"))
            for field, parsed in zip(draft.fields, schema.fields, strict=True)
        ],
        "keys": keys,
        "selected": [*keys, *selected],
        "kpi_columns": [
            (column, sql_type(kind, "postgres"), column in dict(keys) and column not in nullable)
            for column, kind in compiled.column_types()
        ],
    }
    found = {f"{draft.name}.yaml": contract, f"{draft.name}.avsc": avro(draft)}
    files = {f"{kpi}.sql": "kpi.sql.j2", f"{draft.name}.yml": "models.yml.j2"}
    if draft.model is None:
        files |= {f"{events}.sql": "events.sql.j2", "sources.yml": "sources.yml.j2"}
    for file, template in files.items():
        found[f"models/{file}"] = environment.get_template(template).render(values)
    return found


def avro(draft: Draft) -> str:
    """Return the Avro schema, a line a field."""
    head = {"type": "record", "name": draft.name, "namespace": f"slipway.{draft.name}"}
    doc = f"DECIDE: what happened, in one line. Drafted from {_one_line(draft.source)}"
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in {**head, "doc": doc}.items()]
    fields = ",\n".join(f"    {json.dumps(_avro_field(field), ensure_ascii=False)}" for field in draft.fields)
    return "{\n" + "\n".join(lines) + '\n  "fields": [\n' + fields + "\n  ]\n}\n"


def _avro_field(field: Guess) -> dict[str, Any]:
    found: dict[str, Any] = {"name": field.name, "type": field.avro}
    if field.nullable:
        found |= {"type": ["null", field.avro], "default": None}
    return found | {"doc": field.doc} | ({"pii": True} if field.personal else {})


def _compiled(contract: str, draft: Draft, schema: Any) -> Any:
    from slipway.adapters.placed_yaml import parse

    data = parse(Path(f"{draft.name}.yaml"), contract).data
    return compile_migration(Contract.model_validate(data), schema)


def _grain(draft: Draft, known: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    taken: set[str] = set()
    day = _column(f"{snake(draft.time.value)}_day", taken)
    yield day, f"day({_expression(draft.time.value)})", "the day that the row closes with"
    for field in draft.segments:
        text = _expression(field.name)
        try:
            compile_grain(field.name, text, known, _UTC)
        except ExpressionError:
            continue
        yield _column(snake(field.name), taken), text, f"{field.distinct} values in the sample"


def _wanted(draft: Draft, known: Mapping[str, Any]) -> Iterator[tuple[Any, str, str, str]]:
    yield "count", "*", "events", ""
    tried: list[tuple[Any, Guess, str, str]] = [
        ("sum", field, f"{snake(field.name)}_total", "DECIDE: does a sum of it mean something?")
        for field in draft.sums
    ]
    if draft.distinct is not None:
        tried.append(("count_distinct", draft.distinct, f"{snake(draft.distinct.name)}s", ""))
    for function, field, base, why in tried:
        text = _expression(field.name)
        try:
            compile_measure(base, function, text, None, Tolerance(), known)
        except ExpressionError:
            continue
        yield function, text, base, why


def _expression(field: str) -> str:
    """Return a field's name as an expression has it: quoted where SQL would take it for a word of its own."""
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    try:
        parsed = parse_one(field, dialect="postgres")
    except SqlglotError:
        parsed = None
    plain = isinstance(parsed, exp.Column) and parsed.name == field
    return field if plain else quoted(field, "postgres")


def _column(base: str, taken: set[str]) -> str:
    """Return a column's name that the contract allows and that is not taken, and take it."""
    name = base[:36].strip("_") or "value"
    name = name if name[0].isalpha() else f"f_{name}"
    name = f"{name}_value" if name in _RESERVED or name in ROW_COLUMNS else name
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found)
    return found


def _sql_name(name: str) -> str:
    return quoted(name, "postgres") if _needs_quotes(name) else name


def _needs_quotes(name: str) -> bool:
    return name != name.lower() or name in _RESERVED


def _environment() -> Environment:
    environment = Environment(  # noqa: S701  (YAML and SQL, not HTML; each value passes a filter of its own)
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "comment": _one_line,
        "described": lambda text: json.dumps(text.replace("{", "(").replace("}", ")")),
        "quotes": _needs_quotes,
        "text": _text,
        "wrapped": lambda text: textwrap.wrap(_one_line(text), WIDTH),
    }
    environment.globals |= {"item": _item, "commented": _commented}
    return environment


def _item(key: str, chosen: Any, written: str | None = None) -> str:
    """Return a key of `events` with the reason for its value; above it when a person must decide."""
    line = f"  {key}: {written or _text(chosen.value)}"
    why = _one_line(chosen.why)
    if chosen.sure and len(line) + len(why) < WIDTH:
        return f"{line:<35} # {why}"
    told = textwrap.wrap(why if chosen.sure else f"DECIDE: {why}", WIDTH)
    return "\n".join([*(f"  # {part}" for part in told), line])


def _commented(line: str, why: str) -> str:
    return f"{line:<44} # {_one_line(why)}" if why else line


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _text(value: str) -> str:
    """Return a text as YAML has it: plain where that is safe, else in JSON's quotes, which YAML knows too."""
    safe = value.replace("_", "").replace("-", "")
    plain = safe.isascii() and safe.isalnum() and not safe[0].isdigit() and value.lower() not in _WORDS
    return value if plain and value[0].isalpha() else json.dumps(value)


_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
