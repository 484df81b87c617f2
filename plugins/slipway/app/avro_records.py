"""Records in Avro read as the stream's decoder reads them, for whoever must know its answer beforehand.

As there, Avro resolves types and names, and the logical types of the writer say what the numbers mean.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from slipway.domain.contract import Migration
from slipway.domain.event_values import WORDS, Refused, Rule
from slipway.domain.validity import Accepted, Validity
from slipway.errors import why
from slipway.ports import Schemas

_FRAME = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Schema = dict[str, Any]


class AvroRecords:
    """Judges records in Confluent's frame by one contract. schemas: the registry that knows their writers."""

    def __init__(self, migration: Migration, validity: Validity, schemas: Schemas) -> None:
        self._contract: Schema = json.loads(migration.schema.text)
        self._validity = validity
        self._schemas = schemas
        self._writers: dict[int, Schema] = {}

    def check(self, value: bytes | None, arrived_at: int) -> Accepted:
        """Return what the decoder reads from a value; Refused when it refuses it.

        arrived_at: the record's timestamp, epoch milliseconds.
        """
        number, body = _framed(value)
        writer = self._writer(number)
        record = self._read(number, writer, body)
        types = {field["name"]: _written(writer, field) for field in self._contract["fields"]}
        accepted = self._validity.check(self._values(record, types), arrived_at)
        for name in (self._validity.id, self._validity.time):
            if accepted.values.get(name) is None:
                raise Refused(f"missing field {name}")
        return accepted

    def _writer(self, number: int) -> Schema:
        if number not in self._writers:
            text = self._schemas.text(number)
            if text is None:
                raise Refused(f"unknown schema id {number}")
            found = json.loads(text)
            if not isinstance(found, dict) or found.get("type") != "record":
                raise Refused(f"schema id {number} is no record")
            self._writers[number] = found
        return self._writers[number]

    def _read(self, number: int, writer: Schema, body: bytes) -> Mapping[str, Any]:
        import fastavro

        same_name = {**writer, **_name_of(self._contract)}  # the decoder does not ask what a record is called
        left = io.BytesIO(body)
        try:
            written, wanted = (fastavro.parse_schema(_bare(one)) for one in (same_name, self._contract))
            found = fastavro.schemaless_reader(left, written, wanted)
        except EOFError as error:
            raise Refused(f"the value ends within a record of schema id {number}") from error
        # Arbitrary bytes, or another schema: whatever Avro stumbles over, the record is at fault.
        except Exception as error:
            raise Refused(
                f"not a record of schema id {number} that the contract reads: {why(error)}"
            ) from error
        if left.read(1):
            raise Refused("bytes after the avro record")
        if not isinstance(found, dict):
            raise Refused(f"schema id {number} is no record")
        return found

    def _values(
        self, record: Mapping[str, Any], types: Mapping[str, Schema | None]
    ) -> Iterator[tuple[str, Any]]:
        for rule in self._validity.rules.values():
            if rule.name in record:
                value = record[rule.name]
                convert = None if value is None else _CONVERT.get(rule.kind)
                yield rule.name, value if convert is None else convert(rule, value, types[rule.name])


def _framed(value: bytes | None) -> tuple[int, bytes]:
    if value is None:
        raise Refused("null value")
    if not value:
        raise Refused("empty value")
    if value[0] != 0:
        raise Refused(
            f"no schema id: the first byte is 0x{value[0]:02x}, not 0x00; publish the event again with the"
            " producer"
        )
    if len(value) < _FRAME:
        raise Refused(f"no schema id: the value ends after {len(value)} bytes")
    return int.from_bytes(value[1:_FRAME]), value[_FRAME:]


def _name_of(schema: Schema) -> Schema:
    return {"name": schema["name"], "namespace": schema.get("namespace", "")}


def _bare(schema: Any) -> Any:
    """Return a schema without logical types, so that Avro yields numbers and bytes as they were written."""
    if isinstance(schema, dict):
        return {name: _bare(part) for name, part in schema.items() if name != "logicalType"}
    return [_bare(part) for part in schema] if isinstance(schema, list) else schema


def _written(writer: Schema, wanted: Schema) -> Schema | None:
    """Return the type of the writer's field that becomes this one; None when it has none."""
    fields = {field["name"]: field["type"] for field in writer["fields"]}
    for name in (wanted["name"], *wanted.get("aliases", ())):
        if name in fields:
            found = fields[name]
            branches = found if isinstance(found, list) else [found]
            plain = next((branch for branch in branches if branch != "null"), "null")
            return plain if isinstance(plain, dict) else {"type": plain}
    return None


def _told(kind: Schema) -> str:
    return str(kind.get("logicalType") or kind["type"])


def _decimal(rule: Rule, value: Any, written: Schema | None) -> Decimal:
    if written is not None and written["type"] != "bytes":
        raise Refused(f"{rule.name}: {_told(written)} is not {WORDS[rule.kind]}")
    raw = value.encode("iso-8859-1") if isinstance(value, str) else value  # a default is text in the schema
    scale = rule.scale
    if written is not None and written.get("logicalType") == "decimal":
        scale = int(written.get("scale", 0))
    if not raw or len(raw) > 1000:
        raise Refused(f"{rule.name}: {len(raw)} bytes are not {WORDS[rule.kind]}")
    number = int.from_bytes(raw, signed=True)
    if abs(number) >= 10**100:  # far above what any decimal holds, and before it is written out
        raise Refused(f"{rule.name}: its value does not fit into decimal({rule.digits},{rule.scale})")
    return Decimal(f"{number}E-{scale}")


def _instant(rule: Rule, value: Any, written: Schema | None) -> Any:
    """Return an instant in the contract's unit; finer ones are cut."""
    logical = None if written is None else written.get("logicalType")
    if logical is None:
        return value
    per_second = {"timestamp-millis": 10**3, "timestamp-micros": 10**6, "timestamp-nanos": 10**9}.get(logical)
    if per_second is None or isinstance(value, bool) or not isinstance(value, int):
        raise Refused(f"{rule.name}: {logical} is not an instant")
    return value * (10**6 if rule.micros else 10**3) // per_second


def _date(rule: Rule, value: Any, written: Schema | None) -> Any:
    try:
        return (_EPOCH + timedelta(days=value)).date()
    except OverflowError as error:
        raise Refused(f"{rule.name}: {value!r} is outside the years 1 to 9999") from error


_CONVERT: Mapping[str, Callable[[Rule, Any, Schema | None], Any]] = {
    "decimal": _decimal,
    "timestamp": _instant,
    "date": _date,
}
