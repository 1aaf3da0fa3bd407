"""Entries of the waitlist as REST resources."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from millrace_contracts.entities import Mode, PatientKind
from millrace_platform.resources import Body, Day, Schema
from millrace_scheduling.hold.schemas import Reason
from millrace_scheduling.waitlist.model import Entry, EntryState, ListedEntry, Offer
from millrace_scheduling.zones import get_zone

FirstDay = Annotated[Day, Field(alias="from", description="The first day, in the time zone of the provider-location.")]


class JoinBody(Body):
    """The visit to wait for: any time on these days, both included."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    provider_location_id: UUID
    visit_reason: Reason | None = None
    patient: PatientKind = "new"
    mode: Mode = "in_person"
    dependant_id: UUID | None = None
    from_: FirstDay
    to: Day

    def to_entry(self, identifier: UUID, patient_id: UUID, now: datetime) -> Entry:
        return Entry(
            id=identifier,
            provider_location_id=self.provider_location_id,
            patient_id=patient_id,
            dependant_id=self.dependant_id,
            visit_reason=self.visit_reason,
            mode=self.mode,
            patient_kind=self.patient,
            first_day=self.from_,
            last_day=self.to,
            state=EntryState.WAITING,
            created_at=now,
        )


class OfferResource(Schema):
    """A time that is held until `expires_at`. Book it with POST /v1/appointments."""

    hold_id: UUID
    start: datetime = Field(description="With the UTC offset of the provider-location at that time.")
    time_zone: str = Field(examples=["America/New_York"])
    minutes: int
    expires_at: datetime

    @classmethod
    def of(cls, offer: Offer, time_zone: str) -> "OfferResource":
        return cls(
            hold_id=offer.reservation_id,
            start=offer.start.astimezone(get_zone(time_zone)),
            time_zone=time_zone,
            minutes=offer.minutes,
            expires_at=offer.expires_at,
        )


class EntryResource(Schema):
    """A patient's entry on the waitlist."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    id: UUID
    provider_location_id: UUID
    visit_reason: str | None
    patient: PatientKind
    mode: Mode
    dependant_id: UUID | None
    from_: FirstDay
    to: date
    state: EntryState
    offer: OfferResource | None
    created_at: datetime

    @classmethod
    def of(cls, entry: Entry, offer: OfferResource | None = None) -> "EntryResource":
        return cls(
            id=entry.id,
            provider_location_id=entry.provider_location_id,
            visit_reason=entry.visit_reason,
            patient=entry.patient_kind,
            mode=entry.mode,
            dependant_id=entry.dependant_id,
            from_=entry.first_day,
            to=entry.last_day,
            state=entry.state,
            offer=offer,
            created_at=entry.created_at,
        )

    @classmethod
    def of_listed(cls, listed: ListedEntry) -> "EntryResource":
        offer = None if listed.offer is None else OfferResource.of(listed.offer, listed.time_zone)
        return cls.of(listed.entry, offer)


class EntryList(Schema):
    """A patient's waitlist entries, the oldest first."""

    items: list[EntryResource]
