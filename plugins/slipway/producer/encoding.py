"""An event as key and value of a Kafka record.

Nearly all events are right and plain, so there are two ways. The quick one lets msgspec check and encode the
event against types made from the schema; whatever it does not take for certain goes the careful one, through
the decoder's rules, which decides and has the words. The quick way takes nothing that the careful one would
refuse (a property test holds it to that).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from slipway.domain.contract import Migration
from slipway.domain.event_values import DOUBLES_BELOW, Instant, Refused, Rule
from slipway.domain.record_key import is_plain, key_bytes
from slipway.domain.validity import Accepted, Validity
from slipway.domain.wire import check_json
from slipway.producer.dead_values import dead_value

Encoded = tuple[bytes | str, bytes]
"""Key and value of a record."""
OnUnknown = Callable[[Iterable[str]], None]
"""Told the fields of an accepted event that its schema does not have."""

_convert = msgspec.convert
_JSON = msgspec.json.Encoder(decimal_format="number")
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ESCAPE, _NUL = ord("\\"), b"\\u0000"


class NotPlain(Exception):
    """The quick way does not take the event; the careful one decides."""


class Encoding:
    """What one contract makes of an event. schema_id: in the registry; needed for `format: avro`."""

    def __init__(self, migration: Migration, schema_id: int | None, on_unknown: OnUnknown) -> None:
        events = migration.contract.events
        self.validity = Validity(migration)
        self._on_unknown = on_unknown
        self._rules = tuple(self.validity.rules.values())
        self._struct = _struct(self._rules, events.id)
        self._ahead = events.ahead_at_most
        self._key, self._plain_key = events.key, is_plain(migration)
        self._value = _json if events.format == "json" else _avro(migration, schema_id)
        self._write_struct = _JSON.encode if events.format == "json" else self._struct_to_avro
        names = [rule.name for rule in self._rules]
        self._key_of = attrgetter(f"f{names.index(events.key[0])}")
        self._time, self._time_of = events.time, attrgetter(f"f{names.index(events.time)}")
        self._decimals = tuple(
            (rule.name, 10 ** (rule.digits - rule.scale), -rule.scale)
            for rule in self._rules
            if rule.kind == "decimal"
        )
        self._instants = tuple(
            (rule.name, f"f{at}")
            for at, rule in enumerate(self._rules)
            if rule.kind == "timestamp" and rule.name != events.time
        )
        self._others = bool(self._instants or self._decimals)

    def encode(self, event: Mapping[str, Any], arrived_at: int, latest: datetime) -> Encoded:
        """Return key and value; Refused with the reason when the event is none.

        arrived_at: epoch milliseconds; latest: the same instant plus the contract's ahead_at_most.
        """
        try:
            return self._quickly(event, latest)
        except (msgspec.ValidationError, NotPlain, ArithmeticError, TypeError, ValueError):
            encoded, accepted = self.carefully(event, arrived_at)
            if accepted.unknown:
                self._on_unknown(accepted.unknown)
            return encoded

    def latest(self, arrived_at: int) -> datetime:
        """Return the last event time that may arrive at an instant (epoch milliseconds)."""
        return _EPOCH + timedelta(milliseconds=arrived_at) + self._ahead

    def carefully(self, event: Mapping[str, Any], arrived_at: int) -> tuple[Encoded, Accepted]:
        """Return key, value and what the rules made of the event; Refused with the reason."""
        if not isinstance(event, Mapping):
            raise Refused("not an object: an event is a mapping of fields to values")
        accepted = self.validity.check(event.items(), arrived_at)
        typed = {name: _typed(value) for name, value in accepted.values.items()}
        key = key_bytes(self._key, typed, plain=self._plain_key)
        if key is None:
            raise Refused(_keyless(self._key[0]))
        value = self._value(event, typed)
        if accepted.unknown and self._write_struct == _JSON.encode:
            self._check_unknown(value, accepted.unknown, arrived_at)
        return (key, value), accepted

    def _check_unknown(self, value: bytes, unknown: Sequence[str], arrived_at: int) -> None:
        """Refuse what fields that no rule knows would do to the whole, such as an infinite Decimal."""
        try:
            check_json(self.validity, value, arrived_at)
        except Refused as refused:
            raise Refused(
                f"{', '.join(unknown)}: unknown to the schema, and it makes: {refused}"
            ) from refused

    def _quickly(self, event: Mapping[str, Any], latest: datetime) -> Encoded:
        found = _convert(event, self._struct)
        instant, given = self._time_of(found), event[self._time]
        if not _EARLIEST <= instant <= latest:
            raise NotPlain
        if given is instant:
            if instant.tzinfo is not UTC:
                raise NotPlain
        elif len(given) != 20 or given[19] != "Z" or given[10] != "T":
            raise NotPlain
        if self._others:
            self._check_others(event, found)
        value: bytes = self._write_struct(found)
        if _ESCAPE in value and _NUL in value:  # a byte is found five times faster than a text
            raise NotPlain
        if not self._plain_key:
            return self._composite_key(found), value
        key = self._key_of(found)
        if key is None or key is UNSET:
            raise NotPlain
        return key, value

    def _check_others(self, event: Mapping[str, Any], found: Any) -> None:
        """Leave instants and decimals to the rules unless they are of the plainest kind."""
        for name, attribute in self._instants:
            instant = getattr(found, attribute)
            if instant is None or instant is UNSET:
                continue
            if not _EARLIEST <= instant <= _LATEST or not _same_in_text(event[name], instant):
                raise NotPlain
        for name, limit, exponent in self._decimals:
            number = event.get(name)
            if number is None:
                continue
            if type(number) is not Decimal or not -limit < number < limit:
                raise NotPlain
            if number.as_tuple().exponent < exponent:  # type: ignore[operator]
                raise NotPlain

    def _composite_key(self, found: Any) -> bytes:
        typed = {rule.name: getattr(found, f"f{at}") for at, rule in enumerate(self._rules)}
        given = {name: value for name, value in typed.items() if value is not UNSET}
        return key_bytes(self._key, given, plain=False) or b""

    def _struct_to_avro(self, found: Any) -> bytes:
        if _NUL in _JSON.encode(found):
            raise NotPlain
        typed = {
            rule.name: value
            for at, rule in enumerate(self._rules)
            if (value := getattr(found, f"f{at}")) is not UNSET
        }
        return self._value({}, typed)

    def dead_value(self, event: Any) -> bytes:
        """Return an invalid event's bytes for the dead letters: JSON that can't be read as another event."""
        return dead_value(event, self.validity.rules)

    def dead_key(self, event: Any) -> bytes | None:
        """Return an invalid event's key when it has one as text."""
        if not self._plain_key or not isinstance(event, Mapping):
            return None
        text = event.get(self._key[0])
        return text.encode("utf-8", "replace") if isinstance(text, str) else None


def _same_in_text(given: Any, instant: datetime) -> bool:
    """Say whether an instant is in UTC and was given as such: an object, or a text of whole seconds."""
    if given is instant:
        return instant.tzinfo is UTC
    return len(given) == 20 and given[19] == "Z" and given[10] == "T"


def _keyless(name: str) -> str:
    return f"{name}: null can't be a record's key, for records without a key have no order"


def _typed(value: Any) -> Any:
    return value.as_datetime() if isinstance(value, Instant) else value


def _json(event: Mapping[str, Any], typed: Mapping[str, Any]) -> bytes:
    """Encode an event as it was given; only what has no form in JSON is written in the way of the rules."""
    plain = {
        name: typed[name] if isinstance(value, datetime) and name in typed else value
        for name, value in event.items()
    }
    try:
        return _JSON.encode(plain)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Refused(f"the event has no form in JSON: {error}") from error


def _avro(migration: Migration, schema_id: int | None) -> Callable[..., bytes]:
    import fastavro

    if schema_id is None:
        raise ValueError("an Avro record is framed with its schema's id")
    schema = fastavro.parse_schema(json.loads(migration.schema.text))
    frame = b"\0" + schema_id.to_bytes(4, "big")
    scales = {
        rule.name: Decimal(1).scaleb(-rule.scale)
        for rule in Validity(migration).rules.values()
        if rule.kind == "decimal"
    }

    def encode(event: Mapping[str, Any], typed: Mapping[str, Any]) -> bytes:
        out = io.BytesIO()
        out.write(frame)
        exact = (
            {
                name: value.quantize(scales[name]) if name in scales and value is not None else value
                for name, value in typed.items()
            }
            if scales
            else typed
        )
        fastavro.schemaless_writer(out, schema, exact)
        return out.getvalue()

    return encode


def _struct(rules: tuple[Rule, ...], id_field: str) -> type[msgspec.Struct]:
    """Return the types of the quick way: every value it takes is one that the rules take."""
    fields = []
    for at, rule in enumerate(rules):
        kind: Any = _kind(rule, rule.name == id_field)
        if rule.nullable:
            kind = kind | None
        if rule.nullable or rule.defaulted:
            declared = msgspec.field(default=UNSET, name=rule.name)
            fields.append((f"f{at}", kind | UnsetType, declared))
        else:
            fields.append((f"f{at}", kind, msgspec.field(name=rule.name)))
    return msgspec.defstruct(
        "PlainEvent", fields, forbid_unknown_fields=True, frozen=True, gc=False, kw_only=True
    )


def _kind(rule: Rule, is_id: bool) -> Any:
    match rule.kind:
        case "string" if rule.symbols:
            return Literal[rule.symbols]
        case "string":
            # Longer texts of keys are left to the rules: a character has six bytes there at most.
            most = rule.longest // 6 if rule.longest else None
            return Annotated[str, Meta(min_length=int(is_id), max_length=most)]
        case "int":
            return Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
        case "long":
            return Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
        case "double":
            return Annotated[float, Meta(gt=-DOUBLES_BELOW, lt=DOUBLES_BELOW)]
        case "boolean":
            return bool
        case "timestamp":
            return Annotated[datetime, Meta(tz=True)]
        case "date":
            return date
        case _:
            return Decimal
