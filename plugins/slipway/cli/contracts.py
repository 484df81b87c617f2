"""Verbs that read contracts and reach no system."""

from __future__ import annotations

import argparse
import sys

from slipway import bootstrap
from slipway.adapters.contracts import ContractFileError, load_migration
from slipway.cli.verbs import DONE, NO, Verbs, print_json, print_table
from slipway.domain import names
from slipway.domain.contract import Contract
from slipway.domain.shared_topics import disagreements


def add(verbs: Verbs) -> None:
    """Add validate, schema and render."""
    validate = verbs.add(
        "validate", _validate, "Check contracts without touching any system.", migration=False
    )
    validate.add_argument("migration", nargs="*", help="names of contracts (default: all)")
    validate.add_argument(
        "--checks",
        action="store_true",
        help="ask Great Expectations about the contracts' own expectations, too (takes seconds)",
    )
    schema = verbs.add(
        "schema", _schema, "Print the JSON Schema of a contract, for editors.", migration=False
    )
    schema.add_argument("--markdown", action="store_true", help="print docs/reference/contract.md instead")
    verbs.add("render", _render, "Print the Flink SQL of both jobs; no secret is in it.")


def _validate(given: argparse.Namespace) -> int:
    folder = bootstrap.contracts_folder()
    paths = [folder / f"{name}.yaml" for name in given.migration] or sorted(folder.glob("*.yaml"))
    complaints: list[str] = []
    found, readable = [], []
    for path in paths:
        try:
            migration = load_migration(path)
        except ContractFileError as error:
            complaints += error.complaints
        else:
            measures = sum(len(kpi.measures) for kpi in migration.kpis.values())
            readable.append(migration)
            found.append((migration.name, len(migration.kpis), measures, migration.parity_digest[:12]))
    complaints += disagreements(readable)
    if given.checks:
        complaints += [line for migration in readable for line in bootstrap.check_expectations(migration)]
    if given.json:
        print_json({"valid": [row[0] for row in found], "complaints": complaints})
    else:
        print_table(("migration", "KPIs", "measures", "parity"), found)
        for line in complaints:
            print(line, file=sys.stderr)
    return NO if complaints else DONE


def _schema(given: argparse.Namespace) -> int:
    if given.markdown:
        from slipway.domain.contract_reference import markdown

        print(markdown(), end="")
        return DONE
    print_json(Contract.model_json_schema())
    return DONE


def _render(given: argparse.Namespace) -> int:
    migration, scripts = bootstrap.migration(given.migration), bootstrap.scripts()
    # Neither the schema's id in the registry nor the revision's number is known before deployment.
    writer = names.writer_role(migration.name, 1, 1)
    jobs = {"ingest": scripts.ingest(migration, 0), "revision": scripts.revision(migration, 1, writer)}
    if given.json:
        print_json(jobs)
    else:
        for name, script in jobs.items():
            print(f"-- {name}\n{script}")
    return DONE
