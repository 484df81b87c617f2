"""Provisioning: the plan is what is done, and a second one is empty."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from slipway.app import adopted, provision
from slipway.app.provision_steps import (
    ConfigureTopic,
    CreateTopic,
    DrainTopic,
    RegisterSchema,
    Safety,
    SetCompatibility,
    Step,
)
from slipway.app.saved_plan import SavedPlan, save
from slipway.app.tables import bronze_table
from slipway.domain.avro import parse_schema
from slipway.domain.contract import Migration, compile_migration
from slipway.domain.states import State
from slipway.errors import Permanent
from slipway.faults import InjectedFault
from slipway.ports import LakeTable, Source, TopicSpec
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
    yard.migration = changed(yard, "events", arrival="broker")

    apply(yard, plan(yard))

    raw = yard.topics.describe("raw-flight-status")
    assert raw is not None and raw.config["message.timestamp.type"] == "LogAppendTime"
    assert int(raw.config["retention.ms"]) == 11 * 24 * 3600 * 1000


KINDS = ("AdoptContract", "RememberCluster", "CreateTopic", "SetCompatibility", "RegisterSchema",
         "CreateLakeTable", "InstallServing", "Advance")  # fmt: skip


@pytest.mark.parametrize("place", [f"{kind}{end}" for kind in KINDS for end in ("", ".done")])
def test_a_run_that_dies_anywhere_is_finished_with_the_very_plan_that_it_began_with(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    saved = save(yard.migration, plan(yard))
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    monkeypatch.setenv("SLIPWAY_FAIL_AT", f"provision.{place}")
    with pytest.raises(InjectedFault):
        provision.apply(yard.migration, saved, yard.world, OPERATOR)
    monkeypatch.delenv("SLIPWAY_FAIL_AT")

    provision.apply(yard.migration, saved, yard.world, OPERATOR)

    assert plan(yard) == ()


def confirm(yard: Yard) -> None:
    provision.apply(yard.migration, plan(yard), yard.world, OPERATOR, confirmed=True)


def test_a_topic_that_was_changed_by_hand_is_changed_back_when_somebody_confirms(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.topics.configure("raw-flight-status", {"retention.ms": "1000"})

    (step,) = plan(yard)

    assert isinstance(step, ConfigureTopic)
    assert (step.seen, step.wanted) == ("retention.ms=1000", "retention.ms=-1")
    assert "topic raw-flight-status  retention.ms=1000  retention.ms=-1  needs confirmation" in (
        provision.table([step])
    )
    assert "retention.ms can't be adopted; to revert it" in provision.table([step]), "arrival: producer"
    with pytest.raises(Permanent, match=r"nothing was changed, .* need confirmation"):
        apply(yard, (step,))
    confirm(yard)
    assert plan(yard) == ()


def test_nothing_lets_the_broker_delete_records(yard: Yard) -> None:
    yard.migration = changed(yard, "events", arrival="broker")
    apply(yard, plan(yard))
    yard.topics.configure("raw-flight-status", {"retention.ms": "-1"})
    yard.topics.configure("dlq-flight-status", {"cleanup.policy": "compact", "retention.bytes": "1000"})

    steps = {step.what: step for step in plan(yard)}

    kept = steps["topic raw-flight-status: retention.ms"]
    assert (kept.safety, kept.seen) == (Safety.REFUSED, "retention.ms=-1")
    assert "retention.raw" in kept.advice
    assert steps["topic dlq-flight-status: cleanup.policy"].safety is Safety.REFUSED
    assert steps["topic dlq-flight-status"].wanted == "retention.bytes=-1"
    with pytest.raises(Permanent, match=r"refused:\n  topic raw-.*\n  topic dlq-"):
        confirm(yard)
    assert yard.topics.describe("dlq-flight-status").config["retention.bytes"] == "1000"


def test_a_laxer_subject_is_set_back(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.schemas.set_compatibility("raw-flight-status-value", "NONE")

    (step,) = plan(yard)

    assert (step.seen, step.wanted, step.safety) == ("NONE", "BACKWARD_TRANSITIVE", Safety.CONFIRM)
    confirm(yard)
    assert yard.schemas.compatibility("raw-flight-status-value") == "BACKWARD_TRANSITIVE"


def test_a_schema_that_old_events_do_not_fit_is_refused_before_it_is_registered(yard: Yard) -> None:
    old = json.loads(yard.migration.schema.text)
    old["fields"] = [field for field in old["fields"] if field["name"] != "distance"]
    yard.schemas.register("raw-flight-status-value", json.dumps(old))

    (step,) = [step for step in plan(yard) if step.safety is Safety.REFUSED]

    assert step.what == "subject raw-flight-status-value: schema"
    assert step.reason.startswith("version 1: distance: old events do not have it and there is no default")


def test_a_schema_that_fits_says_what_it_does_to_each_kpi(yard: Yard) -> None:
    apply(yard, plan(yard))
    raw = json.loads(yard.migration.schema.text)
    raw["fields"].append({"name": "gate", "type": ["null", "string"], "default": None, "doc": "Gate"})
    yard.migration = compile_migration(yard.migration.contract, parse_schema(json.dumps(raw)))

    change, *_, register = [step for step in plan(yard) if "gate" in step.what + step.reason]

    assert (change.what, change.seen, change.wanted) == ("contract schema.gate", "absent", "string or null")
    assert isinstance(register, RegisterSchema)
    assert "gate (kpis.flights_daily): not used; its numbers stay as they are" in register.reason


def test_a_setting_that_nobody_made_is_added_without_a_word(yard: Yard) -> None:
    apply(yard, plan(yard))
    seen = yard.topics.describe("raw-flight-status")
    assert seen is not None
    config = {key: value for key, value in seen.config.items() if key != "min.insync.replicas"}
    yard.topics._topics["raw-flight-status"] = replace(seen, config=config)

    (step,) = plan(yard)

    assert (step.seen, step.safety) == ("min.insync.replicas=1 (the broker's default)", Safety.SAFE)


def test_properties_of_a_lake_table_are_set_back_and_its_columns_never_touched(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.lake.set_properties("bronze.flights", {"slipway.retention-days": "1"})

    (step,) = plan(yard)

    assert (step.seen, step.wanted) == ("slipway.retention-days=1", "slipway.retention-days=90")
    assert "`retention`" in step.advice
    confirm(yard)
    yard.lake.drop("bronze.flights")
    yard.lake.ensure(LakeTable("bronze", "flights", (("value", "string", ""),)))
    refused = next(step for step in plan(yard) if step.safety is Safety.REFUSED)
    assert "column value is string, wanted binary" in refused.seen


def test_a_view_that_was_dropped_comes_back_when_somebody_confirms(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.serving.views.clear()

    (step,) = plan(yard)

    assert (step.what, step.safety) == ("serving views", Safety.CONFIRM)
    confirm(yard)
    assert yard.serving.views == {"flights_daily"}


def test_another_partition_count_is_refused_for_keys_would_move(yard: Yard) -> None:
    yard.topics.create(TopicSpec("raw-flight-status", 5, 1, {}))

    with pytest.raises(Permanent, match=r"5 partitions -> 2 partitions; .* ordered by flight_id"):
        confirm(yard)

    assert yard.ledger.standing("flights") is None, "not even the harmless steps before it were done"


def test_another_cluster_is_refused(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.topics.id = "cluster-2"

    with pytest.raises(Permanent, match=r"Kafka cluster: cluster-2 -> cluster-1; .* point the connection"):
        confirm(yard)


def test_all_refused_steps_are_told_at_once(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.topics.id = "cluster-2"
    yard.serving.wrong_columns.append("batch.flights_daily.seats is text, but the contract makes it bigint")

    with pytest.raises(Permanent) as told:
        confirm(yard)

    assert "Kafka cluster" in str(told.value) and "seats is text" in str(told.value)


def changed(yard: Yard, section: str, **values: object) -> Migration:
    contract = yard.migration.contract
    part = getattr(contract, section).model_copy(update=values)
    return replace(yard.migration, contract=contract.model_copy(update={section: part}))


def test_a_changed_contract_shows_its_fields_and_is_adopted_after_a_confirmation(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.migration = changed(yard, "parity", accept_late=timedelta(hours=36))

    steps = plan(yard)

    assert [(step.what, step.seen, step.wanted) for step in steps[:1]] == [
        ("contract parity.accept_late", "1d", "36h")
    ]
    assert steps[0].reason == "needs a new revision: other records are late"
    with pytest.raises(Permanent, match="need confirmation"):
        apply(yard, steps)
    confirm(yard)
    assert plan(yard) == ()
    assert yard.ledger.standing("flights").contract_digest == yard.migration.contract_digest


def test_a_longer_retention_in_the_contract_is_nobodys_hand_and_a_shorter_one_deletes(yard: Yard) -> None:
    yard.migration = changed(yard, "events", arrival="broker")
    apply(yard, plan(yard))
    yard.migration = changed(yard, "retention", raw=timedelta(days=30), bronze=timedelta(days=30))
    apply(yard, plan(yard))
    assert yard.topics.describe("raw-flight-status").config["retention.ms"] == str(30 * 86_400_000)
    assert plan(yard) == ()

    yard.migration = changed(yard, "retention", raw=timedelta(days=8))

    shorter = [step for step in plan(yard) if isinstance(step, ConfigureTopic)]
    assert [step.safety for step in shorter] == [Safety.CONFIRM]


@pytest.mark.parametrize(
    "place", ["ChangeField", "ConfigureTopic.done", "AdoptContract", "AdoptContract.done"]
)
def test_a_changed_contract_that_was_adopted_halfway_goes_on_with_its_plan(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    yard.migration = changed(yard, "events", arrival="broker")
    apply(yard, plan(yard))
    yard.migration = changed(yard, "parity", accept_late=timedelta(days=9))
    saved = save(yard.migration, plan(yard))
    monkeypatch.setenv("SLIPWAY_FAIL_MODE", "raise")
    monkeypatch.setenv("SLIPWAY_FAIL_AT", f"provision.{place}")
    with pytest.raises(InjectedFault):
        provision.apply(yard.migration, saved, yard.world, OPERATOR, confirmed=True)
    monkeypatch.delenv("SLIPWAY_FAIL_AT")

    provision.apply(yard.migration, saved, yard.world, OPERATOR, confirmed=True)

    assert plan(yard) == ()
    assert yard.ledger.standing("flights").contract_digest == yard.migration.contract_digest


def test_a_harmless_change_needs_no_confirmation(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.migration = changed(yard, "cutover", soak=timedelta(minutes=1))

    apply(yard, plan(yard))

    assert plan(yard) == ()


def test_more_traffic_than_the_topic_was_made_for_is_refused_until_a_new_topic_is_named(yard: Yard) -> None:
    apply(yard, plan(yard))
    yard.produce(3)
    traffic = yard.migration.contract.events.traffic.model_copy(update={"peak_per_second": 50_000})
    yard.migration = changed(yard, "events", traffic=traffic)
    refused = [step for step in plan(yard) if step.safety is Safety.REFUSED]
    assert [step.what for step in refused] == [
        "contract events.traffic.peak_per_second",
        "topic raw-flight-status: partitions",
        "topic dlq-flight-status: partitions",
    ]
    assert "name a new topic" in refused[0].advice

    yard.migration = changed(yard, "events", topic="raw-flight-status2")
    drain = next(step for step in plan(yard) if isinstance(step, DrainTopic))

    assert (drain.seen, drain.safety) == ("no job tells how far it is", Safety.REFUSED)
    assert drain.advice.startswith("1. stop the producers of raw-flight-status;")
    yard.topics.commit("raw-flight-status", "slipway-flights-ingest", {0: 1})
    assert "2 records unread" in provision.table(plan(yard))
    yard.topics.commit("raw-flight-status", "slipway-flights-ingest", {0: 3})
    confirm(yard)
    assert yard.topics.describe("raw-flight-status2").partitions == 16
    assert plan(yard) == ()


def test_a_lake_that_holds_records_of_the_old_topic_is_not_mixed_with_those_of_a_new_one(yard: Yard) -> None:
    apply(yard, plan(yard))
    columns = dict.fromkeys(column for column, _, _ in bronze_table(yard.migration).columns)
    yard.lake.append("bronze.flights", [{**columns, "arrived_on": date(2013, 3, 8)}])
    yard.migration = changed(yard, "events", topic="raw-flight-status2")

    refused = [step for step in plan(yard) if step.safety is Safety.REFUSED]

    assert [step.what for step in refused] == ["topic raw-flight-status: drain", "lake table bronze.flights"]
    assert "counted by partition and offset" in refused[1].reason


def test_a_kpi_that_readers_get_from_the_stream_is_not_retired(yard: Yard) -> None:
    kpi = yard.migration.contract.kpis["flights_daily"]
    both = yard.migration.contract.model_copy(update={"kpis": {"flights_daily": kpi, "other": kpi}})
    one, yard.migration = yard.migration, compile_migration(both, yard.migration.schema)
    apply(yard, plan(yard))
    owner, route = yard.serving._routes["other"]
    yard.serving._routes["other"] = (owner, replace(route, source=Source.STREAM, revision=1))
    yard.migration = one

    refused = [step for step in plan(yard) if step.safety is Safety.REFUSED]

    assert [(step.what, step.seen) for step in refused] == [("serving.other", "served from stream")]
    yard.serving._routes["other"] = (owner, route)
    confirm(yard)
    assert plan(yard) == ()


def test_a_contract_whose_adopted_text_is_lost_is_adopted_again_by_a_word(yard: Yard) -> None:
    apply(yard, plan(yard))
    shutil.rmtree(yard.folder / "evidence")
    apply(yard, plan(yard))
    assert plan(yard) == (), "the same contract is only kept again"
    shutil.rmtree(yard.folder / "evidence")
    yard.migration = changed(yard, "cutover", soak=timedelta(minutes=1))

    (step,) = plan(yard)

    assert step.safety is Safety.CONFIRM and "nobody can say what changed" in step.advice
    confirm(yard)
    assert adopted.changes(yard.migration, yard.world) == ()


def test_a_saved_plan_is_refused_when_the_world_has_moved(yard: Yard) -> None:
    saved = SavedPlan.from_json(json.loads(json.dumps(save(yard.migration, plan(yard)).to_json())))
    yard.topics.create(TopicSpec("raw-flight-status", 2, 1, {"retention.ms": "-1"}))

    with pytest.raises(Permanent) as told:
        provision.apply(yard.migration, saved, yard.world, OPERATOR, confirmed=True)

    assert "the plan is out of date, and nothing was changed" in str(told.value)
    assert "topic raw-flight-status: planned absent -> 2 partitions" in str(told.value)
    assert yard.ledger.standing("flights") is None


def test_a_saved_plan_is_refused_when_the_contract_has_moved(yard: Yard) -> None:
    saved = save(yard.migration, plan(yard))
    yard.migration = changed(yard, "cutover", soak=timedelta(minutes=1))

    with pytest.raises(Permanent, match=r"contract cutover\.soak: 10s when planned, 1m now"):
        provision.apply(yard.migration, saved, yard.world, OPERATOR)


def test_a_saved_plan_that_was_edited_is_no_plan(yard: Yard) -> None:
    document = json.loads(json.dumps(save(yard.migration, plan(yard)).to_json()))
    document["steps"].pop()

    with pytest.raises(Permanent, match="changed after it was saved"):
        SavedPlan.from_json(document)
    with pytest.raises(Permanent, match="this is no saved plan"):
        SavedPlan.from_json({"steps": []})


def test_a_schema_meets_a_strict_subject(yard: Yard) -> None:
    """The level is set before the schema, or the first wrong schema would be let in."""
    kinds = [type(step) for step in plan(yard)]

    assert kinds.index(SetCompatibility) < kinds.index(RegisterSchema)


def test_three_brokers_keep_three_replicas(yard: Yard) -> None:
    yard.topics._brokers = 3

    topic = next(step.topic for step in plan(yard) if isinstance(step, CreateTopic))

    assert (topic.replication, topic.config["min.insync.replicas"]) == (3, "2")
