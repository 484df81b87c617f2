"""What went wrong with events and was told to nobody yet."""

from __future__ import annotations

import logging
import threading
from collections import Counter

from slipway.errors import Permanent, Retryable, SlipwayError
from slipway.producer.answers import OnResult
from slipway.producer.events import Result, general

_MOST_TOLD = 3
_LOG = logging.getLogger("slipway.producer")


class Unheard:
    """Kept until `close` says it. Its methods may be called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: Counter[str] = Counter()
        self._for_good = False
        self._raised: list[Exception] = []

    def tell(self, result: Result, on_result: OnResult | None) -> None:
        """Tell a result, or keep it when there is nobody to tell.

        What on_result raises is kept, too: it must not reach the call that happens to take Kafka's answers.
        """
        if on_result is None:
            self._note(result)
            return
        try:
            on_result(result)
        except Exception as error:  # noqa: BLE001  # the application's own code; close raises it
            _LOG.error("on_result failed with the result of an event for %s", result.topic, exc_info=error)
            with self._lock:
                self._raised.append(error)

    def _note(self, result: Result) -> None:
        if result.status in ("failed", "invalid"):
            with self._lock:
                self._results[result.error or general(result.reason)] += 1
                self._for_good = self._for_good or not result.retriable

    def taken(self, unanswered: int) -> SlipwayError | None:
        """Return what there is to say as an error, once; unanswered: events without an answer of Kafka's."""
        with self._lock:
            results, self._results = self._results, Counter()
            raised, self._raised = self._raised, []
            for_good, self._for_good = self._for_good, False
        told = []
        if unanswered:
            told.append(f"{unanswered} events were not confirmed; they may or may not stand in their topics")
        if results:
            seen = "; ".join(f"{count} x {what}" for what, count in results.most_common(_MOST_TOLD))
            told.append(
                f"{results.total()} events that were sent without `on_result` were not published: {seen};"
                " give `on_result` to learn which, and publish those again"
            )
        if raised:
            first = f"{type(raised[0]).__name__}: {raised[0]}"
            told.append(f"`on_result` failed {len(raised)} times, first with {first}; the log has them all")
        if not told:
            return None
        return (Permanent if raised or for_good else Retryable)(". ".join(told))
