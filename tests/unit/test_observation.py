"""The page of a whole observation: go or no go, how each day stands by now, what became of differences."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from slipway.app import observation
from slipway.cli import main
from slipway.domain.evidence import Digest
from slipway.domain.observation import latest
from slipway.domain.states import State
from slipway.errors import Permanent
from slipway.ports import SwitchRow
from tests.fakes.control import ANA
from tests.fakes.observing import FIRST, KPI, Observed, quarter

LATE = {(KPI, "departed", 4): [("late", 37)]}


@pytest.fixture
def seen(tmp_path: Path) -> Observed:
    return Observed(tmp_path / "reports")


def looked(seen: Observed) -> observation.Observation:
    return observation.observation(seen.control.migration, seen.world)


def text(seen: Observed) -> str:
    html = Path(observation.write(seen.control.migration, seen.world)).read_text("utf-8")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html[html.index("<body>") :]))


def test_the_first_line_says_no_go_and_what_is_missing(seen: Observed) -> None:
    seen.night(8)
    seen.control.sign("data_owner")

    found = text(seen)

    assert found.index("No go yet") < found.index("2 things are missing: the role consumer has not signed")
    assert not looked(seen).go


def test_it_is_go_when_every_role_has_signed(seen: Observed) -> None:
    seen.night(8)
    for role in ("data_owner", "consumer", "on_call"):
        seen.control.sign(role)

    found = looked(seen)

    assert (found.go, found.title, found.missing) == (True, "Go", ())
    assert "Nothing is missing. Next step: Trigger flights.cutover." in text(seen)


@pytest.mark.parametrize("state", [State.CONTRACTED, State.PROVISIONED])
def test_a_migration_that_nothing_stops_yet_is_no_go_all_the_same(seen: Observed, state: State) -> None:
    assert observation.verdict_of(state, ()) == (False, "No go yet")


def test_after_the_switch_it_names_the_words_that_moved_readers_and_the_journal(seen: Observed) -> None:
    digest = seen.night(8)
    for role in ("data_owner", "consumer", "on_call"):
        seen.control.sign(role)
    moved = switch(1, "switch", digest)
    seen.world.ledger.mirror_switches([moved])
    for state in (State.SWITCHED, State.COMPLETED):
        seen.world.ledger.advance("flights", state, ANA, "a night after the switch passed")
    seen.night(9)  # newer evidence, which nobody has to sign

    found = text(seen)

    assert f"Readers were moved on evidence {digest[:12]} ; these are the words on it." in found
    assert found.count("approved") == 3 and "0 of 1 signed" not in found
    assert f"readers switched to the stream by rita, {KPI}: five days agree" in found

    seen.world.ledger.mirror_switches([switch(2, "rollback", None)])
    seen.world.ledger.advance("flights", State.ROLLED_BACK, ANA, "rehearsal")
    assert "Readers were moved on evidence" not in text(seen)
    assert looked(seen).moved_by == ()


def switch(row: int, action: str, digest: Digest | None) -> SwitchRow:
    routes: dict[str, object] = {"source": "batch", "revision": 1, "canary": {}}
    at = datetime(2013, 3, 3, 12, row, tzinfo=UTC)
    return SwitchRow(
        row, "flights", KPI, row, action, routes, routes, digest, "rita", "five days agree", "", at
    )


def test_a_migration_without_a_night_has_a_page(seen: Observed) -> None:
    found = text(seen)

    assert "Nothing has been reconciled yet" in found
    assert "No go yet" in found


def test_each_day_stands_as_the_newest_night_judged_it(seen: Observed) -> None:
    seen.night(6, faults=LATE)
    seen.night(7)

    days = latest(looked(seen).nights)

    night, day = days[KPI, (FIRST + timedelta(days=4)).isoformat()]
    assert (day.kind, night.as_of.day) == ("pass", 25)
    assert days[KPI, (FIRST + timedelta(days=6)).isoformat()][1].kind == "open"


def test_a_day_that_a_later_night_found_open_keeps_its_judgement(seen: Observed) -> None:
    seen.night(7, faults=LATE)
    seen.night(6, open_days=3)

    days = latest(looked(seen).nights)

    assert days[KPI, (FIRST + timedelta(days=4)).isoformat()][1].kind == "fail"


def test_who_amended_and_who_waived_is_told_with_the_reason(tmp_path: Path) -> None:
    found = {one.day: one for one in looked(quarter(tmp_path)).failures}

    assert found["2013-02-27"].resolved == ("amended by ana, 37 late rows: outage of the Newark feed",)
    assert found["2013-02-27"].causes == ("37 events arrived after the accepted 24 h and wait aside as late",)
    assert found["2013-03-01"].resolved == ("waived by ana: Three test flights of the producer",)


def test_an_amendment_of_other_days_mends_nothing_here(seen: Observed) -> None:
    seen.night(6, faults=LATE)
    seen.amend(date(2013, 1, 1))
    seen.night(7)

    (one,) = looked(seen).failures

    assert one.resolved == ("the stream's numbers are others since",)


def test_a_new_revision_is_named(seen: Observed) -> None:
    seen.night(6, faults=LATE)
    seen.control.deploy(revision=2)
    seen.night(7)

    (one,) = looked(seen).failures

    assert "revision 1 was replaced by 2" in one.resolved


def test_a_day_that_still_differs_comes_first_and_says_so(seen: Observed) -> None:
    seen.night(5, faults={(KPI, "seats", 1): [("value", 3)]})
    seen.night(7, faults=LATE)

    found = looked(seen).failures

    assert [(one.day[-2:], bool(one.resolved)) for one in found] == [("22", False), ("19", True)]
    assert "still differs" in text(seen)


def test_nights_of_another_meaning_stand_in_the_time_line_alone(seen: Observed) -> None:
    seen.night(6, faults=LATE, parity_digest="0" * 64)
    seen.night(7)

    found = looked(seen)

    assert found.changed and found.failures == ()
    assert len(found.nights) == 2
    assert "changed their meaning count for nothing" in text(seen)


def test_it_looks_back_on_a_bounded_number_of_nights(seen: Observed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation, "NIGHTS", 2)
    for days in (5, 6, 7):
        seen.night(days)

    found = looked(seen)

    assert [night.as_of.day for night in found.nights] == [24, 25] and found.older
    assert "Older ones are in the ledger" in text(seen)


def test_every_night_is_led_to_by_a_name_beside_the_page(seen: Observed) -> None:
    seen.night(6)
    seen.night(7, faults=LATE)

    page = Path(observation.write(seen.control.migration, seen.world))

    links = set(re.findall(r'<a[^>]*href="([^"#]+)"', page.read_text("utf-8")))
    assert len(links) == 2
    assert not any("/" in link for link in links)
    assert all((page.parent / link).is_file() for link in links)


def test_evidence_that_the_ledger_has_lost_leaves_a_night_without_days(seen: Observed) -> None:
    digest = seen.night(6)
    seen.night(7)
    del seen.control.ledger._evidence[Digest(digest)]

    assert looked(seen).nights[0].days == ()
    assert "Night by night" in text(seen)


# --- the command ------------------------------------------------------------------------------------------


@pytest.fixture
def commanded(seen: Observed, monkeypatch: pytest.MonkeyPatch) -> Observed:
    from slipway.cli import reports

    monkeypatch.setattr(reports.bootstrap, "world", lambda: seen.world)
    monkeypatch.setattr(reports.bootstrap, "migration", lambda name: seen.control.migration)
    return seen


def test_the_command_finds_the_newest_night_or_the_one_that_is_asked_for(
    commanded: Observed, capsys: pytest.CaptureFixture[str]
) -> None:
    first = commanded.night(6)
    newest = commanded.night(7)

    assert main(["report", "flights"]) == 0
    assert newest[:12] in capsys.readouterr().out
    assert main(["report", "flights", "--evidence", first[:10]]) == 0
    assert first[:12] in capsys.readouterr().out


def test_a_copied_observation_takes_its_nights_along(
    commanded: Observed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commanded.night(6)
    away = tmp_path / "mail" / "flights.html"

    assert main(["report", "flights", "--observation", "--to", str(away)]) == 0

    links = set(re.findall(r'<a[^>]*href="([^"#]+)"', away.read_text("utf-8")))
    assert links and all((away.parent / link).is_file() for link in links)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], "no reconciliation of flights"),
        (["--evidence", "abc"], "no evidence that begins with abc"),
        (["--evidence", "abc", "--observation"], "not both"),
    ],
)
def test_the_command_says_what_there_is_not(
    commanded: Observed, capsys: pytest.CaptureFixture[str], asked: list[str], told: str
) -> None:
    assert main(["report", "flights", *asked]) == 1
    assert told in capsys.readouterr().err


def test_evidence_is_named_by_its_first_digits_and_never_guessed(seen: Observed) -> None:
    from slipway.cli.operations import _whole

    first, second = seen.night(6), seen.night(7)

    assert _whole(first[:12], "flights", seen.world) == first != second
    with pytest.raises(Permanent, match="no evidence of flights begins with"):
        _whole("0" * 12 if not first.startswith("0" * 12) else "1" * 12, "flights", seen.world)
    with pytest.raises(Permanent, match="several pieces of evidence begin"):
        _whole("", "flights", seen.world)
