"""Which pages of the demo become pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo import pictures
from slipway.app import observation
from tests.fakes.observing import quarter


def test_the_newest_night_that_failed_and_the_observation_are_drawn(tmp_path: Path) -> None:
    seen = quarter(tmp_path)
    observation.write(seen.control.migration, seen.world)

    found = pictures.pictures(tmp_path / "flights")

    assert set(found) == {"night", "observation"}
    assert found["night"].page.name.startswith("20130303T")


def test_without_pages_nothing_is_drawn_and_the_way_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures.shutil, "which", lambda name: "/usr/bin/true")

    assert pictures.main([str(tmp_path), "--into", str(tmp_path / "images")]) == 1
    assert "run `make demo` first" in capsys.readouterr().err
    assert not (tmp_path / "images").exists()
