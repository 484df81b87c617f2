"""librdkafka's settings: two profiles, and what no application may loosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from slipway.errors import Permanent

Profile = Literal["durable", "throughput"]

ALWAYS: Mapping[str, str] = {
    "enable.idempotence": "true",
    "acks": "all",
    "partitioner": "murmur2_random",
}
"""Each record once and in order, and in the partition that every other client of Kafka would choose."""

PROFILES: Mapping[Profile, Mapping[str, str]] = {
    "durable": {"linger.ms": "5", "delivery.timeout.ms": "120000"},
    "throughput": {
        "linger.ms": "20",
        "batch.size": "1000000",
        "compression.type": "lz4",
        "queue.buffering.max.messages": "500000",
        "queue.buffering.max.kbytes": "524288",
        "delivery.timeout.ms": "120000",
    },
}
"""durable: an event leaves at once. throughput: fuller and compressed requests, some milliseconds later."""

_ALIASES = {"request.required.acks": "acks", "message.timeout.ms": "delivery.timeout.ms"}


def settings(profile: Profile, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the client's configuration; Permanent when the profile is unknown or a guarantee is loosened."""
    if profile not in PROFILES:
        raise Permanent(f"there is no profile {profile!r}; known are {', '.join(PROFILES)}")
    named = {_ALIASES.get(name, name): str(value) for name, value in given.items()}
    if not named.get("bootstrap.servers"):
        raise Permanent("the configuration has no bootstrap.servers; name the cluster's brokers")
    for name, wanted in ALWAYS.items():
        seen = named.get(name, wanted).lower()
        if seen != wanted and not (name == "acks" and seen == "-1"):
            raise Permanent(f"{name} is {named[name]!r}, but a contract needs {wanted}; leave it out")
    return {**PROFILES[profile], **named, **ALWAYS}


def patience(configuration: Mapping[str, str]) -> float:
    """Return the seconds after which Kafka itself gives up a record; Permanent when it never does."""
    given = configuration["delivery.timeout.ms"]
    if not given.isdecimal() or int(given) == 0:
        raise Permanent(
            f"delivery.timeout.ms is {given!r}; expected whole milliseconds, 1 or more (0 waits for ever)"
        )
    return int(given) / 1000
