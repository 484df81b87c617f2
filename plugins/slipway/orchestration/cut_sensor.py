"""Waits, without holding a worker, until the lake holds every record below the cut's offsets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from slipway import bootstrap

if TYPE_CHECKING:  # brings the whole product, which the parsing of DAGs does without
    from slipway.app.watch import Watch

POLL_SECONDS = 1.0
TELL_SECONDS = 15.0


def watch(migration: str, target: Mapping[str, Any]) -> Watch:
    """Return what looks at the lake; it remembers what it has seen, so that looking again is cheap."""
    from slipway.app import freeze

    return freeze.watch(bootstrap.migration(migration), freeze.Target.from_json(target), bootstrap.world())


def still_missing(watching: Watch) -> str:
    """Return what is not in the lake yet, in words; an empty text when nothing is missing."""
    found = watching.look()
    return "" if found.nothing else str(found)


class CutTrigger(BaseTrigger):
    """Asks again and again; the lake's commits come with checkpoints and can't be listened to.

    until: the end of the patience in seconds since 1970, an instant and no span, so that a triggerer that
    takes over keeps it. What the looks have found is not stored: the next triggerer looks for itself.
    """

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
        """Yield one event: nothing is missing any more, the time is up, or the cut can't be taken."""
        from slipway.errors import Permanent, Retryable

        watching: Watch | None = None
        told, told_at = "", 0.0
        while True:
            try:
                if watching is None:
                    watching = await asyncio.to_thread(watch, self.migration, self.target)
                missing = await asyncio.to_thread(still_missing, watching)
            except Retryable as error:
                missing = f"could not look: {error}"
            except Permanent as error:
                yield TriggerEvent({"missing": "", "refused": str(error)})
                return
            now = time.time()
            if not missing or now > self.until:
                yield TriggerEvent({"missing": missing, "refused": ""})
                return
            if missing != told or now - told_at >= TELL_SECONDS:
                told, told_at = missing, now
                self.log.info("waiting for the lake, for %d s at most: %s", round(self.until - now), missing)
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
        missing = still_missing(watch(self.migration, target))
        if not missing:
            self.log.info("the lake holds everything below %s", target["offsets"])
            return target
        self.log.info("waiting for the lake: %s", missing)
        self.defer(
            trigger=CutTrigger(self.migration, target, time.time() + self.patience.total_seconds()),
            method_name="resume",
            kwargs={"target": target},
        )

    def resume(self, context: Any, event: Mapping[str, Any], target: Mapping[str, Any]) -> Mapping[str, Any]:
        """Go on with the target; say what is missing when the patience was over."""
        from slipway.errors import Permanent

        if event.get("refused"):
            raise Permanent(event["refused"])
        if event["missing"]:
            self.log.warning(
                "the patience of %s is over, and the night will be INCONCLUSIVE unless it comes now; still"
                " missing: %s",
                self.patience,
                event["missing"],
            )
        else:
            self.log.info("the lake holds everything below %s", target["offsets"])
        return target
