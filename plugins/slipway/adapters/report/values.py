"""How values and differences are written: numbers as such, points in time as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from slipway.domain.figures import grouped, number, signed
from slipway.domain.narrative import is_instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one measure. Evidence holds instants as microseconds, and dates as days, since 1970."""

    kind: str
    instant: bool
    zone: ZoneInfo

    @classmethod
    def of(cls, measure: Mapping[str, Any], zone: ZoneInfo) -> Values:
        """Return how a measure of a document is written, in the business time zone."""
        return cls(str(measure.get("type")), is_instant(measure), zone)

    def shown(self, value: Any) -> str:
        """Return one value."""
        if value is None:
            return "nothing"
        if self.kind == "timestamp":
            local = (_EPOCH + timedelta(microseconds=int(value))).astimezone(self.zone)
            return local.strftime("%Y-%m-%d %H:%M:%S")
        if self.kind == "date":
            return (date(1970, 1, 1) + timedelta(days=int(value))).isoformat()
        return grouped(number(value))

    def difference(self, batch: Any, stream: Any) -> str:
        """Return stream minus batch; of points in time only when there are two."""
        if not self.instant:
            return signed(number(stream) - number(batch))
        return "\u2014" if batch is None or stream is None else self._span(int(stream) - int(batch))

    def by_cause(self, cell: Mapping[str, Any]) -> str:
        """Return each cause with what it took from a cell's difference."""
        alone = self.instant and (cell["batch"] is None or cell["stream"] is None)
        return ", ".join(
            cause.replace("_", " ") + ("" if alone else f" {self._share(share)}")
            for cause, share in cell["shares"].items()
        )

    def _share(self, share: Any) -> str:
        return self._span(-int(share)) if self.instant else signed(-number(share))

    def _span(self, length: int) -> str:
        span = timedelta(days=abs(length)) if self.kind == "date" else timedelta(microseconds=abs(length))
        return ("+" if length > 0 else "\u2212") + str(span).removesuffix(", 0:00:00")
