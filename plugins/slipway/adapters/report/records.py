"""Where every record of the topic went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.domain.figures import grouped

Document = Mapping[str, Any]

_SILVER = {
    "first": "silver, counted in the KPIs",
    "latest": "silver, accepted; of each id the newest version counts",
}


def amended(context: Mapping[str, Any]) -> int:
    """Return how many late records a data owner has let in."""
    return sum(one["rows"] for one in context.get("amendments", ()) if one["state"] == "applied")


def records(document: Document, let_in: int = 0) -> dict[str, Any]:
    """Return where every record of the topic went. let_in: late ones that count after all, by amendments."""
    balance = document["balance"]
    late = "late, kept aside"
    if let_in and document["cut"].get("amendments"):
        late += f"; {grouped(let_in)} of them amended, so counted in the KPIs"
    rows = [
        ("silver", _SILVER.get(document.get("keep", ""), _SILVER["first"]), "ok"),
        ("duplicates", "duplicates, dropped", "tot"),
        ("rejected", "rejected, in the dead-letter topic", "warn"),
        ("late", late, "bad"),
        ("unaccounted", "in no table", "bad"),
    ]
    return {
        "total": grouped(balance["bronze"]),
        "produced": grouped(balance.get("produced", balance["bronze"])),
        "rows": [
            {
                "label": label,
                "value": balance.get(key, 0),
                "shown": grouped(balance.get(key, 0)),
                "tone": tone,
            }
            for key, label, tone in rows
            if balance.get(key) or key != "unaccounted"
        ],
        "sentence": _account(balance),
    }


def _account(balance: Mapping[str, Any]) -> str:
    if not balance["closes"]:
        return "The account does not close; the findings say what to do."
    told = "Every record of the topic is in bronze, and every record of bronze is in one place."
    again = balance.get("replayed", 0)  # absent in evidence of before there were replays
    return f"{told} {grouped(again)} of them were dead letters that were sent again." if again else told
