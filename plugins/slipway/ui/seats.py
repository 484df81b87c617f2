"""Who is asked for their word, and what they have said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slipway.domain.contract import Migration
from slipway.domain.gates import Facts, Word, words_that_stand


@dataclass(frozen=True, slots=True)
class Seat:
    """One role in a sign-off panel. mine: the user who looks holds it; said: what stands, newest word."""

    role: str
    needed: int
    holders: tuple[str, ...]
    approved: tuple[str, ...]
    words: tuple[Word, ...]
    mine: bool
    my_decision: str | None


def seats(migration: Migration, facts: Facts, user: str) -> Sequence[Seat]:
    """Return every role of the contract, as the user who looks sees it."""
    standing = words_that_stand(facts)
    found = []
    for role, holders in migration.contract.owners.items():
        words = tuple(word for word in standing if word.role == role)
        mine = [word.decision for word in words if word.user == user]
        found.append(
            Seat(
                role,
                facts.demands.sign_offs.get(role, 0),
                tuple(holders),
                tuple(word.user for word in words if word.decision == "approve"),
                words,
                user in holders,
                mine[-1] if mine else None,
            )
        )
    return found
