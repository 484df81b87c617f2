"""One topic, one way to have it: what contracts may not want of one together, and what it may be called."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from slipway import bootstrap, cli
from slipway.app.provision import refuse_disagreements
from slipway.errors import Permanent

REPO = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "include" / "migrations"
    shutil.copytree(REPO / "include" / "migrations", found)
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    return found


def write(folder: Path, name: str, *changes: tuple[str, str]) -> None:
    text = (folder / "flights.yaml").read_text().replace("migration: flights", f"migration: {name}")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / f"{name}.yaml").write_text(text)


def test_two_contracts_that_want_one_topic_in_two_ways_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "trips", ("arrival: producer", "arrival: broker"))

    assert cli.main(["validate"]) == cli.NO

    told = capsys.readouterr().err
    assert "flights and trips share the topic raw-flight-status, but want it in two ways" in told
    assert "events.arrival is producer by flights, broker by trips" in told
    with pytest.raises(
        Permanent, match=r"trips and flights share .*retention\.ms is .* by trips, -1 by flights"
    ):
        refuse_disagreements(bootstrap.migration("trips"), bootstrap.readable_migrations())
    assert cli.main(["plan", "flights"]) == cli.NO
    assert "before the contracts agree" in capsys.readouterr().err


def test_two_contracts_that_want_the_same_may_share_a_topic(folder: Path) -> None:
    write(folder, "trips")

    assert cli.main(["validate"]) == cli.DONE
    refuse_disagreements(bootstrap.migration("trips"), bootstrap.readable_migrations())


def test_two_layers_of_one_data_type_share_their_dead_letters(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / "flights.yaml").read_text()
    write(folder, "trips", ("topic: raw-flight-status", "topic: live-flight-status"))
    (folder / "trips.yaml").write_text((folder / "trips.yaml").read_text() + "\nretention:\n  dlq: 3d\n")
    assert "\nretention:" not in text

    assert cli.main(["validate"]) == cli.NO

    told = capsys.readouterr().err
    assert "share the topic dlq-flight-status" in told and "retention.ms is 2592000000 by flights" in told


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        ("dlq-flight-status", "the layer dlq is kept for dead letters: refused records of dlq-flight-status"),
        ("raw-" + "a" * 246, "Kafka takes 249 characters of a topic's name at most"),
        ("a-" + "b" * 246, "dlq-bbb"),
    ],
)
def test_a_topic_that_kafka_or_its_dead_letters_can_not_have_is_refused_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str], topic: str, told: str
) -> None:
    path = folder / "flights.yaml"
    path.write_text(path.read_text().replace("topic: raw-flight-status", f"topic: {topic}"))

    assert cli.main(["validate"]) == cli.NO

    found = capsys.readouterr().err
    assert "events.topic: " in found and told in found


def test_a_topic_as_long_as_kafka_takes_it_is_valid(folder: Path) -> None:
    path = folder / "flights.yaml"
    path.write_text(path.read_text().replace("topic: raw-flight-status", "topic: raw-" + "a" * 245))

    assert cli.main(["validate"]) == cli.DONE
