"""What every serving side does; held against the fake here and against Postgres in the integration tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Protocol

import pytest

from slipway.domain.contract import Migration
from slipway.domain.evidence import Digest
from slipway.errors import Permanent
from slipway.ports import Actor, EpochMoved, Published, Route, RouteChange, Serving, Source

ME = Actor("rita", authenticated=True, dag_run="manual__1")
E = Digest("e" * 64)
KPI = "flights_daily"


class Tables(Protocol):
    """What a test needs beside the port: to fill tables, and to read a view as a consumer does."""

    def fill(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None: ...

    def read(self) -> list[tuple[date, str | None, int, str]]:
        """Return (day, origin, seats, served_from) of serving.flights_daily."""
        ...


def row(day: int, origin: str | None, seats: int, carrier: str = "UA") -> dict[str, Any]:
    return {"flight_date": date(2013, 2, day), "origin": origin, "carrier": carrier, "seats": seats}


class ServingBehaviour:
    """Mixed into a class with the fixtures `serving` (installed, empty), `tables` and `migration`."""

    @pytest.fixture
    def published(self, serving: Serving, tables: Tables, migration: Migration) -> Serving:
        serving.publish(migration, [1])
        tables.fill("batch", [row(d, o, 1) for d in (20, 25, 26) for o in ("LGA", "EWR", None)])
        tables.fill("stream_1", [row(d, o, 2) for d in (20, 25, 26) for o in ("LGA", "EWR", None)])
        return serving

    def move(
        self, serving: Serving, source: Source, canary: Mapping[str, Sequence[str]] | None = None
    ) -> Route:
        seen = serving.routes([KPI])[0]
        revision = None if source is Source.BATCH else 1
        action = {"batch": "rollback", "canary": "canary", "stream": "switch"}[source]
        evidence = None if source is Source.BATCH else E
        change = RouteChange(seen, source, revision, canary or {})
        serving.change("flights", [change], action, evidence, ME, "why")
        return serving.routes([KPI])[0]

    def test_readers_get_batch_before_anything_was_moved(self, published: Serving, tables: Tables) -> None:
        assert {(seats, source) for _, _, seats, source in tables.read()} == {(1, "batch")}
        assert len(tables.read()) == 9

    def test_what_was_published_is_seen_without_changing_it(
        self, published: Serving, migration: Migration
    ) -> None:
        assert list(published.published(migration)) == [Published(KPI, True, "flights")]
        unknown = replace(migration, kpis={"nowhere": replace(migration.kpis[KPI], name="nowhere")})
        assert list(published.published(unknown)) == [Published("nowhere", False, None)]

    def test_a_canary_moves_its_segment_of_the_compared_days_only(
        self, published: Serving, tables: Tables
    ) -> None:
        self.move(published, Source.CANARY, {"origin": ["LGA"]})

        moved = {(day.day, origin) for day, origin, _, source in tables.read() if source == "stream"}
        assert moved == {(25, "LGA"), (26, "LGA")}
        assert len(tables.read()) == 9  # a row without a segment stays on batch and is not lost

    def test_a_canary_of_several_columns_moves_what_all_of_them_name(
        self, published: Serving, tables: Tables
    ) -> None:
        self.move(published, Source.CANARY, {"origin": ["LGA", "EWR"], "carrier": ["AA"]})
        assert {source for *_, source in tables.read()} == {"batch"}
        self.move(published, Source.CANARY, {"origin": ["LGA", "EWR"], "carrier": ["AA", "UA"]})
        assert sum(1 for *_, source in tables.read() if source == "stream") == 4

    def test_the_switch_leaves_days_before_the_stream_to_batch(
        self, published: Serving, tables: Tables
    ) -> None:
        self.move(published, Source.STREAM)

        by_day = {(day.day, seats, source) for day, _, seats, source in tables.read()}
        assert by_day == {(20, 1, "batch"), (25, 2, "stream"), (26, 2, "stream")}
        assert len(tables.read()) == 9

    def test_a_change_and_its_journal_row_are_one(self, published: Serving) -> None:
        before = published.routes([KPI])[0]
        after = self.move(published, Source.CANARY, {"origin": ["LGA"]})

        assert after.epoch == before.epoch + 1
        kept = published.journal("flights")
        assert len(kept) == 1
        assert (kept[0].epoch, kept[0].action, kept[0].evidence, kept[0].by) == (
            after.epoch,
            "canary",
            E,
            "rita",
        )
        assert (kept[0].before["source"], kept[0].after["source"]) == ("batch", "canary")
        assert kept[0].after["canary"] == {"origin": ["LGA"]}
        assert published.journal("flights", after_id=kept[0].id) == []
        assert published.journal("other") == []

    def test_who_saw_an_older_epoch_changes_nothing(self, published: Serving) -> None:
        stale = published.routes([KPI])[0]
        self.move(published, Source.BATCH)

        with pytest.raises(EpochMoved, match="epoch"):
            published.change("flights", [RouteChange(stale, Source.STREAM, 1, {})], "switch", E, ME, "late")

        assert published.routes([KPI])[0].source is Source.BATCH
        assert len(published.journal("flights")) == 1

    def test_a_revision_without_a_branch_cannot_be_served(self, published: Serving) -> None:
        seen = published.routes([KPI])[0]
        with pytest.raises(Permanent, match="no branch for revision 7"):
            published.change("flights", [RouteChange(seen, Source.STREAM, 7, {})], "switch", E, ME, "typo")
        assert published.journal("flights") == []

    def test_publishing_again_keeps_branches_and_who_is_served(
        self, published: Serving, tables: Tables, migration: Migration
    ) -> None:
        served = self.move(published, Source.STREAM)
        published.publish(migration, [])
        published.publish(migration, [2])

        assert published.routes([KPI])[0] == served
        assert sum(1 for *_, source in tables.read() if source == "stream") == 6

    def test_every_row_is_held_against_the_route(self, published: Serving, migration: Migration) -> None:
        for source, canary, counts in (
            (Source.BATCH, {}, {"batch": 9, "stream": 0}),
            (Source.CANARY, {"origin": ["LGA"]}, {"batch": 7, "stream": 2}),
            (Source.STREAM, {}, {"batch": 3, "stream": 6}),
        ):
            self.move(published, source, canary)
            served = published.served(migration)
            assert [(each.rows, each.strays) for each in served] == [(counts, 0)]

    def test_what_readers_would_see_change_is_counted(
        self, published: Serving, tables: Tables, migration: Migration
    ) -> None:
        tables.fill("stream_1", [row(27, "LGA", 5)])
        tables.fill("batch", [row(28, "LGA", 4)])

        change = published.reader_changes(migration, 1)[0]

        assert (change.rows, change.changed) == (8, 6)
        assert (change.only_in_batch, change.only_in_stream) == (1, 1)
        assert change.measures == {"seats": (8, "7")}

    def test_the_batch_sides_newest_day_is_known(
        self, serving: Serving, tables: Tables, migration: Migration
    ) -> None:
        serving.publish(migration, [])
        assert serving.batch_through(migration) == {KPI: None}
        tables.fill("batch", [row(25, "LGA", 1), row(27, "EWR", 1)])
        assert serving.batch_through(migration) == {KPI: date(2013, 2, 27)}
