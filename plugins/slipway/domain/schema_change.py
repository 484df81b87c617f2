"""What a new Avro schema changes, field by field, and whether events of the old one can still be read.

The rules are those of Avro's schema resolution for the types that a contract can have, and stricter where
resolution would let a value change its meaning (the scale of a decimal, the unit of a timestamp).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_WIDENS = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs. before, after: how it is declared; `absent` where it is not.

    compatible: old events can be read. rows: the change can alter what a job writes.
    """

    field: str
    before: str
    after: str
    compatible: bool
    why: str
    rows: bool = True


def changes(before: str, after: str) -> tuple[FieldChange, ...]:
    """Compare two schemas as JSON text, in the order of the new one, removed fields last."""
    old, new = json.loads(before), json.loads(after)
    return tuple(_changes(old, new))


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[FieldChange]:
    if _full_name(old) != _full_name(new):
        yield FieldChange(
            "(record)",
            _full_name(old),
            _full_name(new),
            old.get("name") == new.get("name"),
            "events are resolved by the record's name, and routed to contracts by it",
        )
    had = {field["name"]: field for field in old["fields"]}
    has = {field["name"]: field for field in new["fields"]}
    for name, field in has.items():
        if name not in had:
            yield _renamed(name, field, had, has) or _added(name, field)
        elif (found := _changed(name, had[name], field)) is not None:
            yield found
    for name, field in had.items():
        if name not in has:
            why = "old events carry it and it is skipped; what is computed from it can't be computed any more"
            yield FieldChange(name, _told(field), "absent", True, why)


def _renamed(
    name: str, field: Mapping[str, Any], had: Mapping[str, Any], has: Mapping[str, Any]
) -> FieldChange | None:
    """Return the refusal of a field that is an older one by an alias; Avro would let it in."""
    before = next((alias for alias in field.get("aliases", ()) if alias in had and alias not in has), None)
    if before is None:
        return None
    why = (
        f"renamed from {before} by an alias: Avro reads old events so, but in JSON, in the lake and in batch "
        f"a field is found by its name alone; keep the name {before}, or add {name} beside it with a default"
    )
    return FieldChange(name, f"{before}: {_told(had[before])}", _told(field), False, why)


def _added(name: str, field: Mapping[str, Any]) -> FieldChange:
    if "default" in field:
        why = f"old events read as {json.dumps(field['default'])}"
        return FieldChange(name, "absent", _told(field), True, why)
    why = "old events do not have it and there is no default; add a default, or null and the default null"
    return FieldChange(name, "absent", _told(field), False, why)


def _changed(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> FieldChange | None:
    before, after = _told(old), _told(new)
    (old_type, old_null), (new_type, new_null) = _plain(old["type"]), _plain(new["type"])
    if old_null and not new_null:
        why = "old events may hold null, which the new schema can't read; keep null in the union"
        return FieldChange(name, before, after, False, why)
    if old_type != new_type:
        compatible, why = _type_change(old_type, new_type)
        if compatible and new_null and not old_null:
            why += "; null is let in, and old events have a value"
        return FieldChange(name, before, after, compatible, why)
    if old_null != new_null:
        return FieldChange(name, before, after, True, "null is let in; old events have a value")
    if old.get("default", ...) != new.get("default", ...):
        seen, wanted = (
            f"default {json.dumps(side['default'])}" if "default" in side else "no default"
            for side in (old, new)
        )
        why = "the default stands in only for events that lack the field"
        return FieldChange(name, seen, wanted, True, why)
    if bool(old.get("pii")) != bool(new.get("pii")):
        seen, wanted = (("pii" if side.get("pii") else "not pii") for side in (old, new))
        return FieldChange(name, seen, wanted, True, "it changes where values are masked, no number", False)
    if old.get("doc") != new.get("doc"):
        return FieldChange(
            name, str(old.get("doc")), str(new.get("doc")), True, "only the description changes", False
        )
    return None


def _type_change(old: Any, new: Any) -> tuple[bool, str]:
    was, now = _base(old), _base(new)
    if was == now == "enum":
        return _symbols(old, new)
    if was == now:
        return False, "the same bytes would mean something else (unit, precision or scale); add a new field"
    if (was, now) in _WIDENS and not _logical(old) and not _logical(new):
        return True, f"every {was} is {_a(now)}"
    return False, f"{_a(was)} that old events hold can't be read as {now}; add a new field with a default"


def _symbols(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[bool, str]:
    if old.get("name") != new.get("name"):
        return False, "enums are resolved by their name; keep it"
    gone = [symbol for symbol in old["symbols"] if symbol not in new["symbols"]]
    if gone:
        return False, f"old events may hold {', '.join(gone)}, which the new schema does not know; keep it"
    more = [symbol for symbol in new["symbols"] if symbol not in old["symbols"]]
    if more:
        return True, f"events with {', '.join(more)} are rejected today and are accepted then"
    if old["symbols"] != new["symbols"]:
        return True, "the order of symbols has no meaning"
    if old.get("default") != new.get("default"):
        return (
            True,
            "the enum's default stands in for symbols that a reader with an older schema does not know",
        )
    return True, "the same symbols; nothing else of an enum has a meaning"


def _plain(declared: Any) -> tuple[Any, bool]:
    """Return (the type beside null, whether null is allowed), in one form for `string` and its long form."""
    nullable = False
    if isinstance(declared, list):
        nullable = "null" in declared
        others = [option for option in declared if option != "null"]
        declared = others[0] if len(others) == 1 else others
    if isinstance(declared, Mapping):
        declared = {key: value for key, value in declared.items() if key not in ("doc", "namespace")}
        if set(declared) == {"type"}:
            declared = declared["type"]
    return declared, nullable


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _base(kind: Any) -> str:
    return str(kind.get("type")) if isinstance(kind, Mapping) else str(kind)


def _logical(kind: Any) -> str | None:
    return kind.get("logicalType") if isinstance(kind, Mapping) else None


def _told(field: Mapping[str, Any]) -> str:
    kind, nullable = _plain(field["type"])
    if isinstance(kind, Mapping):
        match kind.get("logicalType"), kind.get("type"):
            case "decimal", _:
                text = f"decimal({kind.get('precision')},{kind.get('scale', 0)})"
            case str(logical), _:
                text = logical
            case _, "enum":
                text = f"enum {', '.join(kind['symbols'])}"
            case _:
                text = json.dumps(kind)
    else:
        text = str(kind)
    return f"{text} or null" if nullable else text


def _full_name(schema: Mapping[str, Any]) -> str:
    namespace = schema.get("namespace")
    return f"{namespace}.{schema.get('name')}" if namespace else str(schema.get("name"))
