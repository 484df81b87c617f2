"""What every verb of the command line shares: exit codes, the parser's shape, and how answers are printed."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipway.ports import Actor

DONE, NO, UNREACHABLE = 0, 1, 3

WIDTH = 200

Run = Callable[[argparse.Namespace], int]


class Verbs:
    """The verbs of the parser, each added by the module that carries it out."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def add(self, name: str, run: Run, text: str, *, migration: bool = True) -> argparse.ArgumentParser:
        """Add a verb with --json, and with the name of a migration unless it needs none."""
        found: argparse.ArgumentParser = self._verbs.add_parser(name, help=text, description=text)
        found.set_defaults(run=run)
        found.add_argument("--json", action="store_true", help="print data instead of a table")
        if migration:
            found.add_argument("migration", help="name of a contract in include/migrations")
        return found


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse arguments; a verb's list of places may stand behind its options, too, which argparse forgets."""
    given, rest = parser.parse_known_args(arguments)
    if rest and (not hasattr(given, "places") or any(one.startswith("-") for one in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        given.places = [*given.places, *rest]
    return given


def operator() -> Actor:
    """Return who runs the command line; the name of an OS user proves nothing to anybody."""
    from slipway.ports import Actor

    return Actor(getpass.getuser(), authenticated=False)


def print_json(document: Any) -> None:
    """Print data for a program."""
    print(json.dumps(document, indent=2, default=str))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows for a person."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A file or a CI's log has no width of its own; 80 columns would break words apart there.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH
    # As they are: a key such as [red] or :x: is no markup.
    table = Table(box=None, pad_edge=False)
    for header in headers:
        table.add_column(Text(header))
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console(width=width).print(table)
