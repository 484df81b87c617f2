"""Closed periods on the page: who may close, what is shown, and that nobody closes from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI
from fastapi.testclient import TestClient

from slipway.domain.evidence import Verdict
from slipway.domain.restatements import Reason, Restatement
from slipway.ui.app import create_app
from slipway.ui.console import Console
from tests.fakes.closing import WEEK, Closing
from tests.fakes.control import ANA, RITA, ROLES, control
from tests.fakes.document import document

As = Callable[[str], TestClient]
CLOSES = "/api/migrations/flights/closes"
PAGE = "/migrations/flights"
PAGE_API = "/api/migrations/flights"


@pytest.fixture
def ready() -> Closing:
    found = control()
    found.reconcile(document=document())
    closing = Closing(found)
    closing.run()
    return closing


@pytest.fixture
def app(ready: Closing, tmp_path: Path) -> FastAPI:
    known = {"flights": ready.control.migration}
    return create_app(Console(lambda: known, lambda: ready.control.world, lambda: tmp_path / "reports"))


@pytest.fixture
def as_user(app: FastAPI) -> Iterator[As]:
    def client(name: str) -> TestClient:
        app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username=name, role="user")
        return TestClient(app, base_url="http://airflow.test")

    yield client
    app.dependency_overrides.clear()


def word(ready: Closing, role: str = "data_owner", **changes: str) -> dict[str, str]:
    newest = ready.control.ledger.close_runs("flights")[0].digest
    return {"role": role, "decision": "approve", "evidence": newest, "comment": "seen", **changes}


def section(page: str) -> str:
    found = re.search(r'<section class="card" id="closed-periods">.*?</section>', page, re.DOTALL)
    assert found is not None
    return found[0]


def test_a_run_that_is_too_old_asks_nobody_to_sign(as_user: As, ready: Closing) -> None:
    ready.control.clock.pass_(25 * 3600)
    shown = section(as_user("ana").get(PAGE).text)
    assert "The newest evidence is too old" in shown
    assert "any more" in shown
    assert "<form" not in shown


@pytest.mark.parametrize("route", [CLOSES, f"{PAGE_API}/sign-offs"])
@pytest.mark.parametrize("comment", ["half \x00 a word", "half \ud800 a character"], ids=["NUL", "surrogate"])
def test_a_comment_that_no_database_keeps_is_refused_as_such(
    as_user: As, ready: Closing, route: str, comment: str
) -> None:
    body = json.dumps(word(ready, comment=comment))
    answer = as_user("ana").post(route, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "comment"]


def test_an_open_page_sees_words_on_every_period(as_user: As, ready: Closing) -> None:
    """Two months may wait at once, and the newest run is of one of them only."""
    other = ready.run(n=2, period="2013-02-26..2013-02-28")
    before = as_user("ana").get(f"{PAGE_API}/mark").json()
    ready.say("consumer", ready.control.ledger.close_runs("flights")[1].digest)
    assert ready.control.ledger.close_runs("flights")[0].id == other.id
    assert as_user("ana").get(f"{PAGE_API}/mark").json() != before


def test_the_roles_close_the_period_by_the_page(as_user: As, ready: Closing) -> None:
    for role, user in (("data_owner", "ana"), ("consumer", "carla"), ("on_call", "omar")):
        answer = as_user(user).post(CLOSES, json=word(ready, role))
        assert answer.status_code == 201, answer.text
        ready.control.clock.pass_(60)

    assert answer.json()["closed"] == WEEK
    assert [close.by for close in ready.closes()] == ["omar"]
    [told] = as_user("vic").get(CLOSES).json()
    assert (told["period"], told["versions"], told["run"]) == (WEEK, 1, None)
    assert told["closed"]["signed_by"] == {"consumer": ["carla"], "data_owner": ["ana"], "on_call": ["omar"]}
    shown = section(as_user("vic").get(PAGE).text)
    assert "25 to 28 February 2013" in shown
    assert "data owner: ana" in shown
    assert ">closed</span>" in shown
    assert "<form" not in section(as_user("ana").get(PAGE).text)


@pytest.mark.parametrize(
    ("user", "changes", "code", "reason"),
    [
        ("vic", {}, 403, "does not hold the role"),
        ("ana", {"role": "consumer"}, 403, "does not hold the role"),
        ("ana", {"decision": "reject", "comment": " "}, 409, "a rejection needs a comment"),
        ("ana", {"evidence": "f" * 64}, 409, "is not the evidence of a close run"),
        ("ana", {"decision": "close"}, 422, ""),
        ("ana", {"user": "carla"}, 422, ""),
    ],
)
def test_a_refusal_says_why(
    as_user: As, ready: Closing, user: str, changes: dict[str, str], code: int, reason: str
) -> None:
    answer = as_user(user).post(CLOSES, json=word(ready, **changes))
    assert answer.status_code == code
    assert reason in str(answer.json()["detail"])
    assert ready.control.ledger.sign_offs("flights") == []


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Content-Type": "text/plain"}],
)
def test_another_sites_page_closes_nothing(as_user: As, ready: Closing, headers: dict[str, str]) -> None:
    answer = as_user("ana").post(CLOSES, json=word(ready), headers=headers)
    assert answer.status_code in (403, 415)
    assert ready.control.ledger.sign_offs("flights") == []


def test_a_night_is_not_closed_by_this_door_nor_a_period_by_the_other(as_user: As, ready: Closing) -> None:
    night = ready.control.ledger.reconciliations("flights")[0].digest
    assert as_user("ana").post(CLOSES, json=word(ready, evidence=night)).status_code == 409
    answer = as_user("ana").post("/api/migrations/flights/sign-offs", json=word(ready))
    assert (answer.status_code, ready.closes()) == (409, [])


def test_the_page_asks_those_whose_word_is_missing(as_user: As, ready: Closing) -> None:
    shown = section(as_user("ana").get(PAGE).text)
    assert "waits for sign-offs" in shown
    assert shown.count("<form") == 1
    assert "Close the period" in shown
    assert section(as_user("vic").get(PAGE).text).count("<form") == 0

    ready.run(n=2, by=ANA)

    asked = section(as_user("ana").get(PAGE).text)
    assert "Close the period" not in asked
    assert "somebody else closes the period" in asked
    assert "Reject" in asked


def test_a_close_run_that_did_not_pass_asks_nobody(as_user: As, ready: Closing) -> None:
    ready.run(Verdict.FAIL, n=2)
    shown = section(as_user("ana").get(PAGE).text)
    assert "close run is FAIL" in shown
    assert "<form" not in shown


def test_restatements_are_shown_and_what_nobody_explains_stands_open(as_user: As, ready: Closing) -> None:
    before = as_user("vic").get(f"{CLOSES.removesuffix('closes')}mark").json()
    for role in ROLES:
        ready.say(role)
    closed = as_user("vic").get(f"{CLOSES.removesuffix('closes')}mark").json()
    [close] = ready.closes()
    row = Restatement(
        close.id,
        WEEK,
        close.digest,
        "flights_daily",
        {"day": "2013-02-27", "origin": "<b>LGA</b>"},
        date(2013, 2, 27),
        "seats",
        "stream",
        "100",
        None,
        Reason.UNEXPLAINED,
        "no amendment or revision since the close accounts for it",
    )
    night = ready.control.ledger.reconciliations("flights")[0]
    ready.control.ledger.record_reconciliation(night, document(), RITA, [row])

    shown = section(as_user("vic").get(PAGE).text)

    assert "closed, restated since" in shown
    assert "<details open>" in shown
    assert "1 value restated since, 1 of them unexplained" in shown
    assert "no row" in shown
    assert "&lt;b&gt;LGA&lt;/b&gt;" in shown
    marks = [before, closed, as_user("vic").get(f"{CLOSES.removesuffix('closes')}mark").json()]
    assert len({mark["mark"] for mark in marks}) == 3
