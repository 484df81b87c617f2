"""The page in a browser: a person signs with two clicks, and sees what others do without reloading."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import uvicorn
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI
from playwright.sync_api import Page, expect, sync_playwright

from slipway.app import observation
from slipway.domain.evidence import Digest
from slipway.domain.states import State
from slipway.ui.app import create_app
from slipway.ui.console import Console
from tests.fakes.control import Control, control
from tests.fakes.document import context, document, hidden, night, restatement, waiver
from tests.fakes.observing import quarter


@pytest.fixture
def ready() -> Control:
    found = control()
    found.reconcile(document=document())
    return found


@pytest.fixture
def site(ready: Control, tmp_path: Path) -> Iterator[str]:
    """The app as Airflow mounts it, for carla, on a free port."""
    app = create_app(Console(lambda: {"flights": ready.migration}, lambda: ready.world, lambda: tmp_path))
    app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="carla", role="user")
    outer = FastAPI()
    outer.mount("/slipway", app)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(outer, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/slipway"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1360, "height": 900})
        complaints: list[str] = []
        refused = "status of 409"  # the browser's own note of an answer that a test asks for
        opened.on(
            "console",
            lambda told: (
                complaints.append(told.text) if told.type == "error" and refused not in told.text else None
            ),
        )
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
        browser.close()
        assert complaints == []


def test_a_person_finds_the_migration_and_signs(site: str, page: Page, ready: Control) -> None:
    page.goto(f"{site}/")
    page.get_by_role("link", name="flights").click()
    page.get_by_label("Comment as consumer").fill("looked at every day")
    page.get_by_role("button", name="Approve").click()

    expect(page.get_by_text("carla approved")).to_be_visible()
    assert [(word.user, word.comment) for word in ready.ledger.sign_offs("flights")] == [
        ("carla", "looked at every day")
    ]


def test_a_rejection_wants_a_comment_and_is_shown_as_held(site: str, page: Page, ready: Control) -> None:
    page.goto(f"{site}/migrations/flights")
    page.get_by_role("button", name="Reject").click()
    assert ready.ledger.sign_offs("flights") == []

    page.get_by_label("Comment as consumer").fill("seats look wrong")
    page.get_by_role("button", name="Reject").click()

    expect(page.get_by_role("heading", name="Held")).to_be_visible()
    assert ready.state is State.HELD


def test_a_refusal_is_told_where_the_person_looks(site: str, page: Page, ready: Control) -> None:
    page.goto(f"{site}/migrations/flights")
    ready.sign("consumer")  # in another window
    page.get_by_label("Comment as consumer").fill("seen")
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        page.get_by_role("button", name="Approve").click()

    assert answered.value.status == 409
    expect(page.get_by_role("status").filter(has_text="already")).to_be_visible()


def test_what_others_sign_appears_by_itself(site: str, page: Page, ready: Control) -> None:
    page.goto(f"{site}/migrations/flights")
    ready.sign("data_owner", comment="from another desk")
    expect(page.get_by_text("from another desk")).to_be_visible(timeout=15_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_theme_and_nothing_overflows(site: str, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for width in (1360, 700):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{site}/migrations/flights")
        assert page.evaluate("document.documentElement.classList.contains('dark')") is (scheme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def written(kind: str, folder: Path) -> Path:
    """Write one page of a kind and return where it lies."""
    seen = quarter(folder)
    if kind == "observation":
        return Path(observation.write(seen.control.migration, seen.world))
    period = {"name": "2013-02", "first": "2013-02-01", "last": "2013-02-28"}
    wrong = {("flights_daily", "departed", 9): [("late", 37)]}
    one = night(
        first=date(2013, 2, 1),
        days=28,
        faults=wrong,
        waivers=[waiver()],
        restatements=[restatement()],
        hidden=[hidden()],
        period=period if kind == "close" else None,
    )
    return Path(seen.reports.write(one, Digest("c415" * 16), context()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["night", "close", "observation"])
def test_a_report_opens_offline_at_any_width(page: Page, tmp_path: Path, kind: str, scheme: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    where = written(kind, tmp_path)
    for width in (360, 980):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(where.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        # What does not fit is scrolled in a region that the keyboard reaches, and nothing is cut elsewhere.
        cut = page.evaluate(
            "[...document.querySelectorAll('main p, main li, main dl, main h2, main h3, summary')]"
            ".filter(one => !one.closest('.scroll, .sr') && one.scrollWidth > one.clientWidth + 1)"
            ".map(one => one.textContent)"
        )
        assert cut == []
    assert {url for url in asked if not url.startswith(("file:", "data:"))} == set()


def test_the_keyboard_leads_from_a_square_to_its_causes(page: Page, tmp_path: Path) -> None:
    page.goto(written("night", tmp_path).as_uri())
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "A":
            break

    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Why 10 February 2013 differs")).to_be_in_viewport()


@pytest.mark.parametrize("kind", ["night", "observation"])
def test_paper_cuts_no_table(page: Page, tmp_path: Path, kind: str) -> None:
    page.set_viewport_size({"width": 690, "height": 980})  # what A4 leaves between its margins
    page.emulate_media(media="print")
    page.goto(written(kind, tmp_path).as_uri())

    wide = page.evaluate(
        "[...document.querySelectorAll('table')].filter(one => one.checkVisibility())"
        ".filter(one => one.getBoundingClientRect().right > innerWidth + 1).map(one => one.innerText)"
    )
    assert wide == []
    assert page.get_by_text("2013-02-10-UA-101-EWR:D").first.is_visible() == (kind == "night")


def test_a_logged_in_person_goes_from_the_observation_to_a_night(
    site: str, page: Page, ready: Control, tmp_path: Path
) -> None:
    where = written("observation", tmp_path)
    assert where.parent == tmp_path / "flights"
    page.goto(f"{site}/migrations/flights")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="whole observation").click()

    opened.value.get_by_role("link", name="1 Mar FAIL").click()
    expect(opened.value.get_by_text("Not ready")).to_be_visible()
