"""Verbs about records that were refused."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import bootstrap
from slipway.cli.verbs import DONE, NO, Verbs, operator, print_json, print_table
from slipway.domain.contract import Migration
from slipway.domain.masking import Masking
from slipway.errors import Permanent

if TYPE_CHECKING:
    from slipway.app.dead_letters import Wanted
    from slipway.ports import DeadLetter


def add(verbs: Verbs) -> None:
    """Add dlq."""
    dlq = verbs.add(
        "dlq",
        _dlq,
        "List and show records that were refused, and send mended ones to the topic again.",
        migration=False,
    )
    dlq.add_argument("action", choices=["list", "show", "replay"], help="what to do with the dead letters")
    dlq.add_argument("migration", help="name of a contract in include/migrations")
    dlq.add_argument("places", nargs="*", help="dead letters as partition:offset, such as 2:17")
    dlq.add_argument("--containing", default="", help="only those whose reason contains this text")
    dlq.add_argument("--stage", default="", choices=["", "decode", "produce"], help="only those of a stage")
    dlq.add_argument("--since", type=_instant, help="only those refused from this instant on, with its zone")
    dlq.add_argument("--until", type=_instant, help="only those refused before this instant, with its zone")
    dlq.add_argument("--bytes", action="store_true", help="show: the value as it is, personal fields too")
    dlq.add_argument("--reason", default="", help="replay: what was mended; kept in the ledger")
    dlq.add_argument("--value-file", type=Path, help="replay: another value for the one that is named")
    dlq.add_argument("--yes", action="store_true", help="replay: do it; otherwise it is only told")


def _dlq(given: argparse.Namespace) -> int:
    migration = bootstrap.migration(given.migration)
    match given.action:
        case "list":
            return _list(migration, given)
        case "show":
            return _show(migration, given)
        case _:
            return _replay(migration, given)


def _list(migration: Migration, given: argparse.Namespace) -> int:
    from slipway.app import dead_letters

    groups = dead_letters.overview(migration, _wanted(given), bootstrap.world())
    if given.json:
        print_json([asdict(group) for group in groups])
        return DONE
    if not groups:
        print(f"{migration.name} has no such dead letters")
        return DONE
    print_table(
        ("records", "sent again", "stage", "first", "last", "such as", "reason"),
        [
            (
                group.count,
                group.replayed,
                group.stage,
                group.first.isoformat(timespec="seconds"),
                group.last.isoformat(timespec="seconds"),
                group.example,
                group.reason,
            )
            for group in groups
        ],
    )
    return DONE


def _show(migration: Migration, given: argparse.Namespace) -> int:
    from slipway.app import dead_letters

    if not given.places:
        raise Permanent("name the dead letters to show as partition:offset; `slipway dlq list` shows some")
    world = bootstrap.world()
    found = [_shown(migration, dead_letters.find(migration, place, world), given) for place in given.places]
    if given.json:
        print_json(found)
        return DONE
    for one in found:
        for name, value in one.items():
            print(f"{name:<18}{value}")
        print()
    return DONE


def _shown(migration: Migration, letter: DeadLetter, given: argparse.Namespace) -> dict[str, str]:
    masking = Masking.of(migration.schema)
    if given.bytes:
        key, value = _raw(letter.key), _raw(letter.value)
    else:
        key = masking.key(migration.contract.events.key, letter.key)
        value = _masked(masking, letter.value)
    return {
        "place": letter.place,
        "refused at": letter.at.isoformat(),
        **{name: raw.decode("utf-8", "backslashreplace") for name, raw in letter.headers.items()},
        "key": key,
        "value": value,
    }


def _masked(masking: Masking, value: bytes | None) -> str:
    """Return a value with personal fields hidden; what is no text is written in hexadecimal digits."""
    if value is None or masking.personal:
        return masking.payload(value)
    return _raw(value)


def _raw(value: bytes | None) -> str:
    if value is None:
        return "(none)"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"hex {value.hex()}"
    return text if text.isprintable() else f"hex {value.hex()}"


def _replay(migration: Migration, given: argparse.Namespace) -> int:
    from slipway.app import dead_letters

    value = _content(given.value_file) if given.value_file else None
    done = dead_letters.replay(
        migration,
        _wanted(given),
        given.reason,
        bootstrap.world(),
        operator(),
        value=value,
        dry_run=not given.yes,
    )
    if given.json:
        print_json(asdict(done))
    else:
        print(done)
        if done.dry_run and done.sent:
            print("add --yes and --reason to do it")
    return NO if done.refused and not done.sent else DONE


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Permanent(f"the value {path} can't be read: {error.strerror}") from error


def _wanted(given: argparse.Namespace) -> Wanted:
    from slipway.app.dead_letters import Wanted

    return Wanted(given.containing, given.stage, given.since, given.until, given.places)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        told = f"{text!r} is no instant; write it as 2026-11-20T00:00Z"
        raise argparse.ArgumentTypeError(told) from error
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no zone; end it with Z, or with an offset")
    return found.astimezone(UTC)
