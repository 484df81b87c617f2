"""The files of a new migration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # brings sqlglot, which the parsing of DAGs does without
    from slipway.domain.draft import Draft


class Drafts(Protocol):
    """Where the files of a new migration are put."""

    def refuse_taken(self, name: str) -> None:
        """Refuse, Permanent, a name that has files already."""

    def write(self, draft: Draft) -> Sequence[Path]:
        """Write all files of a draft and return them, the contract first; on any failure there is none."""
