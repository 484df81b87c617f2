"""Replays dead letters in a process of its own, over a real Kafka and ledger, so that it can really die.

Reads {"ledger": server, "kafka": settings, "topic": raw topic} from standard input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from slipway.adapters.clock import SystemClock
from slipway.adapters.dead_letters import KafkaDeadLetters
from slipway.adapters.kafka import KafkaTopics
from slipway.app import dead_letters
from slipway.domain.avro import parse_schema
from slipway.domain.contract import Migration, compile_migration
from slipway.ledger.store import PostgresLedger
from slipway.ports import Actor, World
from tests import decoder_cases
from tests.fakes.control import Absent

BY = Actor("rita", authenticated=True, dag_run="manual__1")


def contract(topic: str) -> Migration:
    """The migration of the shared cases, on a topic of its own and mended: `gate` may be null."""
    schema = json.dumps(decoder_cases.table()["schema"])
    strict, lax = '"type": "string", "default": "none"', '"type": ["null", "string"], "default": null'
    assert strict in schema
    return compile_migration(decoder_cases.contract(topic=topic), parse_schema(schema.replace(strict, lax)))


def world(ledger: Mapping[str, str], kafka: Mapping[str, str]) -> World:
    """A world with a real ledger and a real Kafka."""
    reached: dict[str, Any] = {port.name: Absent() for port in fields(World)}
    reached |= {
        "clock": SystemClock(),
        "ledger": PostgresLedger(ledger),
        "topics": KafkaTopics(kafka),
        "dead_letters": KafkaDeadLetters(kafka),
    }
    return World(**reached)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    reached = world(given["ledger"], given["kafka"])
    print(dead_letters.replay(contract(given["topic"]), dead_letters.Wanted(), "mended", reached, BY))
