"""The one tree of errors: what may be tried again, and what a person must mend first."""


class SlipwayError(Exception):
    """Base of every error that Slipway raises on purpose."""


class Retryable(SlipwayError):
    """The same call may succeed later: a connection was lost, a lock was taken, a system is starting."""


class LockHeld(Retryable):
    """Somebody else works on the migration just now; the message says who."""


class Permanent(SlipwayError):
    """Trying again changes nothing: the message says what was seen, what was expected and what mends it."""


def why(error: Exception) -> str:
    """Return an error of the operating system in its words, without number and path; any other as it is."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
