"""The verb that begins a migration: init."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from slipway import bootstrap
from slipway.cli.verbs import DONE, Verbs, print_json
from slipway.domain.sample import Sample


def add(verbs: Verbs) -> None:
    """Add init."""
    init = verbs.add(
        "init",
        _init,
        "Draft contract, schema and dbt stubs of a new migration from a sample; overwrites nothing.",
        migration=False,
    )
    init.add_argument("name", help="the migration's name: small letters, digits and _")
    source = init.add_mutually_exclusive_group(required=True)
    source.add_argument("--from-topic", metavar="TOPIC", help="the newest records of a Kafka topic")
    source.add_argument("--from-file", metavar="FILE", help=".jsonl, .ndjson, .json, .csv or .avro")
    source.add_argument("--from-dbt-model", metavar="MODEL", help="the columns of a dbt model of events")
    init.add_argument("--records", type=int, default=1000, help="look at so many at most (default 1000)")


def _init(given: argparse.Namespace) -> int:
    from slipway.app import draft

    today = datetime.now(UTC).date()
    done = draft.draft(given.name, lambda: _sample(given), today, bootstrap.drafts())
    if given.json:
        print_json({"files": done.files, "decide": done.draft.decisions})
        return DONE
    print(f"Drafted from {done.draft.source}:")
    for path in done.files:
        print(f"  {path}")
    print("\nIt is valid as it is; for you to decide (DECIDE in the files):")
    for line in done.draft.decisions:
        print(f"  - {line}")
    print(f"\nThen: slipway validate {given.name}; slipway explain {given.name}; slipway plan {given.name}")
    return DONE


def _sample(given: argparse.Namespace) -> Sample:
    most = max(1, given.records)
    if given.from_file:
        return bootstrap.draft_sample("file", given.from_file, most)
    if given.from_topic:
        return bootstrap.draft_sample("topic", given.from_topic, most)
    return bootstrap.draft_sample("model", given.from_dbt_model, most)
