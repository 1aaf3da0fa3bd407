"""Profiles, dependants and insurance cards after decryption."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

RECORDS_LIMIT = 50
"""Maximum number of records of one kind for each patient."""


class RecordKind(StrEnum):
    PROFILE = "profile"
    DEPENDANT = "dependant"
    INSURANCE_CARD = "insurance-card"


@dataclass(frozen=True, slots=True)
class Record:
    """Record after decryption. `content` is the request body as plain JSON values."""

    id: UUID
    version: int
    content: dict[str, Any] = field(repr=False)
