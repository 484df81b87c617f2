"""The pages' web app: who gets in, who may write, what is shown, and that nothing of it can be tricked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI
from fastapi.testclient import TestClient

from slipway.adapters.report import HtmlReports
from slipway.app import observation
from slipway.domain.evidence import Verdict
from slipway.domain.states import State
from slipway.ui.app import create_app
from slipway.ui.console import Console
from tests.contract.ledger_behaviour import WAIVER
from tests.fakes.control import ANA, RITA, Control, control
from tests.fakes.document import document

As = Callable[[str], TestClient]
HOST = "airflow.test"


@pytest.fixture
def ready() -> Control:
    found = control()
    found.reconcile(document=document())
    return found


@pytest.fixture
def app(ready: Control, tmp_path: Path) -> FastAPI:
    known = {"flights": ready.migration}
    return create_app(Console(lambda: known, lambda: ready.world, lambda: tmp_path / "reports"))


@pytest.fixture
def as_user(app: FastAPI) -> Iterator[As]:
    def client(name: str) -> TestClient:
        app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username=name, role="user")
        return TestClient(app, base_url=f"http://{HOST}")

    yield client
    app.dependency_overrides.clear()


def word(ready: Control, **changes: str) -> dict[str, str]:
    newest = ready.ledger.reconciliations("flights")[0].digest
    return {"role": "data_owner", "decision": "approve", "evidence": newest, "comment": "seen", **changes}


SIGN = "/api/migrations/flights/sign-offs"


def test_every_route_wants_a_login(app: FastAPI) -> None:
    nobody = TestClient(app, base_url=f"http://{HOST}")
    paths = {route.path: route.methods for route in app.routes}  # type: ignore[attr-defined]
    assert len(paths) >= 9

    for path, methods in paths.items():
        concrete = path.replace("{name}", "flights").replace("{number}", "1")
        for method in methods - {"HEAD"}:
            answer = nobody.request(method, concrete, json={} if method == "POST" else None)
            assert answer.status_code == 401, (method, path, answer.status_code)


def test_an_owner_signs_and_the_ledger_knows_who_it_was(as_user: As, ready: Control) -> None:
    answer = as_user("ana").post(SIGN, json=word(ready))

    assert answer.status_code == 201
    assert answer.json()["user"] == "ana"
    kept = ready.ledger.sign_offs("flights")
    assert [(each.user, each.role, each.decision) for each in kept] == [("ana", "data_owner", "approve")]


@pytest.mark.parametrize("name", ["vic", "rita", "carla", "admin"])
def test_who_does_not_hold_the_role_cannot_sign(as_user: As, ready: Control, name: str) -> None:
    answer = as_user(name).post(SIGN, json=word(ready))

    assert answer.status_code == 403
    assert "does not hold the role data_owner" in answer.json()["detail"]
    assert ready.ledger.sign_offs("flights") == []


def test_a_body_cannot_name_another_user(as_user: As, ready: Control) -> None:
    answer = as_user("vic").post(SIGN, json={**word(ready), "user": "ana"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda c: c.reconcile(document=document(True)), "superseded"),
        (lambda c: c.sign("data_owner"), "already"),
    ],
)
def test_a_refusal_says_why(
    as_user: As, ready: Control, spoil: Callable[[Control], object], reason: str
) -> None:
    body = word(ready)
    spoil(ready)

    answer = as_user("ana").post(SIGN, json=body)

    assert answer.status_code == 409
    assert reason in answer.json()["detail"]


def test_a_taken_lock_is_worth_another_try(as_user: As, ready: Control) -> None:
    with ready.ledger.lock("flights"):
        answer = as_user("ana").post(SIGN, json=word(ready))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}, 201),
        ({}, 201),
    ],
)
def test_another_sites_page_cannot_write(
    as_user: As, ready: Control, headers: dict[str, str], code: int
) -> None:
    answer = as_user("ana").post(SIGN, json=word(ready), headers=headers)

    assert answer.status_code == code
    assert len(ready.ledger.sign_offs("flights")) == (1 if code == 201 else 0)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_cannot_write(as_user: As, ready: Control, kind: str) -> None:
    import json

    answer = as_user("ana").post(SIGN, content=json.dumps(word(ready)), headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert ready.ledger.sign_offs("flights") == []


def test_every_answer_forbids_foreign_frames_and_caching(as_user: As) -> None:
    for path in ("/", "/migrations/flights", "/api/migrations", "/migrations/none"):
        answer = as_user("vic").get(path)
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_shows_state_gate_heat_map_and_who_is_awaited(as_user: As, ready: Control) -> None:
    ready.sign("data_owner", comment="looked at the 27th")
    page = as_user("carla").get("/migrations/flights").text

    assert "Ready to sign" in page
    assert "aria-current" in page
    assert "The role consumer has not signed" in page
    assert "looked at the 27th" in page
    assert page.count("<form data-sign") == 1
    assert 'data-role="consumer"' in page
    assert "delay minutes" in page


def test_a_viewer_sees_everything_and_is_offered_no_form(as_user: As) -> None:
    page = as_user("vic").get("/migrations/flights").text
    assert "The role consumer has not signed" in page
    assert "<form" not in page


def test_a_failing_night_offers_no_form_and_names_its_cause(as_user: As, ready: Control) -> None:
    ready.reconcile(Verdict.FAIL, document=document(failing=True), window_complete=False)
    page = as_user("ana").get("/migrations/flights").text

    assert "<form" not in page
    assert "Not ready" in page
    assert "Why they differ" in page
    assert "a data owner decides on amending 27 Feb" in page.replace("A data", "a data")


def test_what_people_write_is_escaped(as_user: As, ready: Control) -> None:
    nasty = '<script>alert("x")</script>'
    ready.sign("data_owner", comment=nasty)
    ready.ledger.incident("flights", "error", nasty, RITA)

    for path in ("/", "/migrations/flights"):
        assert "<script>alert" not in as_user("vic").get(path).text
    assert "&lt;script&gt;alert" in as_user("vic").get("/migrations/flights").text


def test_pages_need_no_inline_code_or_style(as_user: As) -> None:
    for path in ("/", "/migrations/flights"):
        page = as_user("ana").get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)


def test_the_list_names_the_next_step(as_user: As) -> None:
    page = as_user("vic").get("/").text
    assert "flights" in page
    assert "Ana signs the newest evidence" in page


def test_status_comes_as_json_too(as_user: As) -> None:
    found = as_user("vic").get("/api/migrations/flights").json()
    assert (found["state"], found["verdict"], found["sources"]) == (
        "ELIGIBLE",
        "PASS",
        {"flights_daily": "batch"},
    )
    assert {blocker["code"] for blocker in found["blocked_by"]} == {"quorum_incomplete"}
    assert as_user("vic").get("/api/migrations/none").status_code == 404


def test_the_mark_changes_when_somebody_signs(as_user: As, ready: Control) -> None:
    before = as_user("vic").get("/api/migrations/flights/mark").json()
    ready.sign("data_owner")
    assert as_user("vic").get("/api/migrations/flights/mark").json() != before


def test_the_page_works_while_the_warehouse_is_down(as_user: As, ready: Control) -> None:
    ready.serving.unreachable = True
    page = as_user("vic").get("/migrations/flights")
    assert page.status_code == 200
    assert "warehouse not reached" in page.text


def test_a_migration_that_the_ledger_does_not_know_is_a_draft(as_user: As, ready: Control) -> None:
    ready.ledger._standings.clear()
    ready.ledger._reconciliations.clear()
    page = as_user("vic").get("/migrations/flights")
    assert "Trigger flights.provision" in page.text


def test_a_report_is_served_in_a_sandbox_of_its_own(as_user: As, ready: Control, tmp_path: Path) -> None:
    file = tmp_path / "reports" / "flights" / "night.html"
    file.parent.mkdir(parents=True)
    file.write_text("<!doctype html><title>night</title>")
    night = ready.reconcile(document=document(), report=str(file))

    answer = as_user("vic").get(f"/migrations/flights/reports/{night.id}")

    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "allow-same-origin" not in policy


def test_the_whole_observation_is_led_to_and_served_in_a_sandbox(
    as_user: As, ready: Control, tmp_path: Path
) -> None:
    world = replace(ready.world, reports=HtmlReports(tmp_path / "reports"))
    observation.write(ready.migration, world)

    assert (
        'href="/migrations/flights/pages/observation.html"' in as_user("vic").get("/migrations/flights").text
    )
    answer = as_user("vic").get("/migrations/flights/pages/observation.html")
    assert "No go yet" in answer.text
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts;")


@pytest.mark.parametrize(
    "file",
    ["none.html", "..%2F..%2Fsecret.html", "%2e%2e", "evil.js", ".hidden.html", "a%2Fb.html", "linked.html"],
)
def test_only_pages_of_the_migration_itself_are_served(
    as_user: As, ready: Control, tmp_path: Path, file: str
) -> None:
    folder = tmp_path / "reports" / "flights"
    folder.mkdir(parents=True)
    for name in ("evil.js", ".hidden.html"):
        (folder / name).write_text("secret")
    (tmp_path / "secret.html").write_text("secret")
    (folder / "linked.html").symlink_to(tmp_path / "secret.html")

    answer = as_user("vic").get(f"/migrations/flights/pages/{file}")

    assert answer.status_code in (404, 422)
    assert "secret" not in answer.text.replace("secret.html", "")


@pytest.mark.parametrize("outside", ["/etc/passwd", "../secret.html"])
def test_nothing_outside_of_the_reports_is_served(
    as_user: As, ready: Control, tmp_path: Path, outside: str
) -> None:
    (tmp_path / "secret.html").write_text("secret")
    path = outside if outside.startswith("/") else str(tmp_path / "reports" / outside)
    night = ready.reconcile(document=document(), report=path)

    assert as_user("vic").get(f"/migrations/flights/reports/{night.id}").status_code == 404


@pytest.mark.parametrize("name", ["..%2Fapp.py", "app.py", "%2e%2e"])
def test_static_serves_its_own_files_only(as_user: As, name: str) -> None:
    assert as_user("vic").get(f"/static/{name}").status_code == 404
    assert as_user("vic").get("/static/slipway.css").status_code == 200


def test_only_an_owner_resumes_a_held_migration(as_user: As, ready: Control) -> None:
    as_user("carla").post(
        SIGN, json=word(ready, role="consumer", decision="reject", comment="seats are wrong")
    )
    assert ready.state is State.HELD

    assert as_user("vic").post("/api/migrations/flights/resume", json={"reason": "please"}).status_code == 403
    assert "<form data-resume" in as_user("ana").get("/migrations/flights").text
    done = as_user("ana").post("/api/migrations/flights/resume", json={"reason": "seats were right"})

    assert done.json() == {"state": "ELIGIBLE"}


def test_a_page_shows_what_was_waived_by_whom_and_whether_it_stands(ready: Control, as_user: As) -> None:
    client = as_user("vic")
    assert "Waivers" not in client.get("/migrations/flights").text
    before = client.get("/api/migrations/flights/mark").json()
    waiver = replace(
        WAIVER, parity_digest=ready.migration.parity_digest, expires_at=None, reason="<b>down</b>"
    )
    ready.ledger.waive(waiver)
    ready.ledger.waive(replace(waiver, segments={}))

    assert client.get("/api/migrations/flights/mark").json() != before
    ready.ledger.withdraw_waiver(2, ANA, "the feed was mended")

    page = client.get("/migrations/flights").text
    told = client.get("/api/migrations/flights/waivers").json()
    assert "waiver 1: late in departed of flights_daily" in page
    assert "where carrier UA or none, at most 0.1 % of batch a day; ana (data_owner)" in page
    assert "&lt;b&gt;down" in page and "<b>down" not in page
    assert [(one["id"], one["stands"]) for one in told] == [(2, False), (1, True)]
    assert told[0]["state"] == "withdrawn by ana: the feed was mended"
    assert told[0]["state"] in page
