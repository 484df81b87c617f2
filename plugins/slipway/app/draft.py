"""Onboarding: from a sample to the files of a new migration, which validate as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from slipway.domain.contract_types import IDENTIFIER, PATTERNS
from slipway.domain.draft import Draft
from slipway.domain.draft import draft as drafted_from
from slipway.domain.sample import Sample
from slipway.errors import Permanent
from slipway.ports import Drafts


@dataclass(frozen=True, slots=True)
class Drafted:
    """What was written, and what a person must decide before it means something."""

    files: Sequence[Path]
    draft: Draft


def draft(name: str, sample: Callable[[], Sample], today: date, drafts: Drafts) -> Drafted:
    """Take a sample and write contract, schema and dbt stubs; all of them or none.

    Permanent for a name that is taken or can't be one; told before the sample is taken, which may be slow.
    """
    if not re.fullmatch(IDENTIFIER, name):
        raise Permanent(
            f"{name!r} can't be a migration's name: {PATTERNS[IDENTIFIER]}; "
            "tables and topics are called after it"
        )
    drafts.refuse_taken(name)
    made = drafted_from(name, sample(), today)
    return Drafted(drafts.write(made), made)
