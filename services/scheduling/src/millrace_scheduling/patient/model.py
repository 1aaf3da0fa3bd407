"""Permissions to book: whether the profile suffices, and the ids that bookings may name. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PatientCopy:
    """A patient as consumed from the feed, without personal data. One who was erased may not book.

    `registered_at` is when the account began, None if it isn't known.
    """

    id: UUID
    version: int
    may_book: bool = False
    dependant_ids: tuple[UUID, ...] = ()
    insurance_card_ids: tuple[UUID, ...] = ()
    registered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BookingPermissions:
    """Permissions of a patient. `missing` are the fields that a booking asks for and the profile lacks."""

    may_book: bool
    missing: tuple[str, ...] = ()
    dependant_ids: Collection[UUID] = ()
    insurance_card_ids: Collection[UUID] = ()
    registered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BookingRequirements:
    """The permissions that a request requires of its patient.

    `dependant_field` is the field of the request that names the dependant.
    """

    patient_id: UUID
    needs_profile: bool = False
    dependant_id: UUID | None = None
    dependant_field: str = "dependant_id"
    insurance_card_id: UUID | None = None
