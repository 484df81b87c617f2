"""What a plan says of topics that are not as the contract wants them, and of what it would lose."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from slipway.app import provision
from slipway.app.provision_steps import ConfigureTopic, DrainTopic, ReplicateTopic, Safety, Step
from slipway.app.tables import bronze_table
from slipway.errors import Permanent
from tests.fakes import topics
from tests.fakes.deploying import OPERATOR, Yard

RAW, DEAD = "raw-flight-status", "dlq-flight-status"
DAY = 86_400_000


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """Return a migration of a live feed, provisioned."""
    found = Yard(tmp_path)
    change(found, "events", arrival="broker")
    confirm(found)
    return found


def plan(yard: Yard) -> tuple[Step, ...]:
    return provision.plan(yard.migration, yard.world)


def confirm(yard: Yard) -> None:
    provision.apply(yard.migration, plan(yard), yard.world, OPERATOR, confirmed=True)


def change(yard: Yard, section: str, **values: object) -> None:
    contract = yard.migration.contract
    part = getattr(contract, section).model_copy(update=values)
    yard.migration = replace(yard.migration, contract=contract.model_copy(update={section: part}))


def ingest(yard: Yard) -> None:
    columns = dict.fromkeys(column for column, _, _ in bronze_table(yard.migration).columns)
    yard.lake.append("bronze.flights", [{**columns, "arrived_on": date(2013, 3, 8)}])


def test_a_raw_topic_that_is_gone_is_not_made_again_when_the_lake_has_its_records(yard: Yard) -> None:
    ingest(yard)
    yard.topics.delete(RAW)

    (step,) = plan(yard)

    assert (step.what, step.safety) == (f"topic {RAW}", Safety.REFUSED)
    assert "counts its offsets from 0 again" in step.reason and "from a mirror or a backup" in step.advice
    with pytest.raises(Permanent, match="refused"):
        confirm(yard)
    assert yard.topics.describe(RAW) is None


def test_a_dead_letter_topic_that_is_gone_is_made_again_by_a_word(yard: Yard) -> None:
    ingest(yard)
    yard.topics.delete(DEAD)

    (step,) = plan(yard)

    assert (step.what, step.safety) == (f"topic {DEAD}", Safety.CONFIRM)
    confirm(yard)
    assert plan(yard) == ()


def test_a_topic_that_is_gone_before_anything_was_ingested_is_simply_made_again(yard: Yard) -> None:
    yard.topics.delete(RAW)

    assert [step.safety for step in plan(yard)] == [Safety.SAFE]


def test_more_brokers_never_stop_the_writers_of_a_topic_with_one_replica(yard: Yard) -> None:
    yard.topics._brokers = 3

    steps = plan(yard)

    assert [type(step) for step in steps] == [ReplicateTopic, ReplicateTopic]
    assert (steps[0].seen, steps[0].wanted, steps[0].safety) == ("1 replica", "3 replicas", Safety.CONFIRM)
    assert "kafka-reassign-partitions" in steps[0].advice
    confirm(yard)
    assert yard.topics.describe(RAW).config["min.insync.replicas"] == "1"


def test_a_broker_that_is_away_is_no_drift(yard: Yard) -> None:
    for name in (RAW, DEAD):
        seen = yard.topics.describe(name)
        config = {**seen.config, "min.insync.replicas": "2"}
        yard.topics._topics[name] = replace(seen, replication=3, config=config)

    for brokers in (3, 2, 1):
        yard.topics._brokers = brokers
        assert plan(yard) == (), brokers


def test_replicas_that_came_later_get_their_quorum_by_a_word(yard: Yard) -> None:
    yard.topics._brokers = 3
    for name in (RAW, DEAD):
        yard.topics._topics[name] = replace(yard.topics.describe(name), replication=3)

    steps = plan(yard)

    assert [(step.wanted, step.safety) for step in steps] == [("min.insync.replicas=2", Safety.CONFIRM)] * 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max.message.bytes", "100"),
        ("message.timestamp.after.max.ms", "1"),
        ("unclean.leader.election.enable", "true"),
    ],
)
def test_a_harmful_key_set_by_hand_is_told_and_taken_off_by_a_word(yard: Yard, key: str, value: str) -> None:
    yard.topics.configure(RAW, {key: value})

    (step,) = plan(yard)

    assert (step.seen, step.safety) == (f"{key}={value}", Safety.CONFIRM)
    confirm(yard)
    assert plan(yard) == () and key not in yard.topics.describe(RAW).config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max.message.bytes", "5000000"),
        ("compression.type", "zstd"),
        ("unclean.leader.election.enable", "false"),
        ("leader.replication.throttled.replicas", "*"),
    ],
)
def test_a_key_that_loses_no_record_is_the_operators_own(yard: Yard, key: str, value: str) -> None:
    yard.topics.configure(RAW, {key: value})

    assert plan(yard) == ()


def test_a_retention_that_was_unset_is_judged_by_what_is_in_force(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.topics.reset(RAW, ["retention.ms"])

    (step,) = plan(yard)

    assert (step.seen, step.safety) == (f"retention.ms={7 * DAY} (the broker's default)", Safety.CONFIRM)
    assert step.reason.startswith("how long the broker keeps a record") and "timestamp" not in step.reason

    for default in ("-1", str(100 * DAY)):
        monkeypatch.setitem(topics.DEFAULTS, "retention.ms", default)
        (step,) = plan(yard)
        assert (step.safety, step.reason) == (Safety.REFUSED, "the broker would delete records at once")


def test_a_cluster_that_deletes_by_size_does_not_do_so_here(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(topics.DEFAULTS, "retention.bytes", "1000")

    steps = plan(yard)

    assert [(step.wanted, step.safety) for step in steps] == [("retention.bytes=-1", Safety.SAFE)] * 2
    assert "delete records by size" in steps[0].reason
    confirm(yard)
    assert plan(yard) == ()


def test_a_shorter_retention_in_the_contract_says_how_much_goes(yard: Yard) -> None:
    change(yard, "retention", raw=timedelta(days=30))
    confirm(yard)
    change(yard, "retention", raw=timedelta(days=8))

    (step,) = [step for step in plan(yard) if isinstance(step, ConfigureTopic)]

    assert (step.what, step.safety) == (f"topic {RAW}", Safety.CONFIRM)
    assert "deletes every record older than 8d at once, and it keeps those of the last 30d now" in step.reason
    assert "into the contract" in step.advice and "to adopt" not in step.advice
    confirm(yard)
    assert yard.topics.describe(RAW).config["retention.ms"] == str(8 * DAY)
    assert plan(yard) == ()


def test_a_change_of_one_topics_retention_clears_nobodys_hand_on_the_other(yard: Yard) -> None:
    yard.topics.configure(DEAD, {"retention.ms": "-1"})
    change(yard, "retention", raw=timedelta(days=8))

    assert [step.what for step in plan(yard) if step.safety is Safety.REFUSED] == [
        f"topic {DEAD}: retention.ms"
    ]


def test_what_no_key_of_the_contract_says_is_not_advised_to_be_put_into_it(yard: Yard) -> None:
    yard.topics.configure(RAW, {"cleanup.policy": "compact"})

    (step,) = plan(yard)

    assert step.advice.startswith("it can't be adopted: the contract knows no compaction; ")


def test_a_drain_that_can_not_be_carried_out_says_so_first(yard: Yard) -> None:
    ingest(yard)
    yard.topics.commit(RAW, "slipway-flights-ingest", {0: 0, 1: 0})
    change(yard, "events", topic="raw-flight-status2")

    drain = next(step for step in plan(yard) if isinstance(step, DrainTopic))

    assert drain.safety is Safety.REFUSED
    assert drain.advice.startswith("a drain is only for a migration whose lake is still empty")
    assert "make a new migration on raw-flight-status2" in drain.advice


def test_a_long_cell_pads_no_other_row() -> None:
    step = ConfigureTopic("a", {"k": "x" * 5000}, "k=1", "why", Safety.SAFE, "")
    short = ConfigureTopic("b", {"k": "2"}, "k=1", "why", Safety.SAFE, "")

    assert max(map(len, provision.table([step, short]).splitlines()[2:])) < 200
