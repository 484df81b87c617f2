"""A world's passwords and keys: random, made once, in one file that only its owner reads."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from local.paths import write_private

AIRFLOW_USERS = {
    "admin": "admin",
    "ana": "user",
    "carla": "user",
    "omar": "user",
    "rita": "user",
    "vic": "viewer",
}

_PASSWORDS = (
    "slipway",
    "airflow",
    "slipway_ledger",
    "slipway_warehouse",
    "slipway_lake",
    "registry",
    "reader",
    "flink_writer",
)


def load(file: Path) -> Mapping[str, str]:
    """The world's secrets by name; missing ones are made and kept."""
    kept: dict[str, str] = {}
    if file.exists():
        kept = json.loads(file.read_text(encoding="utf-8"))
    made = {name: secrets.token_urlsafe(18) for name in _PASSWORDS if name not in kept}
    made |= {f"user:{name}": secrets.token_urlsafe(9) for name in AIRFLOW_USERS if f"user:{name}" not in kept}
    makers = {
        "fernet_key": lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),
        # Airflow wants at least 64 bytes, the same for all of its processes.
        "jwt_secret": lambda: secrets.token_urlsafe(72),
        "api_secret_key": lambda: secrets.token_urlsafe(48),
        "kafka_cluster_id": _kafka_uuid,
    }
    made |= {name: make() for name, make in makers.items() if name not in kept}
    if made:
        kept |= made
        write_private(file, json.dumps(kept, indent=2, sort_keys=True) + "\n")
    return kept


def _kafka_uuid() -> str:
    """A Kafka UUID that no command line takes for an option: its first character is never '-'."""
    drawn = bytearray(os.urandom(16))
    drawn[0] &= 0x7F
    return base64.urlsafe_b64encode(drawn).decode().rstrip("=")
