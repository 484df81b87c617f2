"""Verbs about a contract's meaning: explain, diff, check-schema, export. Most reach no system."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import bootstrap
from slipway.cli.verbs import DONE, NO, Verbs, print_json, print_table
from slipway.domain import names
from slipway.domain.contract import Migration
from slipway.errors import Permanent, why

if TYPE_CHECKING:
    from slipway.app.check_schema import Checked
    from slipway.app.explain import Explained
    from slipway.domain.changes import Change
    from slipway.domain.skew import KeySample, Skew


def add(verbs: Verbs) -> None:
    """Add explain, diff, check-schema and export."""
    explain = verbs.add(
        "explain",
        _explain,
        "Print everything that follows from a contract, with the rules: derived values, the kinds of time, "
        "guarantees, promises to consumers, sizes, skew of keys, and the risks that it leaves open.",
    )
    explain.add_argument("--cluster", action="store_true", help="ask Kafka for brokers and partitions")
    explain.add_argument("--keys-per-day", type=_count, metavar="N", help="new ids a day, to size the state")
    sample = explain.add_mutually_exclusive_group()
    sample.add_argument(
        "--sample-topic",
        nargs="?",
        const="",
        metavar="TOPIC",
        help="look how keys of a topic fall on partitions (default: the contract's)",
    )
    sample.add_argument("--sample-file", type=Path, metavar="FILE", help="the same, an event a line")
    sample.add_argument("--sample-table", metavar="SCHEMA.TABLE", help="the same, a table of the warehouse")
    diff = verbs.add(
        "diff",
        _diff,
        "Print how the contract differs from the adopted one, and what each change means. Exit code 1 when "
        "something is refused, needs a new revision, or restarts the observation.",
    )
    diff.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="compare with this contract (YAML, its schema beside it), or with what `plan --out` kept, and "
        "reach no system",
    )
    check = verbs.add(
        "check-schema",
        _check_schema,
        "Say whether events of every age can be read with a new Avro schema, and what it does to each KPI. "
        "Exit code 1 when it may not be used.",
    )
    check.add_argument("schema", type=Path, help="the new schema, an .avsc file")
    check.add_argument(
        "--registry",
        nargs="?",
        const="",
        metavar="URL",
        help="hold it against all registered versions, too (default: the connection slipway_registry)",
    )
    export = verbs.add("export", _export, "Print the contract for other tools.")
    export.add_argument(
        "--odcs", action="store_true", required=True, help="as Open Data Contract Standard, YAML (v3.1.0)"
    )


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text) or int(text) == 0:
        seen = repr(text) if len(text) <= 20 else f"{text[:20]!r}... ({len(text)} characters)"
        raise argparse.ArgumentTypeError(f"{seen} is not a whole number above 0, of 15 digits at most")
    return int(text)


def _explain(given: argparse.Namespace) -> int:
    from slipway.app import explain

    migration = bootstrap.migration(given.migration)
    topic = migration.contract.events.topic
    brokers, partitions = bootstrap.cluster_facts(topic) if given.cluster else (None, None)
    found = explain.explain(
        migration,
        brokers=brokers,
        keys_per_day=given.keys_per_day,
        sample=_sample(given, migration),
        partitions=partitions,
    )
    if given.json:
        print_json(asdict(found))
    else:
        _print(found)
    return DONE


def _sample(given: argparse.Namespace, migration: Migration) -> KeySample | None:
    if given.sample_topic is not None:
        return bootstrap.keys_of_topic(migration, given.sample_topic or None)
    if given.sample_file is not None:
        return bootstrap.keys_of_file(migration, given.sample_file)
    if given.sample_table is not None:
        return bootstrap.keys_of_table(migration, given.sample_table)
    return None


def _print(found: Explained) -> None:
    for assumption in found.assumptions:
        print(f"assumed: {assumption}")
    _section(
        "Derived values",
        ("value", "is", "rule", "from"),
        [(line.name, line.value, line.rule, _pairs(line.inputs)) for line in found.derived],
    )
    _section(
        "Kinds of time",
        ("kind", "comes from", "decides"),
        [(time.name, time.where, time.decides) for time in found.kinds_of_time],
    )
    _section(
        "Guarantees",
        ("sink", "guarantee", "rests on"),
        [(sink.sink, sink.guarantee, "; ".join(sink.prerequisites)) for sink in found.guarantees],
    )
    _section(
        "What consumers may expect",
        ("KPI", "latency", "completeness", "consistency", "degraded"),
        [
            (promise.kpi, promise.latency, promise.completeness, promise.consistency, promise.degraded)
            for promise in found.promises
        ],
    )
    for title, figures in (("Partitions", found.partitions), ("State and checkpoints", found.state)):
        _section(title, ("", "is", "how"), [(one.name, one.value, one.how) for one in figures])
    if found.skew:
        _print_skew(found.skew)
    _section(
        "Risks that the contract leaves open",
        ("about", "what may happen", "closed by"),
        [(risk.about, risk.what, risk.closed_by) for risk in found.risks],
    )


def _print_skew(found: Skew) -> None:
    shares = ", ".join(f"{number}: {share:.1%}" for number, share in enumerate(found.by_partition))
    fullest = f"the fullest of {found.partitions} partitions has {found.imbalance:.2f} x the mean"
    rows = [
        ("sample", f"{_looked_at(found)} with {found.keys:,} keys from {found.source}"),
        ("largest key", f"{found.largest_key}: {found.largest_share:.1%} of the records"),
        ("imbalance", f"{fullest}: {'even enough' if found.even else 'uneven'}"),
        ("share by partition", shares),
    ]
    if found.keyless:
        rows.append(("without a key", f"{found.keyless:,} records, which go to any partition, in no order"))
    if found.strays is not None:
        lost = "; their order is lost" if found.strays else ""
        rows.append(("ids under several keys", f"{found.strays:,}{lost}"))
    _section("Skew of keys (murmur2, as Kafka's clients)", ("", "is"), rows)
    if found.ways_out:
        ways = [(way.name, way.helps, way.costs) for way in found.ways_out]
        _section("Ways out", ("way", "helps", "costs"), ways)


def _looked_at(found: Skew) -> str:
    if found.read == found.records:
        return f"{found.records:,} records"
    return f"{found.read:,} of {found.records:,} records, each partition weighed by what it holds,"


def _section(title: str, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    print(f"\n{title}")
    print_table(headers, rows or [("none", *[""] * (len(headers) - 1))])


def _pairs(inputs: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in inputs.items())


def _diff(given: argparse.Namespace) -> int:
    from slipway.domain.changes import Effect, worst

    migration = bootstrap.migration(given.migration)
    if given.against:
        changes = _against(given.against, migration)
    else:
        from slipway.app import adopted

        changes = adopted.changes(migration, bootstrap.world())
    if given.json:
        print_json([asdict(change) for change in changes])
    elif not changes:
        print("no difference")
    else:
        print_table(
            ("what", "before", "now", "effect", "why"),
            [(one.path, one.before, one.after, one.effect.value, one.why) for one in changes],
        )
        for one in changes:
            if one.advice:
                print(f"\n{one.path}: {one.advice}")
    return DONE if worst(changes) in (None, Effect.COMPATIBLE) else NO


def _against(path: Path, migration: Migration) -> tuple[Change, ...]:
    from slipway.domain.changes import compare

    document = _document(path)
    try:
        return compare(document, migration.document)
    except (KeyError, TypeError, AttributeError, ValueError, Permanent) as error:
        raise Permanent(
            f"the contract in {path} is not whole, so nothing can be compared with it; give a contract "
            "(.yaml), or a plan that `slipway plan --out` kept"
        ) from error


def _document(path: Path) -> Mapping[str, Any]:
    if path.suffix in (".yaml", ".yml"):
        return bootstrap.migration_at(path).document
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Permanent(f"{path} can't be read: {why(error)}") from error
    if isinstance(document, dict) and "slipway_plan" in document:
        document = document.get("contract")
    if not isinstance(document, dict) or set(document) != {"contract", "schema"}:
        raise Permanent(f"{path} is neither a contract (.yaml) nor a plan that `slipway plan --out` kept")
    return document


def _check_schema(given: argparse.Namespace) -> int:
    from slipway.adapters.avro_compatibility import refusals
    from slipway.app.check_schema import check_schema

    migration = bootstrap.migration(given.migration)
    try:
        text = given.schema.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(f"the schema {given.schema} can't be read: {why(error)}") from error
    subject = names.value_subject(migration.contract.events.topic)
    others: dict[str, str] = {}
    if given.registry is not None:
        versions = bootstrap.registry(given.registry or None).versions(subject)
        others = {f"version {number} of {subject}": one for number, one in enumerate(versions, start=1)}
    found = check_schema(migration, text, others, refusals)
    if given.json:
        asked = None if given.registry is None else len(others)
        print_json({**asdict(found), "subject": subject, "registered_versions": asked})
    else:
        _print_checked(found, _versions(subject, None if given.registry is None else len(others)))
    return DONE if found.compatible else NO


def _versions(subject: str, versions: int | None) -> str:
    if versions is None:
        return "checked against the contract's schema; no registry was asked (--registry)"
    if not versions:
        return f"checked against the contract's schema only: the registry does not know {subject}"
    several = "s" if versions > 1 else ""
    return f"checked against the contract's schema and {versions} registered version{several} of {subject}"


def _print_checked(found: Checked, against: str) -> None:
    print("compatible" if found.compatible else "NOT compatible")
    print(against)
    if found.compiles:
        print(f"the contract does not fit it: {found.compiles}")
    for held in found.held:
        rows = [
            (one.field, one.before, one.after, "ok" if one.compatible else "breaks", one.why)
            for one in held.changes
        ]
        if rows:
            _section(f"Against {held.source}", ("field", "was", "is", "", "why"), rows)
        for refusal in held.refused if not any(not one.compatible for one in held.changes) else ():
            print(f"  {refusal}")
    if found.effects:
        uses = [(one.field, one.part, one.effect) for one in found.effects]
        _section("What it does to the migration", ("field", "to", "what"), uses)


def _export(given: argparse.Namespace) -> int:
    from slipway.adapters import odcs

    migration = bootstrap.migration(given.migration)
    if given.json:
        print_json(odcs.document(migration))
    else:
        print(odcs.to_yaml(migration), end="")
    return DONE
