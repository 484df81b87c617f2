"""Waits for people: a deferrable sensor that the ledger wakes the moment somebody signs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from airflow.sdk import BaseSensorOperator, Connection
from airflow.triggers.base import BaseTrigger, TriggerEvent

CHANNEL = "slipway_sign_off"
CHANGED, TIMED_OUT = "changed", "timed_out"
LEDGER = "slipway_ledger"

_NEWEST = """
SELECT (SELECT coalesce(max(id), 0) FROM slipway.sign_offs WHERE migration = $1),
       (SELECT coalesce(max(id), 0) FROM slipway.reconciliations WHERE migration = $1)
"""


class SignOffTrigger(BaseTrigger):
    """Fires when a sign-off or a reconciliation is written that the sensor has not seen, or at the deadline.

    seen: newest ids (sign-off, reconciliation) that the sensor has judged; until: ISO instant with a zone.
    LISTEN wakes it at once; a look every `poll_seconds` covers a lost notification or connection. What the
    change means is judged by the sensor: the trigger holds no rule and, as it is stored, no secret.
    """

    def __init__(
        self,
        migration: str,
        seen: tuple[int, int],
        until: str,
        conn_id: str = LEDGER,
        poll_seconds: float = 10.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.migration = migration
        self.seen = (int(seen[0]), int(seen[1]))
        self.until = until
        self.conn_id = conn_id
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and what the triggerer builds it from."""
        return (
            "slipway.orchestration.signoff_trigger.SignOffTrigger",
            {
                "migration": self.migration,
                "seen": list(self.seen),
                "until": self.until,
                "conn_id": self.conn_id,
                "poll_seconds": self.poll_seconds,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event."""
        until = datetime.fromisoformat(self.until)
        status = TIMED_OUT
        while (left := (until - datetime.now(UTC)).total_seconds()) > 0:
            import asyncpg

            try:
                if await self._changed_within(left):
                    status = CHANGED
                    break
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.log.warning("the ledger can't be reached (%s); trying again", error)
                await asyncio.sleep(min(self.poll_seconds, left))
        yield TriggerEvent({"status": status})

    async def _changed_within(self, seconds: float) -> bool:
        """Wait on one connection until something changed or the time is up."""
        import asyncpg

        found = await Connection.async_get(self.conn_id)
        connection = await asyncpg.connect(
            host=found.host,
            port=found.port,
            user=found.login,
            password=found.password,
            database=found.schema,
            timeout=10,
        )
        wake = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _connection: wake.set())
            await connection.add_listener(CHANNEL, lambda *_: wake.set())
            loop = asyncio.get_running_loop()
            end = loop.time() + seconds
            while True:
                wake.clear()
                if tuple(await connection.fetchrow(_NEWEST, self.migration)) != self.seen:
                    return True
                left = end - loop.time()
                if left <= 0:
                    return False
                try:
                    await asyncio.wait_for(wake.wait(), min(self.poll_seconds, left))
                except TimeoutError:
                    continue
        finally:
            await connection.close(timeout=5)


class SignOffSensor(BaseSensorOperator):
    """Waits, without a worker, until every role of the contract has signed the newest evidence.

    A rejection and a time-out leave the migration HELD, and evidence that no longer carries the cutover ends
    the run: none of them ever goes forward. The task that switches asks all of it again itself, for a sensor
    can be marked success by hand.
    """

    def __init__(self, *, migration: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.migration = migration

    def execute(self, context: Any) -> None:
        """Judge once, then wait for the next change."""
        until = datetime.now(UTC) + timedelta(seconds=float(self.timeout))
        self._judge(context, until)

    def resume(self, context: Any, event: Mapping[str, Any], until: str) -> None:
        """Judge what the trigger saw."""
        if event["status"] == TIMED_OUT:
            self._time_out(context)
        self._judge(context, datetime.fromisoformat(until))

    def _judge(self, context: Any, until: datetime) -> None:
        from slipway import bootstrap
        from slipway.app import sign_off
        from slipway.app.sign_off import Outcome
        from slipway.domain.gates import Refused
        from slipway.orchestration.tasks import actor_of

        migration, world = bootstrap.migration(self.migration), bootstrap.world()
        signed = world.ledger.sign_offs(self.migration)
        reconciled = world.ledger.reconciliations(self.migration, limit=1)
        outcome, missing = sign_off.gate(migration, world, actor_of(context))
        match outcome:
            case Outcome.WHOLE:
                self.log.info("every role has signed %s", reconciled[0].digest)
                return
            case Outcome.REJECTED | Outcome.GONE:
                raise Refused(f"the cutover of {self.migration}", missing)
        for blocker in missing:
            self.log.info("waiting: %s (%s). %s", blocker.what, blocker.seen, blocker.fix)
        # Ids were read before the judgement: what came in between wakes the trigger at once.
        seen = (max((each.id for each in signed), default=0), reconciled[0].id if reconciled else 0)
        self._wait(seen, until)

    def _wait(self, seen: tuple[int, int], until: datetime) -> NoReturn:
        self.defer(
            trigger=SignOffTrigger(self.migration, seen, until.isoformat()),
            method_name="resume",
            kwargs={"until": until.isoformat()},
        )

    def _time_out(self, context: Any) -> NoReturn:
        from slipway import bootstrap
        from slipway.app import status
        from slipway.errors import Permanent
        from slipway.orchestration.tasks import actor_of

        what = f"not everybody signed within {self.timeout} s"
        migration, world = bootstrap.migration(self.migration), bootstrap.world()
        by = actor_of(context)
        status.hold(migration, world, by, what)
        world.ledger.incident(self.migration, "warning", what, by)
        raise Permanent(
            f"{what}; {self.migration} is HELD. Resume it on the page Slipway, then ask for it again"
        )
