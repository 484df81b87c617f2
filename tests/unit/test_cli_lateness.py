"""`slipway lateness` answers from the newest evidence, for the contract's target or another."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from slipway import bootstrap, cli
from slipway.domain.evidence import canonical
from slipway.domain.lateness import Advice, Arrivals, Rung, Watched, advice_document

HOUR = 3600


def advice() -> dict[str, Any]:
    rungs = tuple(
        Rung(bound, events, {"events": Decimal(events) / 1000, "trips_daily.fares": Decimal(share)})
        for bound, events, share in ((0, 90, "0.09"), (6 * HOUR, 1, "0.0002"), (24 * HOUR, 0, "0"))
    )
    days = Watched(24 * HOUR, date(2026, 3, 2), 2, (date(2026, 3, 3),))
    of_all = Arrivals("trips_daily", None, None, 1000, 0, -7200, 60, 3600, rungs)
    segments = (
        Arrivals("trips_daily", "zone", "N", 400, 1, -7200, 60, 3600, rungs),
        Arrivals("trips_daily", "zone", None, 100, 0, -7200, -3600, 60, rungs),
    )
    found = Advice(24 * HOUR, days, (of_all,), segments, {("trips_daily", "zone"): 2})
    return advice_document(found, Decimal("0.001"), {})


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A ledger with one night, whose evidence is returned and may be changed."""
    document: dict[str, Any] = json.loads(
        canonical({"advice": advice(), "days": {"closed_through": "2026-03-03"}})
    )
    newest = SimpleNamespace(digest="ab" * 32)
    world = SimpleNamespace(
        ledger=SimpleNamespace(reconciliations=lambda name, most: [newest]),
        evidence=SimpleNamespace(get=lambda digest: document),
    )
    monkeypatch.setattr(bootstrap, "world", lambda: world)
    monkeypatch.setattr(bootstrap, "migration", lambda name: SimpleNamespace(name=name))
    monkeypatch.setenv("COLUMNS", "200")
    return document


def test_the_ladder_is_printed_with_its_sentence(
    night: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lateness", "trips"]) == cli.DONE

    out = capsys.readouterr().out
    assert "6 h would have lost 0.1 % of the events; accept_late: 6h keeps to 0.1 %." in out
    lines = {line.split("  ")[0].strip(): line.split() for line in out.splitlines()}
    assert lines["6 h"] == ["6", "h", "1", "0.1", "%", "events", "advised"]
    assert lines["24 h"] == ["24", "h", "0", "0", "%", "the", "contract's"]
    assert "NULL" in out and "-2 h" in out
    assert "2 more values of zone" in out
    assert "evidence abababababab, closed through 2026-03-03" in out


@pytest.mark.parametrize(("target", "recommended"), [("10%", 0), ("0.0005", 24 * HOUR), ("0", 24 * HOUR)])
def test_another_target_is_answered_from_the_same_evidence(
    night: dict[str, Any], capsys: pytest.CaptureFixture[str], target: str, recommended: int
) -> None:
    assert cli.main(["lateness", "trips", "--target", target, "--json"]) == cli.DONE

    found = json.loads(capsys.readouterr().out)
    assert found["recommended"] == recommended
    assert {one["recommended"] for one in found["segments"]} == {recommended}
    assert Decimal(found["target"]) == Decimal(target.rstrip("%")) / (100 if "%" in target else 1)


@pytest.mark.parametrize("target", ["100%", "1", "a lot", "-1", "nan"])
def test_what_is_no_share_is_refused(
    night: dict[str, Any], capsys: pytest.CaptureFixture[str], target: str
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["lateness", "trips", f"--target={target}"])
    assert "write" in capsys.readouterr().err


@pytest.mark.parametrize("empty", [True, False])
def test_a_migration_that_no_night_has_told_about_says_what_to_do(
    night: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    empty: bool,
) -> None:
    night["advice"] = {}
    if empty:
        monkeypatch.setattr(bootstrap.world().ledger, "reconciliations", lambda name, most: [])

    assert cli.main(["lateness", "trips"]) == cli.NO

    assert "trigger trips.reconcile" in capsys.readouterr().err
