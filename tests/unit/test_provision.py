"""Provisioning: the plan is what is done, and a second one is empty."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slipway.app import provision
from slipway.app.provision_steps import ConfigureTopic, CreateTopic, RegisterSchema, SetCompatibility, Step
from slipway.domain.states import State
from slipway.errors import Permanent
from slipway.faults import InjectedFault
from slipway.ports import TopicSpec
from tests.fakes.deploying import OPERATOR, Yard


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def plan(yard: Yard) -> tuple[Step, ...]:
    return provision.plan(yard.migration, yard.world)


def apply(yard: Yard, steps: tuple[Step, ...]) -> None:
    provision.apply(yard.migration, steps, yard.world, OPERATOR)


def test_a_plan_alone_changes_nothing(yard: Yard) -> None:
    steps = plan(yard)

    assert [type(step).__name__ for step in steps] == [
        "AdoptContract",
        "RememberCluster",
        "CreateTopic",
        "CreateTopic",
        "SetCompatibility",
        "RegisterSchema",
        "CreateLakeTable",
        "InstallServing",
        "Advance",
    ]
    assert yard.topics.describe("raw-flight-status") is None
    assert yard.ledger.standing("flights") is None
    assert plan(yard) == steps


def test_after_the_plan_was_carried_out_there_is_nothing_left_to_do(yard: Yard) -> None:
    apply(yard, plan(yard))

    assert plan(yard) == ()
    assert provision.table(()) == "nothing to do: all that the contract needs is there"
    raw = yard.topics.describe("raw-flight-status")
    assert raw is not None and raw.config["message.timestamp.type"] == "CreateTime"
    assert raw.config["retention.ms"] == "-1", "the broker would drop history, for it looks at its instants"
    dead = yard.topics.describe("dlq-flight-status")
    assert dead is not None and dead.partitions == raw.partitions
    assert dead.config["message.timestamp.type"] == "LogAppendTime"
    standing = yard.ledger.standing("flights")
    assert standing is not None and standing.state is State.PROVISIONED
    assert yard.amendments.installed == 1


def test_a_live_feed_arrives_by_the_brokers_clock(yard: Yard) -> None:
    events = yard.migration.contract.events.model_copy(update={"arrival": "broker"})
    contract = yard.migration.contract.model_copy(update={"events": events})
    yard.migration = replace(yard.migration, contract=contract)

    apply(yard, plan(yard))

    raw = yard.topics.describe("raw-flight-status")
    assert raw is not None and raw.config["message.timestamp.type"] == "LogAppendTime"
    assert int(raw.config["retention.ms"]) == 11 * 24 * 3600 * 1000


@pytest.mark.parametrize("step", ["CreateTopic", "InstallServing", "Advance"])
def test_a_run_that_dies_between_two_steps_is_finished_by_the_next(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    monkeypatch.setenv("SLIPWAY_FAIL_AT", f"provision.{step}")
    with pytest.raises(InjectedFault):
        apply(yard, plan(yard))
    monkeypatch.delenv("SLIPWAY_FAIL_AT")

    rest = plan(yard)
    apply(yard, rest)

    assert 0 < len(rest) < 9
    assert plan(yard) == ()


def test_a_topic_that_was_changed_by_hand_is_changed_back_and_the_plan_shows_both(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.topics.configure("raw-flight-status", {"retention.ms": "1000"})

    (step,) = plan(yard)

    assert isinstance(step, ConfigureTopic)
    assert (step.seen, step.wanted) == ("retention.ms=1000", "retention.ms=-1")
    assert "topic raw-flight-status  retention.ms=1000  retention.ms=-1" in provision.table([step])


def test_another_partition_count_is_refused_for_keys_would_move(yard: Yard) -> None:
    yard.topics.create(TopicSpec("raw-flight-status", 5, 1, {}))

    with pytest.raises(Permanent, match=r"has 5 partitions, but .* asks for 2\. .* ordered by flight_id"):
        plan(yard)


def test_another_cluster_is_refused(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.topics.id = "cluster-2"

    with pytest.raises(Permanent, match="on Kafka cluster cluster-1, but slipway_kafka leads to cluster-2"):
        plan(yard)


def test_a_schema_meets_a_strict_subject(yard: Yard) -> None:
    """The level is set before the schema, or the first wrong schema would be let in."""
    kinds = [type(step) for step in plan(yard)]

    assert kinds.index(SetCompatibility) < kinds.index(RegisterSchema)


def test_three_brokers_keep_three_replicas(yard: Yard) -> None:
    yard.topics._brokers = 3

    topic = next(step.topic for step in plan(yard) if isinstance(step, CreateTopic))

    assert (topic.replication, topic.config["min.insync.replicas"]) == (3, "2")
