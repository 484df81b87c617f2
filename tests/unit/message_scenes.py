"""Scenes in which people are told something, for the golden file of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import KafkaError, KafkaException

from slipway import bootstrap, cli
from slipway.adapters import kafka
from slipway.adapters.registry import SchemaRegistry
from slipway.adapters.serving.postgres import PostgresServing
from slipway.adapters.warehouse_facts import WarehouseFacts
from slipway.app import cutover, sign_off
from slipway.domain.contract_judging import Observe
from slipway.domain.evidence import Digest, Verdict
from slipway.domain.gates import Requester, blockers
from slipway.domain.states import Blocker, State
from slipway.domain.transitions import Verb, decide
from slipway.errors import SlipwayError
from slipway.ports import Actor, SignOff
from slipway.producer import Event, EventProducer, publishing
from tests.decoder_cases import migration
from tests.fakes.control import ANA, CARLA, RITA, Control, control
from tests.unit.test_dead_letters import GOOD as LETTER
from tests.unit.test_dead_letters import Case, made
from tests.unit.test_gates import ALL, E2, NOW, READY, found, live
from tests.unit.test_producer import ARRIVED, GOOD, NOWHERE, FakeClient

Scene = Iterator[tuple[str, str]]
SERVER = {"host": "127.0.0.1", "port": "1", "user": "slipway", "password": "x", "dbname": "warehouse"}


def refused(does: Callable[[], Any]) -> str:
    """Return what the refusal says."""
    try:
        does()
    except SlipwayError as error:
        return str(error)
    return "(nothing: it was done)"


def _run(capsys: pytest.CaptureFixture[str], line: str) -> tuple[str, str]:
    capsys.readouterr()
    try:
        code = cli.main(line.split())
    except SystemExit as end:
        code = int(end.code or 0)
    told = capsys.readouterr()
    err = told.err.splitlines()
    usage = bool(err) and err[0].startswith("usage:")
    shown = [*told.out.splitlines(), *(err[-1:] if usage else err)]
    lines = "\n".join(line.rstrip() for line in shown).strip()
    return f"`slipway {line}` (exit code {code})", lines


def dead_letters(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path) -> Scene:
    """The verbs of `slipway dlq`."""
    with monkeypatch.context() as patched:
        case: Case = made()
        patched.setattr(bootstrap, "world", lambda: case.world)
        patched.setattr(bootstrap, "migration", lambda _: case.migration)
        yield _run(capsys, "dlq list cases")
        yield _run(capsys, "dlq replay cases")
        case.refuse(LETTER, "missing field gate")
        case.refuse({**LETTER, "kind": "Q"}, "kind: 'Q' is not one of A, D, X")
        yield _run(capsys, "dlq list cases --containing gate")
        for line in (
            "list cases --since yesterday",
            "list cases --since 2026-11-20T00:00",
            "show cases",
            "show cases 0:7",
            "show cases seven",
            "replay cases",
            "replay cases --yes",
            "replay cases --value-file mended.json",
            "replay cases 0:0 --value-file absent.json",
            "replay cases 0:0 --yes --reason mended",
            "replay cases 0:0 --yes --reason mended",
            "replay cases 0:1 --yes --reason mended",
        ):
            (home / "mended.json").write_text("{}")
            what, told = _run(capsys, f"dlq {line}")
            yield what, told


def publishing_events(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """What the producer library says of events that it could not publish."""

    class Silent(FakeClient):
        def flush(self, seconds: float) -> int:
            return len(self.waiting)

    class Denied(FakeClient):
        def produce(self, topic: str, value: bytes, key: Any, on_delivery: Any, **more: Any) -> None:
            raise KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))

    class Full(FakeClient):
        def produce(self, topic: str, value: bytes, key: Any, on_delivery: Any, **more: Any) -> None:
            raise BufferError("Local: Queue full")

    def producer(client: type[FakeClient], **events: Any) -> EventProducer:
        monkeypatch.setattr(publishing, "Producer", client)
        found = EventProducer([migration(**events)], NOWHERE, now=lambda: ARRIVED / 1000)
        found.patience = 0.0
        return found

    def told(client: type[FakeClient], event: dict[str, Any] | Any, **more: Any) -> str:
        result = producer(client, **more).publish(Event("Status", event))
        return f"{result.status}: {result.reason or result.error}{'; may be tried again' * result.retriable}"

    monkeypatch.setattr(publishing, "_GRACE", 0.05)
    one = producer(FakeClient)
    yield "an unknown type", refused(lambda: one.publish(Event("trains", {})))
    yield "a value that does not fit", told(FakeClient, {**GOOD, "dep_delay": "x"})
    yield "no mapping", told(FakeClient, ["a", "list"])
    yield "no `at` in a topic of history", told(FakeClient, GOOD, arrival="producer")
    yield "Kafka does not confirm", told(Silent, GOOD)
    yield "Kafka does not let this user write", told(Denied, GOOD)
    yield "the local queue stays full", told(Full, GOOD)

    def closed() -> None:
        silent = producer(Silent)
        for _ in range(2):
            silent.send(Event("Status", GOOD))
        silent.close()

    yield "closed with events unconfirmed", refused(closed)
    yield "no contract", refused(lambda: EventProducer([], NOWHERE))
    yield "Avro without a registry", refused(lambda: producer(FakeClient, format="avro"))


def away(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A system that is out of reach: the message, and exit code 3."""

    def no_registry(*_: Any, **__: Any) -> None:
        raise httpx.ConnectError("[Errno 111] Connection refused")

    def no_kafka() -> None:
        lost = KafkaException(KafkaError(KafkaError._TRANSPORT, "Failed to get metadata: broker is away"))
        raise kafka._translated(lost, "describe topic raw-flight-status")

    monkeypatch.setattr(httpx.Client, "request", no_registry)
    for what, does in (
        ("Kafka is away", no_kafka),
        ("the schema registry is away", lambda: SchemaRegistry("http://127.0.0.1:1").latest("x-value")),
        ("the warehouse is away", lambda: PostgresServing(SERVER).routes(["flights_daily"])),
        (
            "so is its batch side",
            lambda: WarehouseFacts(SERVER).batch_run("flights"),
        ),
    ):
        monkeypatch.setattr(bootstrap, "world", does)
        shown, told = _run(capsys, "status flights")
        yield f"{what}: {shown}", told


def _spoken(blocker: Blocker) -> str:
    return f"{blocker.what}\n  seen    {blocker.seen}\n  needed  {blocker.needed}\n  fix     {blocker.fix}"


def gates() -> Scene:
    """Each reason for which a cutover is refused, and who may not sign."""
    lacking = (
        "2 of 5 closed days in a row have passed",
        "no month end is among them; the next one is 31 March 2013",
    )
    window = found(window_complete=False, window_days=2, missing=lacking)
    asked = replace(READY.demands, observe=Observe(closed_days=5, including=("month_end",)))
    no = replace(ALL[1], decision="reject", comment="Newark looks wrong")
    job = {"job_running": False}
    for facts in (
        replace(READY, newest=None, words=()),
        found(verdict=Verdict.FAIL),
        found(at=NOW - timedelta(hours=31)),
        replace(READY, asked=E2),
        replace(READY, void_epoch=2, words=tuple(replace(word, route_epoch=2) for word in ALL)),
        found(revision=2),
        replace(window, demands=asked),
        replace(READY, words=ALL[1:]),
        replace(READY, words=(ALL[0], no, ALL[2])),
        replace(READY, requester=None),
        replace(READY, requester=Requester("root", authenticated=False)),
        replace(READY, live=None),
        live(**job, job_state="RESTARTING"),
        live(**job, job_state="FAILED"),
        live(pending=None),
        live(pending=101),
        live(batch_through={"flights_daily": NOW.date().replace(2013, 2, 28)}),
        live(batch_through={"flights_daily": None}),
        live(under_way=("amendment 7 of 27 February 2013 is being applied",)),
    ):
        for blocker in blockers(facts):
            yield blocker.code, _spoken(blocker)
    early = decide(State.SHADOW, Verb.ARM, READY)
    for blocker in early if isinstance(early, tuple) else ():
        yield blocker.code, _spoken(blocker)


def cutting_over() -> Scene:
    """Refusals of a cutover and of sign-offs, whole."""
    fresh = control()
    cli_user = Actor("root", authenticated=False)
    yield "an early cutover", refused(lambda: cutover.preflight(fresh.migration, fresh.world, cli_user))
    armed = control()
    armed.reconcile()
    armed.sign_all()
    cutover.arm(armed.migration, armed.world, RITA)
    yield (
        "a switch whose canary was skipped",
        refused(lambda: cutover.switch(armed.migration, armed.world, RITA, "now")),
    )
    sure = control()
    newest = sure.reconcile().digest
    for what, role, by, evidence in (
        ("somebody without the role signs", "data_owner", CARLA, newest),
        ("a sign-off on older evidence", "data_owner", ANA, E2),
    ):
        yield what, refused(lambda r=role, b=by, e=evidence: _sign(sure, r, b, e))  # type: ignore[misc]
    _sign(sure, "data_owner", ANA, newest)
    yield "a second sign-off", refused(lambda: _sign(sure, "data_owner", ANA, newest))
    failed = sure.reconcile(Verdict.FAIL).digest
    yield "a sign-off on a night that failed", refused(lambda: _sign(sure, "data_owner", ANA, failed))
    yield (
        "a rejection without a word",
        refused(
            lambda: sign_off.sign_off(sure.migration, "consumer", "reject", newest, " ", CARLA, sure.world)
        ),
    )


def _sign(found: Control, role: str, by: Actor, evidence: Digest) -> SignOff:
    return sign_off.sign_off(found.migration, role, "approve", evidence, "seen", by, found.world)
