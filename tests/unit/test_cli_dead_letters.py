"""`slipway dlq`: the reasons in a table, one record as it may be shown, a replay that asks before it acts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slipway import bootstrap, cli
from slipway.domain.contract import Migration
from tests.decoder_cases import migration
from tests.unit.test_dead_letters import GOOD, Case, made


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    found = made()
    monkeypatch.setattr(bootstrap, "world", lambda: found.world)
    monkeypatch.setattr(bootstrap, "migration", lambda name: found.migration)
    return found


def test_the_list_names_reasons_counts_and_an_example(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.refuse({}, "missing field event_id")
    case.refuse({}, "missing field event_id")

    assert cli.main(["dlq", "list", "cases", "--json"]) == cli.DONE

    (group,) = json.loads(capsys.readouterr().out)
    assert (group["reason"], group["count"], group["example"]) == ("missing field event_id", 2, "0:0")
    assert cli.main(["dlq", "list", "cases", "--since", "2026-11-22T00:00Z", "--json"]) == cli.DONE
    assert json.loads(capsys.readouterr().out) == []


def test_personal_fields_are_shown_only_when_the_bytes_are_asked_for(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    case.refuse({**GOOD, "passenger": "Zoe", "kind": "Q"}, "kind: 'Q' is not one of A, D, X")

    assert cli.main(["dlq", "show", "cases", "0:0"]) == cli.DONE
    shown = capsys.readouterr().out
    assert "Zoe" not in shown and "(masked)" in shown and "kind: 'Q' is not one of" in shown

    assert cli.main(["dlq", "show", "cases", "0:0", "--bytes"]) == cli.DONE
    assert "Zoe" in capsys.readouterr().out


def test_bytes_that_are_no_text_are_shown_in_hexadecimal_digits(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "migration", lambda name: _without_personal_fields())
    case.refuse(b"\x00\xff", "not json")

    assert cli.main(["dlq", "show", "cases", "0:0", "--json"]) == cli.DONE

    assert json.loads(capsys.readouterr().out)[0]["value"] == "hex 00ff"


def test_a_replay_only_tells_until_it_is_confirmed_with_a_reason(
    case: Case, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    case.refuse(GOOD, "missing field gate")

    assert cli.main(["dlq", "replay", "cases"]) == cli.DONE
    assert "would be sent" in capsys.readouterr().out and case.raw() == []
    assert cli.main(["dlq", "replay", "cases", "--yes"]) == cli.NO
    assert "needs a reason" in capsys.readouterr().err

    mended = tmp_path / "value.json"
    mended.write_text(json.dumps({**GOOD, "gate": "B7"}))
    asked = ["dlq", "replay", "cases", "0:0", "--value-file", str(mended), "--yes", "--reason", "by hand"]
    assert cli.main(asked) == cli.DONE

    assert [record.value for record in case.raw()] == [mended.read_bytes()]
    (kept,) = case.ledger.replays("cases")
    assert (kept.edited, kept.authenticated, kept.reason) == (True, False, "by hand")


def test_places_may_stand_behind_an_option(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.refuse({}, "missing field event_id")
    case.refuse({}, "missing field event_id")

    assert cli.main(["dlq", "list", "cases", "--stage", "decode", "0:1", "--json"]) == cli.DONE

    assert [group["example"] for group in json.loads(capsys.readouterr().out)] == ["0:1"]
    for verb in (
        ["dlq", "list", "cases", "--stage", "decode", "--jason"],
        ["status", "cases", "--json", "x"],
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(verb)
        assert ended.value.code == 2 and "unrecognized arguments" in capsys.readouterr().err


def test_a_list_without_dead_letters_says_so(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dlq", "list", "cases"]) == cli.DONE

    assert capsys.readouterr().out == "cases has no such dead letters\n"


def test_a_value_that_is_no_file_and_an_instant_that_is_none_are_told(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    case.refuse(GOOD, "missing field gate")
    assert cli.main(["dlq", "replay", "cases", "0:0", "--value-file", "/nope"]) == cli.NO
    assert "/nope can't be read: No such file or directory" in capsys.readouterr().err

    with pytest.raises(SystemExit):
        cli.main(["dlq", "list", "cases", "--since", "2026"])
    assert "'2026' is no instant; write it as 2026-11-20T00:00Z" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "cases"], "name the dead letters"),
        (["show", "cases", "7"], "is no place of a dead letter"),
        (["show", "cases", "0:7"], "has no record at 0:7"),
    ],
)
def test_a_record_that_can_not_be_shown_is_told(
    case: Case, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert cli.main(["dlq", *arguments]) == cli.NO
    assert told in capsys.readouterr().err


def _without_personal_fields() -> Migration:
    from dataclasses import replace

    found = migration()
    fields = tuple(replace(field, pii=False) for field in found.schema.fields)
    return replace(found, schema=replace(found.schema, fields=fields))
