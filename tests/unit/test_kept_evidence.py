"""How long the snapshots of a night are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from slipway.domain.evidence import Digest
from slipway.domain.kept_evidence import NEWEST_NIGHTS, Told, evidence_tag, superfluous_tags

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def digest(n: int) -> Digest:
    return Digest(f"{n:02x}" * 32)


def nights(*ages: int) -> list[Told]:
    return [Told(digest(age), NOW - age * DAY) for age in ages]


def gone(told: list[Told], named: tuple[Digest, ...] = ()) -> frozenset[str]:
    return superfluous_tags(told, named, evidence_valid=DAY, observed=7 * DAY, now=NOW)


def test_nights_older_than_the_window_and_the_gate_look_back_go() -> None:
    assert gone(nights(1, 2, 3, 7, 8, 9, 30)) == {evidence_tag(digest(9)), evidence_tag(digest(30))}


def test_the_newest_nights_stay_whatever_their_age() -> None:
    assert NEWEST_NIGHTS == 3
    assert gone(nights(40, 41, 42, 43)) == {evidence_tag(digest(43))}


def test_evidence_that_somebody_spoke_on_stays() -> None:
    assert gone(nights(1, 2, 3, 30, 31), (digest(30),)) == {evidence_tag(digest(31))}


def test_evidence_that_a_newer_night_found_again_stays() -> None:
    again = [Told(digest(9), NOW), *nights(1, 2, 3), Told(digest(9), NOW - 30 * DAY)]

    assert gone(again) == frozenset()


def test_without_nights_nothing_goes() -> None:
    assert gone([]) == frozenset()
