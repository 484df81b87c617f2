"""Data Docs that need no network: the library's pages load their looks from a CDN."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def site(folder: Path) -> dict[str, Any]:
    """Return the configuration of a site in a folder."""
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
    }


def make_self_contained(folder: Path) -> None:
    """Rewrite every page below a folder so that it loads nothing from anywhere."""
