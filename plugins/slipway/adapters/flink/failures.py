"""Reads Flink's stack traces: what a person has to know of them, and whether it may pass by itself."""

from __future__ import annotations

import re

from slipway.errors import Permanent, Retryable, SlipwayError

_CAUSE = re.compile(r"^\s*Caused by: (.*)$", re.MULTILINE)
_PASSING = (
    "Connection refused",
    "ConnectException",
    "Connection to .* refused",
    "SocketTimeoutException",
    "the database system is",
    "terminating connection",
    "TimeoutException",
    "No leader",
    "leader election",
    "An I/O error occurred while sending to the backend",
    "This connection has been closed",
    "The connection attempt failed",
    r"Jar file \S+ does not exist",  # the JobManager restarted and lost its uploads
    "LeaderRetrieval",
    "RecipientUnreachable",
)


def causes(trace: str) -> list[str]:
    """Return the messages of a stack trace from the outside in, without class paths and repetitions."""
    found = [_short(cause) for cause in _CAUSE.findall(trace)] or [_short(_first_line(trace))]
    return list(dict.fromkeys(cause for cause in found if cause))


def root_cause(trace: str) -> str:
    """Return the innermost message of a stack trace, on one line."""
    return causes(trace)[-1]


def planning_failure(job: str, trace: str) -> SlipwayError:
    """Return the error for a submission that Flink turned down."""
    told = "; ".join(causes(trace)[-2:])
    if any(re.search(sign, trace) for sign in _PASSING):
        return Retryable(f"Flink could not submit {job}, for a system did not answer: {told}")
    return Permanent(f"Flink can't plan {job}: {told}. See the script with: slipway render")


def _first_line(trace: str) -> str:
    lines = [line.strip() for line in trace.splitlines()]
    # REST wraps the trace in its own words.
    told = [
        line
        for line in lines
        if line and not line.startswith(("at ", "...", "<Exception", "Internal server"))
    ]
    return told[0] if told else trace.strip()[:200]


def _short(cause: str) -> str:
    return re.sub(r"\b(?:[a-z_][\w$]*\.)+([A-Z][\w$]*(?:Exception|Error))\b", r"\1", cause).strip()[:500]
