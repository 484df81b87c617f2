"""Onboarding: from a sample to the files of a new migration, which validate as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from slipway.domain.draft import Draft, Sample
from slipway.domain.draft import draft as drafted_from
from slipway.errors import Permanent
from slipway.ports import Drafts

_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")


@dataclass(frozen=True, slots=True)
class Drafted:
    """What was written, and what a person must decide before it means something."""

    files: Sequence[Path]
    draft: Draft


def draft(name: str, sample: Callable[[], Sample], today: date, drafts: Drafts) -> Drafted:
    """Take a sample and write contract, schema and dbt stubs; all of them or none.

    Permanent for a name that is taken or can't be one; told before the sample is taken, which may be slow.
    """
    if not _NAME.fullmatch(name):
        raise Permanent(
            f"{name!r} can't be a migration's name; it begins with a small letter and goes on with small "
            "letters, digits and _, 30 characters at most, for tables and topics are called after it"
        )
    drafts.refuse_taken(name)
    made = drafted_from(name, sample(), today)
    return Drafted(drafts.write(made), made)
