"""YAML is read with the place of every character, strictly, and without surprises."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.adapters.placed_yaml import YamlError, parse

PATH = Path("x.yaml")


@pytest.mark.parametrize(
    ("text", "part", "place"),
    [
        ("a: b + cd\n", "cd", (1, 8)),
        ('a: "b + cd"\n', "cd", (1, 9)),
        ("a: 'it''s cd'\n", "cd", (1, 11)),
        ('a: "ä\\u00e4 \\" cd"\n', "cd", (1, 16)),
        ("ä: 'ö' \na: x cd\n", "cd", (2, 6)),
        ("a: {where: \"kind = 'D' and cd\"}\n", "cd", (1, 28)),
        ("a:\n  b +\n    cd\n", "cd", (3, 5)),
        ("a: |\n  first\n  then cd\n", "cd", (3, 8)),
        ("a: >-\n  first\n\n  then cd\n", "cd", (4, 8)),
        ('a: "b \\\n   cd"\n', "cd", (2, 4)),
    ],
)
def test_a_part_of_a_value_is_found_whatever_its_quotes(text: str, part: str, place: tuple[int, int]) -> None:
    placed = parse(PATH, text)
    at = ("a", "where") if "where" in text else ("a",)
    assert placed.place_in(at, placed.values[at].value.index(part)) == place


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1), st.data())
def test_any_value_in_quotes_keeps_the_place_of_its_characters(value: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(value) - 1))
    written = value.replace("'", "''")
    placed = parse(PATH, f"a: '{written}'\n")
    if placed.data["a"] != value:  # a line separator in it was folded
        return
    line, column = placed.place_in(("a",), offset)
    if not value[offset].isspace():
        assert line == 1
        assert f"a: '{written}'"[column - 1] == value[offset]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "x.yaml:1:1: the file is empty"),
        (
            "a: [b",
            "not YAML: did not find expected ',' or ']' while parsing a flow sequence that begins in line 1",
        ),
        ("a: 1\na: 2\n", "x.yaml:2:1: a stands here twice, first in line 1"),
        ("a: &b 1\nc: *b\n", "& and * are not known in a contract"),
        ("a: &b [*b]\n", "& and * are not known"),
        ("? [a, b]\n: 1\n", "x.yaml:1:3: a key must be a name"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", "not YAML: but found another document"),
        ("a: \x00", "not YAML"),
        ("a: " + "[" * 5000, "not YAML"),
        ("a: 2013-02-31\n", "x.yaml:1:4: a: 2013-02-31 can't be read: day is out of range for month"),
    ],
)
def test_what_is_no_contract_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse(PATH, text)
    assert why in str(caught.value)


def test_a_key_is_the_text_that_stands_there() -> None:
    assert parse(PATH, "on: [1]\nno: 2\n2013-01-01: 3\n").data == {"on": (1,), "no": 2, "2013-01-01": 3}
