"""Calendar feeds, and what their events say beyond the appointment. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final
from uuid import UUID

from millrace_scheduling.account.model import AccountRoles


class Reader(Enum):
    """For whom events are written: the patient sees the provider, staff the type of the visit."""

    PATIENT = auto()
    STAFF = auto()


@dataclass(frozen=True, slots=True)
class LocationDetails:
    """Where and with whom visits take place: texts for people, None where this service has no copy yet.

    `visit_types` are names by id; `changed_at` is when the copies last changed.
    """

    provider_name: str | None = None
    address: str | None = None
    visit_types: Mapping[str, str] = field(default_factory=dict)
    changed_at: datetime | None = None


STAFF: Final = "staff"
"""The role of accounts that may make staff feeds."""
CONFIRMATION = timedelta(days=30)
"""How long the roles of an access token count for a feed whose creator's account has no event."""


@dataclass(frozen=True, slots=True)
class CalendarFeed:
    """A private address that lists appointments of a patient, a provider-location, or a provider in one practice.

    `confirmed_at`: when the creator's access token last had the right to what the feed lists.
    """

    id: UUID
    created_by: UUID
    created_at: datetime
    confirmed_at: datetime
    patient_id: UUID | None = None
    provider_location_id: UUID | None = None
    npi: str | None = None
    practice_id: UUID | None = None


def has_right(feed: CalendarFeed, practice_id: UUID | None, creator: AccountRoles | None, now: datetime) -> bool:
    """Return whether a feed's creator may still see what it lists, which is now the practice's.

    Without an event of the creator's account, which then is another issuer's, the last confirmation decides.
    """
    if feed.patient_id is not None:
        return True
    if creator is None:
        return now - feed.confirmed_at < CONFIRMATION
    return STAFF in creator.roles and practice_id is not None and practice_id in creator.practice_ids
