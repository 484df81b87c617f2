"""The cut on a real topic: markers of transactions, a topic made again, lost records, a compacted one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from slipway.adapters.kafka import KafkaTopics
from slipway.app import freeze
from slipway.app.reconcile import reconcile
from slipway.domain.evidence import Verdict
from slipway.errors import Permanent
from slipway.ports import Reconciliation
from tests.fakes.night import ANA, leave_out
from tests.integration.scratch import database
from tests.integration.test_reconcile import Night, trip
from tests.stack import Stack

PATIENCE = timedelta(seconds=20)


@pytest.fixture
def night(stack: Stack, tmp_path: Path) -> Iterator[Night]:
    """Twelve events on three days that agree; nothing is published yet."""
    with (
        database(stack, "slipway_warehouse") as server,
        database(stack, "slipway_ledger") as ledger,
    ):
        found = Night(stack, server, ledger, tmp_path)
        for n in range(12):
            found.sides.batch.append(trip(n, n % 3))
            found.sides.accept(found.sides.batch[-1])
        yield found
        found.admin.delete_topics([found.topic])[found.topic].result(30)


def reconciled(night: Night) -> Reconciliation:
    """Reconcile; AssertionError when anything is waited for."""

    def wait(_: float) -> None:
        raise AssertionError("the night waited for records that can't come")

    return reconcile(night.migration, night.as_of, night.world, ANA, patience=PATIENCE, wait=wait)


def transact(night: Night) -> list[int]:
    """Send the records in transactions of three, one of two aborted before each; return the empty offsets."""
    producer = Producer({**night.kafka, "transactional.id": f"writer-of-{night.topic}"})
    producer.init_transactions(60)
    empty: list[int] = []
    end = 0
    for first in range(0, 12, 3):
        for records, commit in ((2, False), (3, True)):
            producer.begin_transaction()
            for n in range(records):
                producer.produce(night.topic, str(first + n).encode(), partition=0)
            producer.flush(30)
            if commit:
                producer.commit_transaction(30)
            else:
                producer.abort_transaction(30)
            empty += range(end, end + records + 1) if not commit else [end + records]
            end += records + 1
    return empty


def test_markers_and_aborted_records_of_a_real_producer_do_not_hang_the_night(night: Night) -> None:
    empty = transact(night)
    assert leave_out(night.sides, *empty) == 28
    night.fill()

    first = reconciled(night)
    place = TopicPartition(night.topic, 0, 20)
    night.admin.delete_records([place])[place].result(30)
    second = reconciled(night)

    document = night.store.get(first.digest)
    assert (first.verdict, document["findings"]) == (Verdict.PASS, [])
    assert document["cut"]["offsets"] == {"0": 28}
    assert document["cut"]["gaps"] == [{"partition": 0, "first": 0, "through": 27, "offsets": len(empty)}]
    assert (document["balance"]["produced"], document["balance"]["closes"]) == (12, True)
    assert second.digest == first.digest, "what was proven once needs no proof that is gone by now"


def test_a_transaction_that_is_still_open_is_not_waited_for(night: Night) -> None:
    night.publish()
    producer = Producer({**night.kafka, "transactional.id": f"writer-of-{night.topic}"})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(night.topic, b"not yet", partition=0)
    producer.flush(30)

    found = reconciled(night)
    producer.abort_transaction(30)

    assert found.verdict is Verdict.PASS
    assert night.store.get(found.digest)["cut"]["offsets"] == {"0": 12}


def test_records_that_the_topic_lost_before_they_were_read_are_said_at_once(night: Night) -> None:
    night.publish()
    producer = Producer(night.kafka)
    for n in range(5):
        producer.produce(night.topic, str(n).encode(), partition=0)
    producer.flush(30)
    place = TopicPartition(night.topic, 0, 17)
    night.admin.delete_records([place])[place].result(30)

    found = reconciled(night)

    document = night.store.get(found.digest)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [finding["code"] for finding in document["findings"]] == ["records_expired"]
    [lost] = document["cut"]["expired"]
    assert (lost["partition"], lost["first"], lost["through"], lost["offsets"]) == (0, 12, 16, 5)


def test_a_topic_that_was_made_again_is_refused(night: Night) -> None:
    night.publish()
    cluster = KafkaTopics(night.kafka)
    first = str(cluster.identity(night.topic))
    night.ledger.remember_topic("trips", first, ANA)
    target = freeze.aim(night.migration, night.as_of, night.world)

    make_again(night, {})

    ids = (re.escape(first), re.escape(str(cluster.identity(night.topic))))
    with pytest.raises(Permanent, match=rf"made again: bronze holds .*{ids[0]}.*{ids[1]}"):
        freeze.aim(night.migration, night.as_of, night.world)
    with pytest.raises(Permanent, match="made again"):
        reconcile(night.migration, night.as_of, night.world, ANA, target=target)
    assert night.ledger.reconciliations("trips") == []


def test_a_topic_that_nobody_remembered_is_refused_by_its_offsets(night: Night) -> None:
    night.publish()
    make_again(night, {})

    with pytest.raises(Permanent, match="bronze holds offset 11 of partition 0, but"):
        freeze.aim(night.migration, night.as_of, night.world)


def test_a_compacted_topic_is_refused(night: Night) -> None:
    night.publish()
    make_again(night, {"cleanup.policy": "compact"})

    with pytest.raises(Permanent, match=r"cleanup\.policy=compact"):
        freeze.aim(night.migration, night.as_of, night.world)


def make_again(night: Night, config: dict[str, Any]) -> None:
    night.admin.delete_topics([night.topic])[night.topic].result(30)
    cluster, deadline = KafkaTopics(night.kafka), time.monotonic() + 30
    while cluster.describe(night.topic) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    night.admin.create_topics([NewTopic(night.topic, 1, 1, config=config)])[night.topic].result(30)
    while cluster.describe(night.topic) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
