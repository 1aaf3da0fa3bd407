"""The part of a patient that other services may know: ids, and whether the patient may book. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

State = Literal["active", "erased"]

PROFILE_FIELDS = ("given_name", "family_name", "birth_date")
"""Fields that every profile has, and every booking asks for."""
CONTACT_FIELD = "phone"
"""The field that a booking asks for unless the account's email address is verified."""


@dataclass(frozen=True, slots=True)
class PublicPatient:
    """One version of a patient without personal data, as other services know it. Ids are sorted.

    `registered_at` is when the account began.
    """

    id: UUID
    state: State
    version: int
    may_book: bool
    dependant_ids: tuple[UUID, ...] = ()
    insurance_card_ids: tuple[UUID, ...] = ()
    registered_at: datetime | None = None


def list_missing_fields(patient: PublicPatient | None, *, has_verified_email: bool) -> tuple[str, ...]:
    """Return the profile's fields that a booking asks for and the patient (None without a profile) hasn't given."""
    contact = () if has_verified_email else (CONTACT_FIELD,)
    if patient is None or patient.state == "erased":
        return (*PROFILE_FIELDS, *contact)
    return () if patient.may_book else contact
