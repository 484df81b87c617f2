"""Named places where a test may end the process, so that every boundary of a protocol can be crashed."""

from __future__ import annotations

import os

EXIT_CODE = 70
"""What a process that died at a fault point exits with (EX_SOFTWARE)."""


class InjectedFault(BaseException):
    """A crash inside a test's own process; not an Exception, so that no clean-up mistakes it for an error."""


def fail_at(name: str) -> None:
    """Die here when SLIPWAY_FAIL_AT names this place; nothing otherwise.

    SLIPWAY_FAIL_MODE=raise raises InjectedFault in place of ending the process.
    """
    if os.environ.get("SLIPWAY_FAIL_AT") != name:
        return
    if os.environ.get("SLIPWAY_FAIL_MODE") == "raise":
        raise InjectedFault(f"fault injected at {name}")
    os._exit(EXIT_CODE)
