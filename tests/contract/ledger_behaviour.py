"""What every ledger does; held against the fake here and against Postgres in the integration tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from slipway.domain.evidence import Cause, Digest, Verdict
from slipway.domain.states import Blocker, State
from slipway.domain.waivers import Waiver
from slipway.errors import LockHeld, Permanent
from slipway.ports import (
    Actor,
    Amendment,
    Attempt,
    Ledger,
    Maintained,
    Reconciliation,
    Replay,
    SignOff,
    SwitchRow,
)

ME = Actor("rita", authenticated=True, dag_run="manual__1")
NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
A, B, C = (Digest(letter * 64) for letter in "abc")
ROW = SwitchRow(
    1, "flights", "flights_daily", 2, "canary", {"source": "batch"}, {}, A, "rita", "why", "run", NOW
)
WAIVER = Waiver(
    *(0, "flights", "flights_daily", Cause.LATE, ("departed",), date(2013, 2, 25), date(2013, 2, 27)),
    *({"carrier": ("UA", None)}, Decimal("0.0010"), NOW, B, "data_owner", "ana", "known", NOW, "run"),
)


def found(digest: Digest = A, **changes: object) -> Reconciliation:
    base = Reconciliation(
        0, "flights", digest, Verdict.PASS, NOW, date(2013, 3, 1), 5, True, (), C, B, 1, 1, "r.html", NOW
    )
    return replace(base, **changes)  # type: ignore[arg-type]


class LedgerBehaviour:
    """Mixed into a class that provides the fixture `ledger`: empty, upgraded."""

    @pytest.fixture
    def known(self, ledger: Ledger) -> Ledger:
        ledger.adopt("flights", C, B, ME)
        return ledger

    def test_upgrading_again_changes_nothing(self, known: Ledger) -> None:
        known.upgrade()
        assert known.standing("flights") is not None

    def test_an_unknown_migration_has_no_standing_and_cannot_move(self, ledger: Ledger) -> None:
        assert ledger.standing("flights") is None
        assert ledger.standings() == []
        with pytest.raises(Permanent, match="does not know"):
            ledger.advance("flights", State.PROVISIONED, ME, "too early")

    def test_adopting_begins_the_rail_and_notes_an_edited_contract(self, known: Ledger) -> None:
        standing = known.adopt("flights", C, B, ME)
        assert (standing.state, standing.contract_digest) == (State.CONTRACTED, C)
        assert len(known.transitions("flights")) == 1

        edited = known.adopt("flights", A, B, ME)

        assert edited.contract_digest == A
        told = known.transitions("flights")[-1]
        assert (told["from_state"], told["to_state"]) == ("CONTRACTED", "CONTRACTED")
        assert "not its parity part" in told["reason"]

    def test_a_move_is_kept_with_who_when_and_from_which_run(self, known: Ledger) -> None:
        blocker = Blocker("no_evidence", "what", "seen", "needed", "fix")
        before = known.standing("flights")
        standing = known.advance("flights", State.PROVISIONED, ME, "all there", [blocker])

        assert before is not None
        assert standing.version > before.version
        assert known.standing("flights") == standing
        assert standing.blocked_by == (blocker,)
        move = known.transitions("flights")[-1]
        assert (move["to_state"], move["by"], move["authenticated"], move["dag_run"]) == (
            "PROVISIONED",
            "rita",
            True,
            "manual__1",
        )
        assert move["at"].tzinfo is not None

    def test_the_same_state_again_only_refreshes_the_blockers(self, known: Ledger) -> None:
        known.advance("flights", State.PROVISIONED, ME, "once", [Blocker("a", "b", "c", "d", "e")])
        standing = known.advance("flights", State.PROVISIONED, ME, "again")

        assert standing.blocked_by == ()
        assert len(known.transitions("flights")) == 2

    def test_a_move_that_the_rail_does_not_have_is_refused(self, known: Ledger) -> None:
        with pytest.raises(Permanent, match="can't go from CONTRACTED to SWITCHED"):
            known.advance("flights", State.SWITCHED, ME, "by hand")

    def test_only_the_journal_proves_that_readers_were_moved(self, known: Ledger) -> None:
        for state in (State.PROVISIONED, State.HYDRATING, State.SHADOW, State.ELIGIBLE, State.ARMED):
            known.advance("flights", state, ME, "on the way")
        with pytest.raises(Permanent, match="journal"):
            known.advance("flights", State.CANARY, ME, "without a row")

        known.mirror_switches([ROW])

        assert known.advance("flights", State.CANARY, ME, "with its row").state is State.CANARY
        with pytest.raises(Permanent, match="journal"):
            known.advance("flights", State.SWITCHED, ME, "the newest row is a canary")

    def test_the_journal_is_mirrored_once_and_never_contradicted(self, known: Ledger) -> None:
        later = replace(ROW, id=2, epoch=3, action="switch")
        assert known.mirror_switches([ROW]) == 1
        assert known.mirror_switches([ROW, later]) == 1
        assert list(known.switches("flights")) == [ROW, later]
        with pytest.raises(Permanent, match="another database"):
            known.mirror_switches([replace(ROW, action="rollback")])

    def test_one_holder_a_migration(self, known: Ledger) -> None:
        known.adopt("other", C, B, ME)
        with known.lock("flights"):
            with known.lock("other"):
                pass
            with pytest.raises(LockHeld, match="held by"), known.lock("flights"):
                raise AssertionError("two held the same lock")
        with known.lock("flights"):
            pass

    def test_a_cluster_and_a_revisions_meaning_never_change_silently(self, known: Ledger) -> None:
        known.remember_cluster("flights", "one", ME)
        known.remember_cluster("flights", "one", ME)
        with pytest.raises(Permanent, match="Kafka cluster"):
            known.remember_cluster("flights", "two", ME)

        assert known.standing("flights").topic_id is None  # type: ignore[union-attr]
        known.remember_topic("flights", "topic-1", ME)
        known.remember_topic("flights", "topic-1", ME)
        with pytest.raises(Permanent, match="topic"):
            known.remember_topic("flights", "topic-2", ME)

        known.remember_revision("flights", 1, A, ME)
        known.remember_revision("flights", 2, B, ME)
        known.remember_revision("flights", 1, A, ME)
        with pytest.raises(Permanent, match="revision 1"):
            known.remember_revision("flights", 1, C, ME)
        assert known.revisions("flights") == {1: A, 2: B}
        standing = known.standing("flights")
        assert standing is not None
        assert (standing.revision, standing.cluster_id, standing.topic_id) == (None, "one", "topic-1")

    def test_a_revision_is_current_only_when_it_was_made_so(self, known: Ledger) -> None:
        known.remember_revision("flights", 1, A, ME)
        known.remember_revision("flights", 2, B, ME)
        known.make_current("flights", 1)
        known.remember_revision("flights", 2, B, ME)

        standing = known.standing("flights")
        assert standing is not None and standing.revision == 1
        with pytest.raises(Permanent, match="revision 3"):
            known.make_current("flights", 3)

    def test_the_newest_reconciliation_comes_first_and_two_may_share_a_digest(self, known: Ledger) -> None:
        document = {"verdict": "PASS", "at": NOW, "share": "0.10", "count": 3}
        first = known.record_reconciliation(found(), document, ME)
        second = known.record_reconciliation(found(missing=("month_end",)), document, ME)
        third = known.record_reconciliation(found(B, verdict=Verdict.FAIL), {"verdict": "FAIL"}, ME)

        assert first.id < second.id < third.id
        assert [each.digest for each in known.reconciliations("flights")] == [B, A, A]
        assert known.reconciliations("flights", limit=2)[1] == second
        assert second.missing == ("month_end",)
        kept = known.evidence(A)
        assert kept is not None
        assert (kept["at"], kept["count"]) == ("2026-11-21T06:00:00Z", 3)
        assert known.evidence(C) is None

    def test_sign_offs_are_kept_in_their_order(self, known: Ledger) -> None:
        for digest in (A, B):
            known.record_reconciliation(found(digest), {"digest": digest}, ME)
        word = SignOff(0, "flights", "data_owner", "ana", "approve", A, C, 1, "seen", NOW)
        first = known.sign(word)
        known.sign(replace(word, evidence=B))
        last = known.sign(replace(word, decision="withdraw", comment=""))

        assert [each.id for each in known.sign_offs("flights", A)] == [first.id, last.id]
        assert len(known.sign_offs("flights")) == 3
        assert known.sign_offs("other") == []

    def test_an_attempt_is_opened_before_it_is_submitted_and_closed_by_its_id(self, known: Ledger) -> None:
        attempt = Attempt(0, "flights", "revision", 1, 1, A, "1" * 32, "writer", "starting", NOW)
        first = known.open_attempt(attempt)
        known.open_attempt(replace(attempt, attempt=2, job_id="2" * 32))
        known.open_attempt(replace(attempt, kind="ingest", revision=0, job_id="3" * 32, writer_role=None))
        known.close_attempt(first.id, "failed")

        assert [each.attempt for each in known.attempts("flights", "revision")] == [2, 1]
        assert known.attempts("flights", "revision")[1].state == "failed"
        assert len(known.attempts("flights")) == 3
        with pytest.raises(Permanent, match="no attempt"):
            known.close_attempt(99, "failed")

    def test_an_amendment_is_opened_and_closed(self, known: Ledger) -> None:
        days = (date(2013, 2, 27),)
        opened = known.open_amendment(Amendment(0, "flights", 1, days, 9, 0, "ana", "late", "open", NOW))
        known.close_amendment(opened.id, "applied", 37)

        kept = known.amendments("flights", 1)
        assert [(each.state, each.rows, each.days) for each in kept] == [("applied", 37, days)]
        assert known.amendments("flights", 2) == []
        with pytest.raises(Permanent, match="no amendment"):
            known.close_amendment(99, "applied", 0)

    def test_a_runs_origin_is_what_was_recorded_first(self, known: Ledger) -> None:
        assert known.origin("flights.cutover", "run") is None
        known.note_origin("flights.cutover", "run", "rita", "rest_api")
        known.note_origin("flights.cutover", "run", "omar", "cli")
        assert known.origin("flights.cutover", "run") == ("rita", "rest_api")

    def test_a_run_asks_for_a_cutover_once(self, known: Ledger) -> None:
        known.request_cutover("flights", ME, "now", A)
        known.request_cutover("flights", ME, "again", B)
        known.request_cutover("flights", replace(ME, dag_run="manual__2"), "later", None)

        kept = known.cutover_requests("flights")
        assert [(row["reason"], row["evidence"]) for row in kept] == [("later", None), ("now", A)]
        assert kept[1]["authenticated"] is True

    def test_incidents_and_maintenance_come_newest_first(self, known: Ledger) -> None:
        known.incident("flights", "warning", "first", ME)
        known.incident("flights", "error", "second", ME)
        assert [row["what"] for row in known.incidents("flights")] == ["second", "first"]

        known.record_maintenance("flights", Maintained("t", 9, 1, 900, 700, 5, 5, "h", "h", 2, 0), ME)
        assert known.maintenance("flights")[0]["files_after"] == 1

    def test_a_replay_is_open_until_it_is_known_what_was_sent(self, known: Ledger) -> None:
        decided = Replay(
            *(0, "flights", "dlq-flights", ("0:1@t", "2:5@t"), (), {0: 7, 2: 0}, False, "open", "rita", True),
            *("the schema was mended", "run", NOW),
        )

        kept = known.open_replay(decided)
        assert known.replays("flights") == [replace(decided, id=kept.id, at=kept.at)]
        known.close_replay(kept.id, ["0:1@t"])

        assert [(one.state, one.sent) for one in known.replays("flights")] == [("done", ("0:1@t",))]
        assert known.replays("trains") == []
        with pytest.raises(Permanent, match="no replay 99"):
            known.close_replay(99, [])

    def test_a_waiver_is_kept_as_it_was_given_and_its_end_beside_it(self, known: Ledger) -> None:
        first = known.waive(WAIVER)
        second = known.waive(replace(WAIVER, measures=(), segments={}, expires_at=None))

        assert known.waivers("flights") == [first, second]
        assert first == replace(WAIVER, id=first.id, at=first.at)

        known.withdraw_waiver(first.id, replace(ME, name="olga"), "the feed was mended")

        ended, standing = known.waivers("flights")
        assert ended.withdrawn is not None
        assert (ended.withdrawn.by, ended.withdrawn.reason) == ("olga", "the feed was mended")
        assert replace(ended, withdrawn=None) == first
        assert standing == second
        assert known.waivers("trains") == []

    def test_a_waiver_ends_once(self, known: Ledger) -> None:
        kept = known.waive(WAIVER)
        known.withdraw_waiver(kept.id, ME, "first")

        with pytest.raises(Permanent, match="withdrawn already, by rita: first"):
            known.withdraw_waiver(kept.id, ME, "second")
        with pytest.raises(Permanent, match="no waiver 99"):
            known.withdraw_waiver(99, ME, "none")
