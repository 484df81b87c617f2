"""The wall clock of this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """slipway.ports.Clock on the operating system."""

    def now(self) -> datetime:
        """Return the present, UTC."""
        return datetime.now(UTC)

    def pause(self, span: timedelta) -> None:
        """Wait between two looks at a system that offers nothing to wait on."""
        time.sleep(span.total_seconds())
