"""Installs what the project needs below `.local/`; a second run finds everything in place.

`python3 -m local.setup` runs before any environment exists, so it uses the standard library only.
`python3 -m local.setup browser` adds the browser that the tests of the pages drive.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.errors import StackError
from local.paths import Installation, this_installation

_UV = "0.13.9"
_PYTHON = (3, 11)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def install(installation: Installation) -> None:
    """Environments, jars and the decode function; each part is redone only when its input changed."""
    _check_prerequisites()
    installation.root.mkdir(exist_ok=True)
    _once(installation, "boot", f"uv {_UV}", _UV, lambda log: _boot(installation, log))
    repo = installation.repo
    parts: list[Callable[[], None]] = [
        lambda: _environment(installation, "venv", repo / "requirements.txt"),
        lambda: _environment(installation, "flink-venv", repo / "flink_jobs" / "requirements.txt"),
        lambda: _java(installation),
    ]
    with ThreadPoolExecutor(len(parts)) as pool:
        for part in [pool.submit(part) for part in parts]:
            part.result()


def install_browser(installation: Installation) -> bool:
    """Make sure of a Chromium; where that is impossible, say which package is missing and return False."""
    if any(shutil.which(name) for name in _BROWSERS):
        return True
    reason = _why_not_installable()
    if reason is None:
        try:
            _step(installation, "browser", "Debian's chromium", _install_chromium)
        except StackError as error:
            reason = str(error)
        else:
            return True
    _tell(f"no browser: {reason}. Tests of the pages are skipped until the package `chromium` is there.")
    return False


def _why_not_installable() -> str | None:
    if shutil.which("apt-get") is None:
        return "this system has no apt-get"
    if os.geteuid() != 0:
        return "only root may run apt-get install chromium"
    return None


def _install_chromium(log: Path) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "-q"], log, quiet)
    _run(["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium"], log, quiet)


def _boot(installation: Installation, log: Path) -> None:
    boot = installation.root / "boot"
    if not (boot / "bin" / "pip").exists():
        shutil.rmtree(boot, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(boot)], log)
    _run([str(boot / "bin" / "python"), "-m", "pip", "install", "--quiet", f"uv=={_UV}"], log)


def _environment(installation: Installation, name: str, requirements: Path) -> None:
    """A virtual environment with exactly the packages of `requirements`."""
    folder, uv = installation.root / name, installation.root / "boot" / "bin" / "uv"

    def sync(log: Path) -> None:
        if not (folder / "bin" / "python").exists():
            _run([str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], log)
        _run([str(uv), "pip", "sync", "--python", str(folder / "bin" / "python"), str(requirements)], log)

    lines = requirements.read_text(encoding="utf-8").count("\n")
    what = f"{lines} packages of {requirements.relative_to(installation.repo)}"
    _once(installation, name, what, _digest([requirements]) + sys.version, sync)


def _java(installation: Installation) -> None:
    """The stack's jars, then the decode function, which is compiled against some of the same."""
    pom = installation.repo / "local" / "pom.xml"
    what = "jars of Kafka, Flink's connectors and the registry"
    _once(installation, "jars", what, _digest([pom]), lambda log: _jars(installation, pom, log))
    module = installation.repo / "flink_jobs" / "decode"
    if not (module / "pom.xml").exists():
        return
    sources = [module / "pom.xml", *sorted(path for path in (module / "src").rglob("*") if path.is_file())]
    wanted = _digest(sources) if installation.decode_jar.exists() else "absent"

    def package(log: Path) -> None:
        _run(["mvn", "-q", "-B", "-C", "-f", str(module / "pom.xml"), "package"], log)

    what = "the decode function, built and tested"
    _once(installation, "decode", what, wanted, package, lambda: _digest(sources))


def _jars(installation: Installation, pom: Path, log: Path) -> None:
    """Into a new folder first: an interrupted copy or an older version must not stay on a class path."""
    draft = installation.root / "jars.new"
    shutil.rmtree(draft, ignore_errors=True)
    _run(["mvn", "-q", "-B", "-C", "-f", str(pom), f"-Djars={draft}", "process-resources"], log)
    shutil.rmtree(installation.jars, ignore_errors=True)
    draft.rename(installation.jars)


def _once(
    installation: Installation,
    name: str,
    what: str,
    wanted: str,
    work: Callable[[Path], None],
    after: Callable[[], str] | None = None,
) -> None:
    """Do `work` unless a former run did it with the same input; the mark is written last."""
    mark = installation.root / f"{name}.done"
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return
    mark.unlink(missing_ok=True)
    _step(installation, name, what, work)
    mark.write_text(wanted if after is None else after(), encoding="utf-8")


def _step(installation: Installation, name: str, what: str, work: Callable[[Path], None]) -> None:
    log = installation.root / f"{name}.log"
    log.write_bytes(b"")
    _tell(f"installing {what}")
    begun = time.monotonic()
    work(log)
    _tell(f"installed {what} in {time.monotonic() - begun:.1f} s")


def _run(command: list[str], log: Path, extra: Mapping[str, str] | None = None) -> None:
    # Nothing of an environment that happens to be active may leak into ours.
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env = kept | {"UV_PYTHON_DOWNLOADS": "never"} | dict(extra or {})
    with log.open("ab") as output:
        done = subprocess.run(
            command, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL, check=False
        )
    if done.returncode != 0:
        last = "\n  ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        short = " ".join(command[:4])
        raise StackError(f"{short} ... ended with {done.returncode}. The end of {log}:\n  {last}")


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def _check_prerequisites() -> None:
    """Say all that is missing at once."""
    missing = []
    if sys.version_info[:2] != _PYTHON:
        missing.append(
            f"Python {_PYTHON[0]}.{_PYTHON[1]}: this is {sys.version.split()[0]}; requirements.txt is "
            "resolved for that version (make PYTHON=/path/to/python3.11 ...)"
        )
    if not sys.platform.startswith("linux"):
        missing.append(f"Linux: this is {sys.platform}; docker-compose.yaml describes the same stack")
    try:
        found = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
        version = re.search(r'version "(\d+)', found)
        if version is None or int(version.group(1)) < 17:
            missing.append(f"Java 17 or later: java -version says {found.splitlines()[:1]}")
    except FileNotFoundError:
        missing.append("Java 17 or later: no java on PATH (Debian: apt-get install openjdk-17-jdk-headless)")
    if shutil.which("mvn") is None:
        missing.append("Maven 3: no mvn on PATH (Debian: apt-get install maven)")
    if missing:
        raise StackError("this machine lacks:\n  " + "\n  ".join(missing))


def _tell(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str]) -> int:
    """Install everything, or with the argument `browser` the browser; returns the exit status."""
    try:
        if arguments == ["browser"]:
            install_browser(this_installation())
        else:
            install(this_installation())
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
