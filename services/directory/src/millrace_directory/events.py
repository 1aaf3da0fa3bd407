"""What every aggregate records about itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

Key: TypeAlias = UUID | str
"""What a row is found by: a UUID, an NPI or a plan id."""


class Action(StrEnum):
    """What a new version came from; the last word of the event's type on the feed."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to the aggregate with this key that concerns others. The base of all domain events."""

    key: Key
