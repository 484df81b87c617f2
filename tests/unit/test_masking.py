"""Personal fields are hidden wherever data is shown; what nobody can name is hidden with them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.avro import parse_schema
from slipway.domain.masking import HIDDEN, Masking

SECRET = "ada@example.org"


def masking(*, personal: bool = True) -> Masking:
    field = {"name": "email", "type": ["null", "string"], "doc": "Address", "pii": personal}
    plain = {"name": "amount", "type": "int", "doc": "Cents"}
    return Masking.of(parse_schema(json.dumps({"type": "record", "name": "e", "fields": [field, plain]})))


def test_a_personal_value_is_hidden_and_null_stays_null() -> None:
    assert masking().record({"email": SECRET, "amount": 3}) == {"email": HIDDEN, "amount": 3}
    assert masking().record({"email": None, "amount": 3}) == {"email": None, "amount": 3}


def test_a_field_that_the_schema_does_not_know_is_hidden_beside_personal_ones() -> None:
    assert masking().record({"emial": SECRET}) == {"emial": HIDDEN}
    assert masking(personal=False).record({"emial": SECRET}) == {"emial": SECRET}


def test_a_json_record_is_shown_without_its_personal_values_even_when_they_come_twice() -> None:
    raw = b'{"email": "ada@example.org", "amount": 3, "email": "bob@example.org", "more": {"to": ["x"]}}'
    assert masking().payload(raw) == (
        '{"email": "(masked)", "amount": 3, "email": "(masked)", "more": "(masked)"}'
    )


@pytest.mark.parametrize(
    "raw", [b'{"email": "ada@example.org"', b'"ada@example.org"', b"\x00ada@example.org"]
)
def test_a_broken_record_is_not_shown_beside_personal_fields(raw: bytes) -> None:
    assert SECRET not in masking().payload(raw)
    assert SECRET in masking(personal=False).payload(raw)


def test_bytes_that_are_no_text_are_escaped() -> None:
    assert masking(personal=False).payload(b"\xff{") == "\\xff{"


def test_a_record_nested_too_deeply_is_not_shown() -> None:
    assert "no JSON object" in masking().payload(b'{"a":' + b"[" * 200_000)


def test_an_identity_is_the_same_for_the_same_value_and_gives_it_not_away() -> None:
    first, again, other = masking().identities("email", [SECRET, SECRET, "bob@example.org"])
    assert first == again != other
    assert first.startswith("masked-")
    assert SECRET not in first
    assert masking().identity("amount", "3") == "3"


def test_a_key_of_a_personal_field_is_hidden() -> None:
    assert masking().key(["email"], SECRET.encode()) == HIDDEN
    assert masking().key(["amount"], b"3") == "3"


@given(st.dictionaries(st.text(), st.sampled_from([SECRET, 1, None, [SECRET], {"x": SECRET}])))
def test_whatever_the_record_the_secret_never_shows(event: dict) -> None:
    event.pop("amount", None)
    assert SECRET not in masking().payload(json.dumps(event).encode())
