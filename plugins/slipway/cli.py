"""The command line: the same use cases as the DAGs, for a terminal.

Exit codes: 0 done; 1 the answer is no (invalid, differs, blocked); 2 wrong usage; 3 a system is out of reach.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from slipway import bootstrap
from slipway.adapters.contracts import ContractFileError, load_migration
from slipway.domain import names
from slipway.domain.contract import Contract
from slipway.domain.evidence import Digest
from slipway.errors import Permanent, Retryable, SlipwayError
from slipway.ports import Actor

DONE, NO, UNREACHABLE = 0, 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except Retryable as error:
        print(f"slipway: {error}", file=sys.stderr)
        return UNREACHABLE
    except SlipwayError as error:
        print(f"slipway: {error}", file=sys.stderr)
        return NO
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="slipway", description="Move daily batch KPIs to streaming, with every difference explained."
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def verb(name: str, run: Any, text: str, *, migration: bool = True) -> argparse.ArgumentParser:
        found = verbs.add_parser(name, help=text, description=text)
        found.set_defaults(run=run)
        found.add_argument("--json", action="store_true", help="print data instead of a table")
        if migration:
            found.add_argument("migration", help="name of a contract in include/migrations")
        return found

    validate = verb("validate", _validate, "Check contracts without touching any system.", migration=False)
    validate.add_argument("migration", nargs="*", help="names of contracts (default: all)")
    verb("schema", _schema, "Print the JSON Schema of a contract, for editors.", migration=False)
    verb("plan", _plan, "Print what provisioning would do, and why; changes nothing.")
    verb("render", _render, "Print the Flink SQL of both jobs; no secret is in it.")
    verb("status", _status, "Print where a migration stands and what blocks it.")
    verb("history", _history, "Print the switch journal.")
    verify = verb("verify", _verify, "Compute a piece of evidence again and say whether it is the same.")
    verify.add_argument("digest", help="SHA-256 of the evidence, as printed in the report")
    ledger = verb("ledger", _ledger, "Look after the ledger's database.", migration=False)
    ledger.add_argument("action", choices=["upgrade"], help="upgrade: bring its schema up to date")
    return parser


def operator() -> Actor:
    """Return who runs the command line; the name of an OS user proves nothing to anybody."""
    return Actor(getpass.getuser(), authenticated=False)


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, default=str))


def _table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*headers, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console().print(table)


def _validate(given: argparse.Namespace) -> int:
    folder = bootstrap.contracts_folder()
    paths = [folder / f"{name}.yaml" for name in given.migration] or sorted(folder.glob("*.yaml"))
    complaints: list[str] = []
    found = []
    for path in paths:
        try:
            migration = load_migration(path)
        except ContractFileError as error:
            complaints += error.complaints
        else:
            measures = sum(len(kpi.measures) for kpi in migration.kpis.values())
            found.append((migration.name, len(migration.kpis), measures, migration.parity_digest[:12]))
    if given.json:
        _print_json({"valid": [row[0] for row in found], "complaints": complaints})
    else:
        _table(("migration", "KPIs", "measures", "parity"), found)
        for line in complaints:
            print(line, file=sys.stderr)
    return NO if complaints else DONE


def _schema(given: argparse.Namespace) -> int:
    _print_json(Contract.model_json_schema())
    return DONE


def _plan(given: argparse.Namespace) -> int:
    from slipway.app import provision

    steps = provision.plan(bootstrap.migration(given.migration), bootstrap.world())
    if given.json:
        _print_json([{"step": type(step).__name__, **asdict(step)} for step in steps])
    else:
        print(provision.table(steps))
    return DONE


def _render(given: argparse.Namespace) -> int:
    migration, scripts = bootstrap.migration(given.migration), bootstrap.scripts()
    # Neither the schema's id in the registry nor the revision's number is known before deployment.
    writer = names.writer_role(migration.name, 1, 1)
    jobs = {"ingest": scripts.ingest(migration, 0), "revision": scripts.revision(migration, 1, writer)}
    if given.json:
        _print_json(jobs)
    else:
        for name, script in jobs.items():
            print(f"-- {name}\n{script}")
    return DONE


def _status(given: argparse.Namespace) -> int:
    from slipway.app import status

    found = status.status(bootstrap.migration(given.migration), bootstrap.world())
    if given.json:
        _print_json(asdict(found))
        return DONE
    print(f"{given.migration}: {found.state}\nnext step: {found.next_step}")
    for blocker in found.blocked_by:
        print(
            f"\n{blocker.what}\n  seen    {blocker.seen}\n  needed  {blocker.needed}\n  fix     {blocker.fix}"
        )
    return DONE


def _history(given: argparse.Namespace) -> int:
    rows = bootstrap.world().serving.journal(given.migration)
    if given.json:
        _print_json([asdict(row) for row in rows])
    else:
        _table(
            ("at", "KPI", "epoch", "action", "by", "reason"),
            [
                (row.at.isoformat(timespec="seconds"), row.kpi, row.epoch, row.action, row.by, row.reason)
                for row in rows
            ],
        )
    return DONE


def _verify(given: argparse.Namespace) -> int:
    from slipway.app.verify import verify

    if len(given.digest) != 64:
        raise Permanent(f"{given.digest!r} is not a digest; expected the 64 hexadecimal digits of the report")
    found = verify(bootstrap.migration(given.migration), Digest(given.digest), bootstrap.world())
    if given.json:
        _print_json(asdict(found))
    else:
        print("same" if found.same else "differs:")
        for line in found.differences:
            print(f"  {line}")
    return DONE if found.same else NO


def _ledger(given: argparse.Namespace) -> int:
    bootstrap.ledger().upgrade()
    print("the ledger's schema is up to date")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
