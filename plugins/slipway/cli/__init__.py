"""The command line: the same use cases as the DAGs, for a terminal.

Exit codes: 0 done; 1 the answer is no (invalid, differs, blocked); 2 wrong usage; 3 a system is out of reach;
130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from slipway.cli.verbs import DONE, NO, UNREACHABLE, Verbs, parse
from slipway.errors import Retryable, SlipwayError

INTERRUPTED = 130

__all__ = ["DONE", "NO", "UNREACHABLE", "main", "parser"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    try:
        given = parse(parser(), arguments)
        code: int = given.run(given)
    except Retryable as error:
        print(f"slipway: {error}", file=sys.stderr)
        return UNREACHABLE
    except SlipwayError as error:
        print(f"slipway: {error}", file=sys.stderr)
        return NO
    except KeyboardInterrupt:
        print("slipway: interrupted; what was under way is left undone", file=sys.stderr)
        return INTERRUPTED
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of every verb."""
    # Half a second of imports: here, so that who interrupts them is told in a line, too.
    from slipway.cli import (
        closes,
        contracts,
        dead_letters,
        design,
        lateness,
        onboarding,
        operations,
        provisioning,
        reports,
    )

    found = argparse.ArgumentParser(
        prog="slipway", description="Move daily batch KPIs to streaming, with every difference explained."
    )
    verbs = Verbs(found)
    for module in (
        contracts,
        onboarding,
        design,
        provisioning,
        operations,
        reports,
        closes,
        lateness,
        dead_letters,
    ):
        module.add(verbs)
    return found
