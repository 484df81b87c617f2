"""The one tree of errors: what may be tried again, and what a person must mend first."""

import re


class SlipwayError(Exception):
    """Base of every error that Slipway raises on purpose."""


class Retryable(SlipwayError):
    """The same call may succeed later: a connection was lost, a lock was taken, a system is starting."""


class LockHeld(Retryable):
    """Somebody else works on the migration just now; the message says who."""


class Permanent(SlipwayError):
    """Trying again changes nothing: the message says what was seen, what was expected and what mends it."""


def why(error: Exception) -> str:
    """Return an error in words: of the operating system without number and path, of others the first line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    first = str(error).strip().partition("\n")[0].rstrip("\r:;. ")
    return re.sub(r"\[Errno -?\d+\] ", "", first)
