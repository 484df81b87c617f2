"""What was compared: offsets, snapshots, runs and digests, in rows of (what, value, whether it is code)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.domain.figures import full_day

Row = tuple[str, str, bool]


def rows(document: Mapping[str, Any], context: Mapping[str, Any]) -> list[Row]:
    """Return the cut of a night."""
    cut, days = document["cut"], document["days"]
    gaps = cut.get("gaps") or ()
    found: list[Row] = [
        ("as of", str(cut["as_of"]), True),
        (
            "closed through",
            full_day(days["closed_through"]) if days.get("closed_through") else "no day",
            False,
        ),
        ("progress of the stream", str(cut["progress"]), True),
        ("batch loaded through", str(cut["batch_through"]), True),
        ("next offset by partition", _pairs(cut["offsets"], ":"), True),
    ]
    if gaps:
        found.append(("offsets that hold no record", ", ".join(_gap(gap) for gap in gaps), True))
    if cut.get("expired"):
        lost = ", ".join(f"{_gap(one)}, arrived before {one['before']}" for one in cut["expired"])
        found.append(("offsets that the topic had lost already", lost, True))
    if cut.get("topic_id"):
        found.append(("topic", str(cut["topic_id"]), True))
    if cut.get("missing"):
        found.append(("not in the lake in time", str(cut["missing"]), False))
    found += [
        ("snapshot by table", _pairs(cut["snapshots"], " @ "), True),
        ("revision", str(document["revision"]), False),
        ("amendments in it", ", ".join(map(str, cut.get("amendments", ()))) or "none", False),
        ("contract", str(document["contract_digest"]), True),
        ("its meaning of the KPIs", str(document["parity_digest"]), True),
        ("dbt run", str(context.get("dbt_run") or "none"), True),
        ("DAG run, by", f"{context.get('dag_run') or 'none'}, {context.get('by') or 'nobody'}", True),
        ("evidence before this", str(context.get("before") or "none"), True),
    ]
    return found


def _pairs(found: Mapping[str, Any], between: str) -> str:
    return ", ".join(f"{key}{between}{value}" for key, value in sorted(found.items(), key=_numeric))


def _numeric(pair: tuple[str, Any]) -> tuple[int, str]:
    return (int(pair[0]), "") if pair[0].isdigit() else (0, pair[0])


def _gap(gap: Mapping[str, Any]) -> str:
    first, through = gap["first"], gap["through"]
    told = f"{gap['partition']}: {first}" + (f" to {through}" if through != first else "")
    many = gap.get("offsets", through - first + 1)
    return told if many == through - first + 1 else f"{told} ({many} of them)"
