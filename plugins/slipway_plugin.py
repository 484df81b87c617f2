"""Registers Slipway's pages and its listener with Airflow. Every Airflow process loads it: it stays light."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from slipway.orchestration import run_origin


class SlipwayPlugin(AirflowPlugin):
    """The page `Slipway` in the menu, its API, and the scheduler's note of how runs were started."""

    name = "slipway"
    listeners = [run_origin]  # noqa: RUF012 - Airflow declares plain lists
    external_views = [  # noqa: RUF012
        {
            "name": "Slipway",
            "href": "/slipway/",
            "destination": "nav",
            "url_route": "slipway",
            "icon": "/slipway/static/slipway.svg",
            "icon_dark_mode": "/slipway/static/slipway-dark.svg",
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The web app; only the api-server asks for it, so no task ever builds it."""
        from slipway.ui.app import create_app

        return [{"app": create_app(), "url_prefix": "/slipway", "name": "Slipway"}]
