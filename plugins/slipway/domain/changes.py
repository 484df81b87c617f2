"""What a changed contract means: every field that differs, in one of four classes, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from slipway.domain import schema_change
from slipway.domain.derive import partition_count
from slipway.domain.evidence import canonical
from slipway.domain.plurals import counted
from slipway.domain.spans import spoken_span

ABSENT = "absent"


class Effect(StrEnum):
    """What follows from a change, from the mildest to what is not done at all."""

    COMPATIBLE = "compatible"
    RESTARTS = "restarts the observation"
    REVISION = "needs a new revision"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a contract or its schema. path: keys from the file's root, dotted; `schema.<field>`."""

    path: str
    before: str
    after: str
    effect: Effect
    why: str
    advice: str = ""


_NEW_TOPIC = (
    "name a new topic in events.topic in the same change; the plan then shows how the old one is drained"
)

_RULES: tuple[tuple[str, Effect, str], ...] = (
    ("description", Effect.COMPATIBLE, "a text for people"),
    ("owners*", Effect.COMPATIBLE, "who may sign; what was signed under the old contract counts no more"),
    ("escalation*", Effect.COMPATIBLE, "whom to tell"),
    ("gates.*", Effect.COMPATIBLE, "what opens the way to the switch is asked anew before it"),
    ("cutover.*", Effect.COMPATIBLE, "how the switch is stepped"),
    (
        "retention.*",
        Effect.COMPATIBLE,
        "how long rows are kept; where a broker then deletes records, a plan's step asks for a word",
    ),
    ("kpis.*.serving.*", Effect.COMPATIBLE, "what consumers are promised; no number changes"),
    ("events.traffic.*", Effect.COMPATIBLE, "the topic is wide enough for it as it is"),
    (
        "events.schema_file",
        Effect.RESTARTS,
        "the schema's file; its fields are compared by themselves",
    ),
    ("events.topic", Effect.REVISION, "another topic has offsets and an order of its own"),
    ("events.*", Effect.REVISION, "it decides which events count and for which period"),
    ("parity.timezone", Effect.REVISION, "every period begins at another instant"),
    ("parity.closes", Effect.REVISION, "other records are late"),
    ("parity.accept_late", Effect.REVISION, "other records are late"),
    ("parity.from_day", Effect.RESTARTS, "other days are compared and served"),
    ("parity.*", Effect.RESTARTS, "days are looked at in another way; no row of the stream changes"),
    ("reconcile.*", Effect.COMPATIBLE, "nights are compared or judged in another way from the next one on"),
    ("expectations*", Effect.COMPATIBLE, "other checks run from the next night on"),
    ("dimensions.*", Effect.REVISION, "what is looked up is stored with each event"),
    ("kpis.*.segments", Effect.RESTARTS, "reports and canaries are cut in another way; no row changes"),
    ("kpis.*.batch.*", Effect.RESTARTS, "another batch side is compared"),
    ("kpis.*.measures.*.tolerance*", Effect.RESTARTS, "days are judged by another bound"),
    ("kpis.*.measures.*", Effect.REVISION, "the numbers of the stream change"),
    ("kpis.*.grain*", Effect.REVISION, "the rows of the stream have another key"),
    ("kpis.*", Effect.REVISION, "the stream has other tables"),
)

_FIXED_BY_TOPIC = {
    "events.key": "records of one key would lie in two partitions, and their order would be lost",
    "events.arrival": "the instants of the records that the topic has would mean something else",
    "events.format": "the records that the topic has could not be read any more",
}


_AS_WRITTEN = {"parity.from_day": "parity.from", "events.schema_file": "events.schema"}
"""Paths that a contract's file writes differently."""


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Compare two documents (Migration.document: contract and schema) and class each difference."""
    old, new = (json.loads(canonical(document)) for document in (before, after))
    return tuple([*_contract(old["contract"], new["contract"]), *_schema(old["schema"], new["schema"])])


def worst(changes: tuple[Change, ...]) -> Effect | None:
    """Return the gravest effect; None when nothing changed."""
    order = list(Effect)
    return max((change.effect for change in changes), key=order.index, default=None)


def _contract(old: Any, new: Any) -> Iterator[Change]:
    moved = old["events"]["topic"] != new["events"]["topic"]
    for path, before, after in _leaves("", old, new):
        effect, why, advice = _class(path, old, new, moved)
        if path.startswith("kpis.") and path.count(".") == 1 and after is None:
            why = "no job fills it any more; its view stays for its readers until somebody drops it"
        written = _AS_WRITTEN.get(path, path)
        whole = path.startswith("kpis.") and path.count(".") == 1
        seen, wanted = (_kpi(one) if whole and one else _shown(path, one) for one in (before, after))
        yield Change(written, seen, wanted, effect, why, advice)


def _kpi(kpi: Any) -> str:
    """Return a whole KPI in a few words: its text would fill the screen."""
    return f"{counted(len(kpi['measures']), 'measure')} by {counted(len(kpi['grain']), 'column')}"


def _class(path: str, old: Any, new: Any, moved: bool) -> tuple[Effect, str, str]:
    if path in _FIXED_BY_TOPIC and not moved:
        return Effect.REFUSED, _FIXED_BY_TOPIC[path], _NEW_TOPIC
    if path.startswith("events.traffic.") and moved:
        return Effect.COMPATIBLE, "the new topic is made for it", ""
    if path.startswith("events.traffic."):
        was, wanted = (_partitions(side) for side in (old, new))
        if was != wanted:
            why = (
                f"the topic would need {wanted} partitions in place of {was}; its records are ordered by "
                f"{', '.join(old['events']['key'])}, and another count would send a key to another partition"
            )
            return Effect.REFUSED, why, f"{_NEW_TOPIC}; or state the traffic that the topic was made for"
    for pattern, effect, why in _RULES:
        if fnmatchcase(path, pattern):
            return effect, why, ""
    return Effect.REVISION, "no rule says that it is harmless", ""


def _partitions(contract: Any) -> int:
    traffic = contract["events"]["traffic"]
    return partition_count(traffic["peak_per_second"], float(traffic["yearly_growth"]))


def _leaves(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _leaves(f"{path}.{key}" if path else key, old.get(key), new.get(key))
    elif old != new:
        yield path, old, new


def _schema(before: str, after: str) -> Iterator[Change]:
    for change in schema_change.changes(before, after):
        if not change.compatible:
            effect, advice = (
                Effect.REFUSED,
                "see `slipway check-schema`; or use a new topic with the new schema",
            )
        else:
            effect, advice = (Effect.REVISION if change.rows else Effect.COMPATIBLE), ""
        yield Change(f"schema.{change.field}", change.before, change.after, effect, change.why, advice)


_SPANS = (
    "*.after",
    "events.ahead_at_most",
    "parity.accept_late",
    "parity.reconcile_back",
    "parity.lateness_classes",
    "kpis.*.serving.fresh_within",
    "kpis.*.serving.stale_after",
    "gates.evidence_valid",
    "gates.sign_off_valid",
    "cutover.soak",
    "retention.*",
)


def _shown(path: str, value: Any) -> str:
    if value is None:
        return ABSENT
    if any(fnmatchcase(path, pattern) for pattern in _SPANS):
        values = value if isinstance(value, list) else [value]
        return ", ".join(spoken_span(timedelta(seconds=one)) for one in values)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    if isinstance(value, dict):
        return json.dumps({key: one for key, one in value.items() if one is not None}, ensure_ascii=False)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
