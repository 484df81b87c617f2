"""Where ports meet adapters; the only place that knows both. Adapters are imported when they are needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from slipway.adapters.contracts import ContractFileError, load_all, load_migration
from slipway.domain.contract import Migration
from slipway.errors import Permanent


def home() -> Path:
    """Return the checkout: SLIPWAY_HOME, or the folder that this package lies in."""
    given = os.environ.get("SLIPWAY_HOME")
    return Path(given) if given else Path(__file__).parents[2]


def contracts_folder() -> Path:
    """Return where the contracts are."""
    return home() / "include" / "migrations"


def migrations() -> Mapping[str, Migration]:
    """Return every migration by name; ContractFileError lists the complaints of all files."""
    return load_all(contracts_folder())


def migration(name: str) -> Migration:
    """Return one migration, read afresh from its file."""
    path = contracts_folder() / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in contracts_folder().glob("*.yaml"))) or "none"
        raise Permanent(f"there is no migration {name} (no file {path}); known are {known}")
    return load_migration(path)


def readable_migrations() -> Iterator[Migration]:
    """Yield the migrations whose contracts are right; one broken file must not hide the others."""
    for path in sorted(contracts_folder().glob("*.yaml")):
        try:
            yield load_migration(path)
        except ContractFileError:
            continue  # dags/contracts.py raises it, where Airflow shows it as an import error of its own


def rendered(migration: Migration) -> Mapping[str, str]:
    """Return the scripts of both jobs by name, as they would be submitted."""
    raise NotImplementedError
