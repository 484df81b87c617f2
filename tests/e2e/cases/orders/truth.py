"""What must come out of the orders, from the records alone, with pandas and integers of 1/100 cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pandas as pd

from tests.e2e.cases.records import Kpis, Rows, Sent


def stream(sent: Sequence[Sent]) -> Kpis:
    """Return both KPIs; every event is in time, and its first copy counts."""
    events = pd.DataFrame([record.event for record in sent if not isinstance(record.event, bytes)])
    events = events.drop_duplicates("event_id").reset_index(drop=True)
    local = pd.to_datetime(events["happened_at"], utc=True).dt.tz_convert("Europe/Berlin")
    # A telephone order has no channel; pandas drops missing keys, so they get a name for a while.
    events["channel"] = events["channel"].fillna("-")
    events["order_date"] = local.dt.date
    events["month"] = [day.replace(day=1) for day in events["order_date"]]
    cents = _whole(events["amount"], 100)
    for kind in ("placed", "cancelled", "shipped"):
        events[kind] = events["kind"] == kind
    events["paid"] = cents.where(events["kind"] == "paid", 0)
    events["refunded"] = cents.where(events["kind"] == "refunded", 0)
    events["net"] = events["paid"] - events["refunded"]
    events["vouchers"] = _whole(events["voucher"], 10_000).where(events["kind"] == "paid", 0)
    events["buyer"] = events["customer_id"].where(events["kind"] == "placed")
    events["payment"] = events["paid"].where(events["kind"] == "paid")
    sums = {name: "sum" for name in ("placed", "cancelled", "shipped")} | {"buyer": "nunique"}
    money = {"paid": "sum", "refunded": "sum", "net": "sum", "payment": "max"}
    daily = events.groupby(["order_date", "country"]).agg(sums | money)
    monthly = events.groupby(["month", "channel"]).agg(
        {"placed": "sum", "customer_id": "nunique", "net": "sum", "vouchers": "sum"}
    )
    hundredths = dict.fromkeys(("paid", "refunded", "net", "payment"), 2)
    return {
        "orders_daily": _rows(daily, hundredths),
        "orders_monthly": {
            (month, None if channel == "-" else channel): row
            for (month, channel), row in _rows(monthly, {"net": 2, "vouchers": 4}).items()
        },
    }


batch = amended = stream


def places(sent: Sequence[Sent]) -> Counter[str]:
    """Return how many records lie in silver, late, rejected, or are duplicates."""
    told = [record.event["event_id"] for record in sent if not isinstance(record.event, bytes)]
    different = len(set(told))
    found = {"silver": different, "duplicates": len(told) - different, "rejected": len(sent) - len(told)}
    return Counter({place: count for place, count in found.items() if count})


def _whole(amounts: pd.Series, parts: int) -> pd.Series:
    return pd.Series([int(amount * parts) if amount is not None else 0 for amount in amounts])


def _rows(frame: pd.DataFrame, scales: Mapping[str, int]) -> Rows:
    """Take a frame of integers apart; columns with a scale are amounts."""
    names = list(frame.columns)
    return {
        cell: tuple(
            None
            if pd.isna(value)
            else Decimal(int(value)).scaleb(-scales[name])
            if name in scales
            else int(value)
            for name, value in zip(names, row, strict=True)
        )
        for cell, row in zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
    }
