"""The local stack's command line: python -m local.stack [--world NAME] COMMAND."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from local import lifecycle, status
from local.components import BY_NAME
from local.errors import StackError
from local.paths import Installation, World, this_installation
from local.settings import base_env, recall
from local.supervisor import Supervisor

_COMMANDS = {
    "up": "start what does not run, wait until all is ready",
    "down": "stop everything; data stays",
    "is-up": "exit status 0 when the world runs, 1 when not",
    "status": "components, their state, ports and memory",
    "logs": "the end of the logs; names of components may follow, -f keeps following",
    "restart": "restart the components named",
    "reset": "stop the world and remove its data, logs and passwords",
    "clean": "reset all worlds and remove the whole installation",
    "env": "the world's environment as export lines, for `eval`",
    "run": "run a command in the world's environment: run -- CMD ...",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    # Closing the terminal or `kill` cleans up as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    parsed = _parser().parse_args(arguments)
    installation = this_installation()
    try:
        return _run(parsed, installation, installation.world(parsed.world))
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(parsed: argparse.Namespace, installation: Installation, world: World) -> int:
    match parsed.command:
        case "up":
            lifecycle.up(world, _tell)
        case "down":
            lifecycle.down(world, _tell)
        case "is-up":
            return 0 if Supervisor(world).pid() is not None else 1
        case "status":
            print(status.table(world))
        case "logs":
            return _logs(world, parsed.rest)
        case "restart":
            lifecycle.restart(world, [lifecycle.known(name).name for name in parsed.rest], _tell)
        case "reset":
            lifecycle.remove(world, _tell)
        case "clean":
            _clean(installation)
        case "env":
            for name, value in sorted(recall(world).env().items()):
                print(f"export {name}={shlex.quote(value)}")
        case "run":
            _exec(world, parsed.rest[1:] if parsed.rest[:1] == ["--"] else parsed.rest)
    return 0


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<8} {text}" for name, text in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m local.stack",
        description=f"Postgres, Kafka, schema registry, Flink and Airflow on this machine.\n\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--world", default="main", help="whose data, ports and passwords (default: main)")
    parser.add_argument("command", choices=tuple(_COMMANDS), metavar="COMMAND")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="names of components, or a command")
    return parser


def _logs(world: World, rest: list[str]) -> int:
    names = [name for name in rest if name not in ("-f", "--follow")]
    chosen = [lifecycle.known(name).name for name in names] or list(BY_NAME)
    files = [world.logs / f"{name}.log" for name in chosen]
    found = [file for file in files if file.exists()]
    if not found:
        raise StackError(f"no logs below {world.logs}: was world {world.name!r} ever up?")
    if len(names) < len(rest):
        os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, found)])
    for file in found:
        print(f"==> {file}")
        print("\n".join(lifecycle.tail(file, 200 if names else 20)))
    return 0


def _clean(installation: Installation) -> None:
    if installation.worlds.exists():
        for home in sorted(installation.worlds.iterdir()):
            if home.is_dir():
                lifecycle.remove(installation.world(home.name), _tell)
    shutil.rmtree(installation.root, ignore_errors=True)
    _tell(f"removed {installation.root}")


def _exec(world: World, command: list[str]) -> None:
    if not command:
        raise StackError("run: no command given; for instance: run -- airflow dags list")
    env = dict(os.environ) | recall(world).env() | {"PATH": _path(world)}
    found = shutil.which(command[0], path=env["PATH"])
    if found is None:
        raise StackError(f"run: no command {command[0]!r} on PATH")
    sys.stdout.flush()
    os.execve(found, command, env)


def _path(world: World) -> str:
    ours = base_env(world)["PATH"].split(":")[0]
    return f"{ours}:{os.environ.get('PATH', os.defpath)}"


def _tell(line: str) -> None:
    print(line, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    sys.exit(main())
