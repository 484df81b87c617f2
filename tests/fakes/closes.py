"""The part of the ledger in memory that keeps closed periods and restatements."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from slipway.domain.evidence import Digest, canonical
from slipway.domain.restatements import PeriodClose, Restatement
from slipway.errors import Permanent
from slipway.ports import Reconciliation, SignOff


class FakeCloses:
    """Mixed into FakeLedger, which keeps the sign-offs."""

    now: Callable[[], datetime]
    sign: Callable[[SignOff], SignOff]

    def __init__(self) -> None:
        self._closes: list[PeriodClose] = []
        self._restatements: list[tuple[str, Restatement]] = []

    def sign_close(self, sign_off: SignOff, close: PeriodClose | None) -> SignOff:
        kept = self.sign(sign_off)
        if close is not None:
            before = [row.id for row in self.closes(close.migration) if row.period == close.period]
            self._closes.append(
                replace(
                    close,
                    id=len(self._closes) + 1,
                    at=self.now(),
                    last_word=kept.id,
                    supersedes=before[-1] if before else None,
                )
            )
        return kept

    def closes(self, migration: str) -> Sequence[PeriodClose]:
        return [row for row in self._closes if row.migration == migration]

    def restatements(self, migration: str) -> Sequence[Restatement]:
        return [row for name, row in self._restatements if name == migration]

    def _restate(self, found: Reconciliation, restatements: Sequence[Restatement]) -> None:
        digests = {close.id: close.digest for close in self._closes}
        for one in restatements:
            if one.close not in digests:
                raise Permanent(f"the ledger has no close {one.close}")
            kept = replace(
                one,
                id=len(self._restatements) + 1,
                closed_digest=digests[one.close],
                cell=json.loads(canonical(one.cell)),
                digest=Digest(found.digest),
                at=self.now(),
            )
            self._restatements.append((found.migration, kept))
