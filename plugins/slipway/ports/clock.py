"""What the use cases know of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The wall clock; validity of evidence and sign-offs is measured on it and on nothing else."""

    def now(self) -> datetime:
        """Return the present, aware, UTC."""
        ...

    def pause(self, span: timedelta) -> None:
        """Wait before something that can't call us is looked at again."""
        ...
