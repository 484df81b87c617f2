"""The types that a contract's keys have: durations, shares, zones, names; strict, and told in plain words."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_NAME = 41
IDENTIFIER = rf"^[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}$"
LONGEST_TOPIC = 249
TOPIC = r"^[a-z0-9]+-[a-z0-9][a-z0-9-]*$"
RELATION = r"^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$"

PATTERNS = {
    IDENTIFIER: "a name begins with a small letter and goes on with small letters, digits and _,"
    f" {LONGEST_NAME} characters at most",
    TOPIC: "a topic is <layer>-<data type> in small letters, digits and -, such as raw-flight-status",
    RELATION: "a relation is <schema>.<table> in small letters, digits and _, such as ops.planes",
}
"""What each pattern asks for, in words."""


def _duration(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,6})\s*([smhd])", value.strip())):
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    raise ValueError(f"{value!r} is not a duration; write a number and s, m, h or d, such as 24h")


def _share(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip())):
        return Decimal(found[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    raise ValueError(f"{value!r} is not a share; write a number such as 0.001, or a percentage such as 0.1 %")


def _zone(value: object) -> object:
    try:
        return ZoneInfo(str(value))
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{value!r} is not a time zone of the IANA database; write one such as America/New_York or UTC"
        ) from error


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,6}\s*[smhd]$", "examples": ["24h", "5m"]}),
]
Share = Annotated[
    Decimal,
    BeforeValidator(_share),
    Field(ge=0),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"}]}
    ),
]
Zone = Annotated[
    ZoneInfo,
    BeforeValidator(_zone),
    WithJsonSchema({"type": "string", "examples": ["America/New_York", "UTC"]}),
]
Name = Annotated[str, Field(pattern=IDENTIFIER)]


class Model(BaseModel):
    """One mapping of the file: unknown keys are refused, values are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)
