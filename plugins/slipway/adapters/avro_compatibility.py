"""Whether events written with one Avro schema can be read with another, by Apache's own library."""

from __future__ import annotations

import avro.errors
import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from slipway.errors import Permanent


def refusals(reader: str, writer: str) -> tuple[str, ...]:
    """Return why the reader can't read what the writer wrote, with the place; empty when it can.

    Permanent when one of the texts is no Avro schema.
    """
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    found = checker.get_compatibility(_parsed(reader), _parsed(writer))
    if found.compatibility is SchemaCompatibilityType.compatible:
        return ()
    places = ", ".join(sorted(found.locations)) or "/"
    return tuple(f"{message} (at {places})" for message in sorted(found.messages)) or (places,)


def _parsed(text: str) -> avro.schema.Schema:
    try:
        return avro.schema.parse(text)
    except avro.errors.AvroException as error:
        raise Permanent(f"this is no Avro schema: {error}") from error
