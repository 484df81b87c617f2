"""Waits, without holding a worker, until the lake holds every record below the cut's offsets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from slipway import bootstrap

POLL_SECONDS = 1.0


def still_missing(migration: str, target: Mapping[str, Any]) -> str:
    """Return what is not in the lake yet, in words; an empty text when nothing is missing."""
    from slipway.app import freeze

    found = freeze.missing(bootstrap.migration(migration), freeze.Target.from_json(target), bootstrap.world())
    return "" if found.nothing else str(found)


class CutTrigger(BaseTrigger):
    """Asks again and again; the lake's commits come with checkpoints and can't be listened to."""

    def __init__(self, migration: str, target: Mapping[str, Any], until: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.migration = migration
        self.target = target
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments; no secret is among them."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"migration": self.migration, "target": dict(self.target), "until": self.until}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: nothing is missing any more, or the time is up."""
        from slipway.errors import Retryable

        while True:
            try:
                missing = await asyncio.to_thread(still_missing, self.migration, self.target)
            except Retryable as error:
                missing = f"could not look: {error}"
            if not missing:
                yield TriggerEvent({"missing": ""})
                return
            if time.time() > self.until:
                yield TriggerEvent({"missing": missing})
                return
            await asyncio.sleep(POLL_SECONDS)


class CutSensor(BaseOperator):
    """Fixes the end offsets of the cut and waits for them.

    Returns the target as a mapping (offsets by partition, as_of). When the patience is over it goes on all
    the same: the reconciliation then finds the cut incomplete and says INCONCLUSIVE, which is not a pass.
    """

    template_fields: Sequence[str] = ("as_of",)

    def __init__(self, *, migration: str, as_of: Any, patience: timedelta, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.migration = migration
        self.as_of = as_of
        self.patience = patience

    def execute(self, context: Any) -> Any:
        """Aim, and defer when something is missing."""
        from slipway.app import freeze

        instant = datetime.fromisoformat(str(self.as_of))
        target = freeze.aim(bootstrap.migration(self.migration), instant, bootstrap.world()).to_json()
        missing = still_missing(self.migration, target)
        if not missing:
            return target
        self.log.info("waiting for the lake: %s", missing)
        self.defer(
            trigger=CutTrigger(self.migration, target, time.time() + self.patience.total_seconds()),
            method_name="resume",
            kwargs={"target": target},
        )

    def resume(self, context: Any, event: Mapping[str, Any], target: Mapping[str, Any]) -> Mapping[str, Any]:
        """Go on with the target; say what is missing when the patience was over."""
        if event["missing"]:
            self.log.warning("the patience is over; still missing: %s", event["missing"])
        return target
