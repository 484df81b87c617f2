"""Evidence on a file system: every file is named by the SHA-256 of its content and never changed."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway.domain.evidence import Digest, canonical
from slipway.errors import Permanent


class EvidenceFiles:
    """slipway.ports.EvidenceStore in one folder. Two writers of the same content never disturb each other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, document: Mapping[str, Any]) -> Digest:
        """Store a document in its canonical form and return its digest."""
        content = canonical(document)
        digest = Digest(hashlib.sha256(content).hexdigest())
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(content)
        self._settle(Path(file.name), digest)
        return digest

    def get(self, digest: Digest) -> Mapping[str, Any]:
        """Return a document; Permanent when it is absent, or is no longer what was stored."""
        content = self.path_of(digest).read_bytes()
        seen = hashlib.sha256(content).hexdigest()
        if seen != digest:
            raise Permanent(
                f"evidence {digest[:12]} was changed after it was stored: its content now has the digest"
                f" {seen[:12]}; restore {self._path(digest)} from a backup, or reconcile again"
            )
        document: Mapping[str, Any] = json.loads(content)
        return document

    def keep_file(self, path: Path) -> Digest:
        """Move a finished file into the store under its SHA-256."""
        with path.open("rb") as file:
            digest = Digest(hashlib.file_digest(file, "sha256").hexdigest())
        self._folder.mkdir(parents=True, exist_ok=True)
        # The store may be another file system, where a move is a copy that can be cut short.
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as copy, path.open("rb") as source:
            shutil.copyfileobj(source, copy)
        self._settle(Path(copy.name), digest)
        path.unlink()
        return digest

    def path_of(self, digest: Digest) -> Path:
        """Return the path of what is stored under a digest; Permanent when nothing is."""
        path = self._path(digest)
        if not path.is_file():
            raise Permanent(
                f"there is no evidence {digest[:12]} in {self._folder}; `slipway history` lists what is"
            )
        return path

    def _path(self, digest: Digest) -> Path:
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise Permanent(f"{digest!r} is not a digest: 64 lower-case hexadecimal digits are expected")
        return self._folder / digest[:2] / digest

    def _settle(self, written: Path, digest: Digest) -> None:
        target = self._path(digest)
        target.parent.mkdir(exist_ok=True)
        written.chmod(0o444)
        written.replace(target)
