"""The fake ledger behaves as the real one."""

from __future__ import annotations

import pytest

from tests.contract.closes_behaviour import ClosesBehaviour
from tests.contract.ledger_behaviour import LedgerBehaviour
from tests.fakes.ledger import FakeLedger


class TestFakeLedger(LedgerBehaviour, ClosesBehaviour):
    @pytest.fixture
    def ledger(self) -> FakeLedger:
        return FakeLedger()
