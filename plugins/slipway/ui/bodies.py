"""What people send: the bodies of the page's writes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_STORABLE = r"^[^\x00]*$"
"""Postgres keeps no text with a NUL in it."""


class SignOffBody(BaseModel):
    """A person's word on one piece of evidence."""

    model_config = ConfigDict(extra="forbid")

    role: Annotated[str, Field(min_length=1, max_length=100)]
    decision: Literal["approve", "reject", "withdraw"]
    evidence: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    comment: Annotated[str, Field(max_length=2000, pattern=_STORABLE)] = ""


class ResumeBody(BaseModel):
    """Why a held migration may go on."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=3, max_length=2000, pattern=_STORABLE)]
