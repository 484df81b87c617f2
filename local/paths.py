"""Where the local stack keeps its things.

The installation (environments, jars) below `.local/` is shared; a *world* has data, logs, ports and
passwords of its own below `.local/worlds/<name>/`, so that tests never meet the demo's data.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.errors import StackError

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
# A unix socket's path is limited to 107 bytes; supervisord binds `<path>.<pid>` first.
_LONGEST_SOCKET = 95


@dataclass(frozen=True, slots=True)
class Installation:
    """The code that all worlds of one checkout share."""

    repo: Path

    @property
    def root(self) -> Path:
        return self.repo / ".local"

    @property
    def venv(self) -> Path:
        return self.root / "venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def jars(self) -> Path:
        return self.root / "jars"

    @property
    def flink_venv(self) -> Path:
        return self.root / "flink-venv"

    @property
    def flink_home(self) -> Path:
        """PyFlink's folder: it is a whole Flink distribution less the connectors."""
        major, minor = sys.version_info[:2]
        return self.flink_venv / f"lib/python{major}.{minor}/site-packages/pyflink"

    @property
    def flink_lib(self) -> Path:
        return self.root / "flink" / "lib"

    @property
    def decode_jar(self) -> Path:
        return self.repo / "flink_jobs" / "decode" / "target" / "slipway-decode.jar"

    @property
    def worlds(self) -> Path:
        return self.root / "worlds"

    def world(self, name: str) -> World:
        """The world called `name`, whether it exists or not."""
        if not _NAME.fullmatch(name):
            raise StackError(
                f"world name {name!r}: expected lower-case letters, digits, '-', a letter first, 31 at most"
            )
        return World(self, name)


@dataclass(frozen=True, slots=True)
class World:
    """One set of data, logs, ports and passwords."""

    installation: Installation
    name: str

    @property
    def home(self) -> Path:
        return self.installation.worlds / self.name

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Pid records, socket, rendered programs: worthless once the stack is down."""
        return self.home / "run"

    @property
    def conf(self) -> Path:
        return self.home / "conf"

    @property
    def tmp(self) -> Path:
        """The JVMs' temporary files: in /tmp, another user's cache of the same name may be in the way."""
        return self.home / "tmp"

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    @property
    def evidence(self) -> Path:
        return self.home / "evidence"

    @property
    def stack_json(self) -> Path:
        return self.home / "stack.json"

    @property
    def env_file(self) -> Path:
        return self.home / "env"

    @property
    def socket(self) -> Path:
        """Supervisord's socket; below the temporary directory where the world's own path is too long."""
        plain = self.run / "supervisor.sock"
        if len(os.fsencode(plain)) <= _LONGEST_SOCKET:
            return plain
        return self.short_run / "supervisor.sock"

    @property
    def short_run(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"slipway-{os.getuid()}-{digest}"

    @property
    def lock_file(self) -> Path:
        """Outside the world's folder, so that it outlives a reset."""
        return self.installation.worlds / f".{self.name}.lock"

    def make_folders(self) -> None:
        """Create the world's folders, readable by this user only."""
        self.installation.worlds.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(mode=0o711, exist_ok=True)
        for folder in (self.logs, self.run, self.conf, self.tmp, self.lake, self.evidence):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self.socket.parent != self.run:
            make_private_folder(self.socket.parent)


def this_installation() -> Installation:
    """The installation of the checkout that this file belongs to."""
    return Installation(Path(__file__).resolve().parent.parent)


def make_private_folder(folder: Path) -> None:
    """Create `folder` for this user alone; refuse one that somebody else made in a shared place."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid():
        raise StackError(f"{folder} belongs to user {found.st_uid}, expected {os.getuid()}: remove it")


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, mode 0600: a crash leaves the old file or the new one."""
    with _replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
