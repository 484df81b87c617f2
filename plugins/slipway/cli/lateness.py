"""The verb that says which accept_late keeps to a target."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from slipway import bootstrap
from slipway.cli.verbs import DONE, Verbs, print_json, print_table
from slipway.domain.contract_types import Share
from slipway.domain.evidence import canonical
from slipway.domain.lateness import EVENTS, percent
from slipway.domain.spans import exact_span

_SHARE: TypeAdapter[Decimal] = TypeAdapter(Share)


def add(verbs: Verbs) -> None:
    """Add lateness."""
    lateness = verbs.add(
        "lateness", _lateness, "Print what each accept_late would have lost, and which one to choose."
    )
    lateness.add_argument(
        "--target",
        type=_share,
        metavar="SHARE",
        help="share of a measure that late events may cost, such as 0.1%% (default: reconcile.target_loss)",
    )


def _share(text: str) -> Decimal:
    try:
        share = _SHARE.validate_python(text if "%" in text else float(text))
    except (ValidationError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write 0.001 or 0.1%") from error
    if share >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is all of it; write a share below 1, such as 0.1%")
    return share


def _lateness(given: argparse.Namespace) -> int:
    from slipway.app.lateness import advised

    found = advised(bootstrap.migration(given.migration), given.target, bootstrap.world())
    if given.json:
        plain = json.loads(canonical(found.advice))
        print_json({"evidence": found.digest, "closed_through": found.closed_through, **plain})
        return DONE
    advice = found.advice
    print(f"{advice['sentence']}\n")
    print_table(("accept_late", "events later", "largest loss", "of", ""), list(_ladder(advice)))
    if advice["segments"]:
        print()
        print_table(
            ("KPI", "segment", "value", "events", "late", "p50", "p95", "p99", "accept_late"),
            list(_segments(advice)),
        )
    for more in advice["more"]:
        print(f"{more['kpi']}: {more['values']} more values of {more['segment']}, with fewer late events")
    print(f"\nseen in evidence {found.digest[:12]}, closed through {found.closed_through}")
    return DONE


def _ladder(advice: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for step in advice["ladder"]:
        lost = {name: Decimal(share) for name, share in step["lost"].items()}
        name = max(sorted(lost), key=lambda one: lost[one])
        marks = [
            word
            for word, bound in (("the contract's", advice["accepted"]), ("advised", advice["recommended"]))
            if bound == step["bound"]
        ]
        named = name if lost[name] else ""
        what = "events" if named == EVENTS else named
        yield _span(step["bound"]), step["events"], percent(lost[name]), what, ", ".join(marks)


def _segments(advice: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for one in advice["segments"]:
        recommended = one["recommended"]
        yield (
            one["kpi"],
            one["segment"],
            "NULL" if one["value"] is None else one["value"],
            one["events"],
            percent(Decimal(one["late"]) / Decimal(one["events"])) if one["events"] else "",
            *(_span(one[name]) for name in ("p50", "p95", "p99")),
            f"over {_span(advice['watched'])}" if recommended is None else _span(recommended),
        )


def _span(seconds: int) -> str:
    """Return a span after the period's end; before it with a minus."""
    if seconds < 0:
        return f"-{exact_span(timedelta(seconds=-seconds))}"
    return exact_span(timedelta(seconds=seconds))
