"""The ledger on Postgres: implements ports.Ledger."""

from __future__ import annotations

from slipway.ledger.agreements import Agreements
from slipway.ledger.closes import Closes
from slipway.ledger.records import Records
from slipway.ledger.standings import Standings
from slipway.ledger.testimony import Testimony
from slipway.ledger.upgrade import upgrade


class PostgresLedger(Standings, Testimony, Agreements, Closes, Records):
    """All of the control plane's memory, in one database of its own."""

    def upgrade(self) -> None:
        """Create or migrate the ledger's schema."""
        with self._reached():
            upgrade(self._engine)
