"""The verb `closes`: what a person and a script are told of closed periods."""

from __future__ import annotations

import json
from datetime import date

import pytest

from slipway import bootstrap, cli
from slipway.domain.restatements import Reason, Restatement
from tests.fakes.closing import WEEK, Closing
from tests.fakes.control import RITA, ROLES, control


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> Closing:
    found = Closing(control())
    monkeypatch.setattr(bootstrap, "migration", lambda name: found.control.migration)
    monkeypatch.setattr(bootstrap, "world", lambda: found.control.world)
    monkeypatch.setenv("COLUMNS", "240")
    return found


def restate(ready: Closing, cause: Reason) -> None:
    [close] = ready.closes()
    row = Restatement(
        close.id,
        WEEK,
        close.digest,
        "flights_daily",
        {"flight_date": "2013-02-27", "origin": "LGA"},
        date(2013, 2, 27),
        "seats",
        "stream",
        "100",
        None,
        cause,
        "amendment 1 by ana: late",
    )
    night = ready.control.reconcile()
    ready.control.ledger.record_reconciliation(night, {}, RITA, [row])


def test_nothing_closed_is_said(ready: Closing, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["closes", "flights"]) == cli.DONE
    assert capsys.readouterr().out == "no period has been closed\n"


def test_a_run_that_nobody_can_sign_any_more_is_told_so(
    ready: Closing, capsys: pytest.CaptureFixture[str]
) -> None:
    ready.run()
    ready.control.clock.pass_(25 * 3600)
    assert cli.main(["closes", "flights", WEEK]) == cli.DONE
    assert "The newest evidence is too old; The role" in capsys.readouterr().out


def test_a_period_is_told_with_who_signed_it_or_has_to(
    ready: Closing, capsys: pytest.CaptureFixture[str]
) -> None:
    ready.run()
    ready.say("data_owner")
    assert cli.main(["closes", "flights", WEEK]) == cli.DONE
    told = capsys.readouterr().out
    assert "not closed" in told
    assert "The role consumer has not signed; The role on_call has not signed" in told

    ready.say("consumer")
    ready.say("on_call")
    assert cli.main(["closes", "flights"]) == cli.DONE
    assert "ana, carla, omar" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cause", "code"), [(Reason.AMENDMENT, cli.DONE), (Reason.UNEXPLAINED, cli.NO)], ids=str
)
def test_what_nobody_explains_has_an_exit_code(
    ready: Closing, cause: Reason, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ready.run()
    for role in ROLES:
        ready.say(role)
    restate(ready, cause)

    assert cli.main(["closes", "flights"]) == code
    told = capsys.readouterr().out
    assert "flight_date 2013-02-27, origin LGA" in told
    assert "no row" in told
    assert cli.main(["closes", "flights", "--json"]) == code
    [found] = json.loads(capsys.readouterr().out)
    assert found["restatements"][0]["cause"] == cause
    assert found["closed"]["signed_by"]["data_owner"] == ["ana"]


def test_a_period_that_is_none_or_was_never_closed_is_refused(
    ready: Closing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["closes", "flights", "February"]) == cli.NO
    assert "expected a month such as 2013-02" in capsys.readouterr().err
    assert cli.main(["closes", "flights", "2013-03"]) == cli.NO
    assert "2013-03 was never closed" in capsys.readouterr().err
