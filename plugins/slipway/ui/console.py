"""What the pages reach: contracts, the ledger, the warehouse's routes and the reports; nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from slipway.domain.contract import Migration
from slipway.ports import World


@dataclass(frozen=True, slots=True)
class Console:
    """Ways to what a page needs, each opened when it is first asked for.

    reports: folder below which every report lies.
    """

    migrations: Callable[[], Mapping[str, Migration]]
    world: Callable[[], World]
    reports: Callable[[], Path]


class OutOfReach:
    """Stands for the systems that pages have no business with."""

    def __init__(self, port: str) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(
            f"a page asked {self._port} for {name}; pages reach the ledger and the warehouse only"
        )


def console() -> Console:
    """Return the console of this installation; heavy adapters are never imported."""
    from slipway import bootstrap
    from slipway.connections import endpoint

    def migrations() -> Mapping[str, Migration]:
        return {found.name: found for found in bootstrap.readable_migrations()}

    def world() -> World:
        from slipway.adapters.clock import SystemClock
        from slipway.adapters.serving.postgres import PostgresServing

        server = bootstrap.libpq(endpoint("slipway_warehouse"))
        reached = {"clock": SystemClock(), "ledger": bootstrap.ledger(), "serving": PostgresServing(server)}
        return control_world(reached)

    def reports() -> Path:
        return Path(str(endpoint("slipway_lake").extra["evidence"])) / "reports"

    return Console(migrations, world, reports)


def control_world(reached: Mapping[str, Any]) -> World:
    """Return a world of the given ports in which all others are out of reach."""
    ports: dict[str, Any] = {port.name: OutOfReach(port.name) for port in fields(World)}
    return World(**{**ports, **reached})
