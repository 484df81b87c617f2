"""What every ledger does with close runs, closed periods and restatements."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from slipway.domain.periods import period
from slipway.domain.restatements import PeriodClose, Reason, Restatement
from slipway.ports import Ledger, SignOff
from tests.contract.ledger_behaviour import ME, NOW, A, B, C, found

FEBRUARY = period("2013-02")
WORD = SignOff(0, "flights", "data_owner", "ana", "approve", A, C, 1, "seen", NOW)
CLOSE = PeriodClose(0, "flights", FEBRUARY, A, 1, {"data_owner": ("ana",)}, "ana", NOW)


def restated(close: int, **changes: object) -> Restatement:
    base = Restatement(
        close=close,
        period="2013-02",
        closed_digest=A,
        kpi="flights_daily",
        cell={"flight_date": "2013-02-03", "origin": None},
        day=date(2013, 2, 3),
        measure="seats",
        side="stream",
        was="100",
        now=None,
        cause=Reason.AMENDMENT,
        reason="amendment 1 by ana: late",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


class ClosesBehaviour:
    """Mixed into a class that provides the fixture `known`: a ledger that knows the migration flights."""

    def test_a_close_run_is_no_night(self, known: Ledger) -> None:
        night = known.record_reconciliation(found(A, dbt_run="dbt-1"), {"verdict": "PASS"}, ME)
        run = known.record_reconciliation(found(B, period="2013-02"), {"verdict": "PASS"}, ME)

        assert [each.id for each in known.reconciliations("flights")] == [night.id]
        assert known.close_runs("flights") == [run]
        assert (run.period, run.by, night.period, night.dbt_run) == ("2013-02", "rita", None, "dbt-1")
        assert known.reconciliations("flights") == [night]
        assert known.close_runs("other") == []

    def test_a_word_that_does_not_make_the_quorum_whole_closes_nothing(self, known: Ledger) -> None:
        known.record_reconciliation(found(A, period="2013-02"), {"verdict": "PASS"}, ME)
        word = known.sign_close(WORD, None)

        assert known.sign_offs("flights", A) == [word]
        assert known.closes("flights") == []

    def test_the_last_word_and_the_close_are_written_together(self, known: Ledger) -> None:
        known.record_reconciliation(found(A, period="2013-02"), {"verdict": "PASS"}, ME)
        word = known.sign_close(WORD, CLOSE)

        [close] = known.closes("flights")
        assert close == replace(CLOSE, id=close.id, at=close.at, last_word=word.id)
        assert (close.period.words, close.supersedes) == ("February 2013", None)
        assert close.at.tzinfo is not None

    def test_a_period_that_is_closed_again_supersedes_its_close_and_no_other(self, known: Ledger) -> None:
        known.record_reconciliation(found(A, period="2013-02"), {"verdict": "PASS"}, ME)
        known.record_reconciliation(found(B, period="2013-02"), {"verdict": "PASS"}, ME)
        known.sign_close(WORD, CLOSE)
        known.sign_close(replace(WORD, evidence=B), replace(CLOSE, digest=B, period=period("2013-W09")))
        # The same evidence may be signed again, when people have looked at it once more.
        for digest in (B, A):
            known.sign_close(replace(WORD, evidence=digest), replace(CLOSE, digest=digest))

        first, week, second, third = known.closes("flights")

        assert (first.supersedes, week.supersedes, second.supersedes) == (None, None, first.id)
        assert (third.supersedes, third.digest) == (second.id, A)
        assert known.closes("other") == []

    def test_restatements_are_kept_with_the_evidence_that_found_them(self, known: Ledger) -> None:
        known.record_reconciliation(found(A, period="2013-02"), {"verdict": "PASS"}, ME)
        known.sign_close(WORD, CLOSE)
        [close] = known.closes("flights")
        both = [restated(close.id), restated(close.id, side="batch", now="90.5", cause=Reason.BASELINE)]

        known.record_reconciliation(found(B), {"verdict": "PASS"}, ME, both)

        kept = known.restatements("flights")
        assert [replace(row, id=0) for row in kept] == both
        assert [row.digest for row in kept] == [B, B]
        assert kept[0].id < kept[1].id
        assert all(row.at is not None for row in kept)
        assert [row.place for row in kept] == [row.place for row in both]
        assert known.restatements("other") == []
