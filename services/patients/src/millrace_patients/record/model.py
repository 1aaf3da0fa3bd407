"""A record as it is open."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

LIMIT = 50
"""Records of one kind that a patient may have."""


class RecordKind(StrEnum):
    PROFILE = "profile"
    DEPENDANT = "dependant"
    INSURANCE_CARD = "insurance-card"


@dataclass(frozen=True, slots=True)
class Record:
    """`content` is the body that a client sent, as plain JSON values."""

    id: UUID
    version: int
    content: dict[str, Any] = field(repr=False)
