"""Joining and leaving the waitlist, and the steps of offers."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from uuid import UUID

from millrace_platform.authentication import Principal
from millrace_platform.errors import Conflict, FieldError, Unprocessable
from millrace_platform.idempotency import IdempotencyKey, StoredResponse, execute_once
from millrace_platform.ids import Ids
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.calendar.repository import find_time_zone
from millrace_scheduling.hold.schemas import local_text
from millrace_scheduling.patient import repository as patients
from millrace_scheduling.patient.model import BookingPermissions, BookingRequirements
from millrace_scheduling.patient.service import NotInCopyError, PermissionService
from millrace_scheduling.problems import already_waiting, not_found, times_available
from millrace_scheduling.provider_location import repository as provider_locations
from millrace_scheduling.provider_location.model import ProviderLocation
from millrace_scheduling.reservation import repository as reservations
from millrace_scheduling.waitlist import repository
from millrace_scheduling.waitlist.free_times import load_free_times
from millrace_scheduling.waitlist.model import ENTRIES_PER_PATIENT, MAX_DAYS, Entry, EntryState, ListedEntry, OfferState
from millrace_scheduling.waitlist.repository import OfferRow
from millrace_scheduling.waitlist.schemas import EntryResource, JoinBody
from millrace_scheduling.waitlist.wire import offer_event
from millrace_scheduling.zones import get_zone

MAX_ALTERNATIVES = 5
"""Free times that the refusal to join lists."""


@dataclass(frozen=True, slots=True)
class WaitlistService:
    """Adds and closes waitlist entries. Patients have access to their own entries only."""

    units: UnitsOfWork
    ids: Ids
    permissions: PermissionService

    async def join(self, caller: Principal, key: IdempotencyKey, body: JoinBody) -> StoredResponse:
        """Add an entry of the caller to the waitlist.

        Problems: 404, 409 if a matching time is free or the patient can't have this entry, 422, 503, and those of the
        idempotency key.
        """
        return await self.permissions.run_permitted(partial(self._join_once, caller.subject, key, body))

    async def _join_once(
        self, patient_id: UUID, key: IdempotencyKey, body: JoinBody, *, confirmed: BookingPermissions | None
    ) -> StoredResponse:
        """Join if the dependant is the patient's, by the copy or by `confirmed`; else raise `NotInCopyError`."""

        async def effect(work: UnitOfWork) -> StoredResponse:
            provider_location = await _find_provider_location(work, body)
            if not (confirmed or await patients.has_dependant(work.session, patient_id, body.dependant_id)):
                raise NotInCopyError(BookingRequirements(patient_id, dependant_id=body.dependant_id))
            entry = body.to_entry(self.ids(), patient_id, work.now)
            await _require_no_free_time(work, entry, provider_location)
            if await repository.count_entries(work.session, patient_id) >= ENTRIES_PER_PATIENT:
                raise Conflict(f"You wait in {ENTRIES_PER_PATIENT} lines, which is the limit. Leave one first.")
            if not await repository.add_entry(work.session, entry):
                raise already_waiting()
            return _response(entry)

        return await execute_once(self.units.begin, patient_id, key, self.units.now(), effect)

    async def list_own(self, caller: Principal) -> list[ListedEntry]:
        """Return the caller's entries, each with its open offer or None."""
        async with self.units.begin() as work:
            return await repository.list_entries(work.session, caller.subject, ENTRIES_PER_PATIENT)

    async def leave(self, caller: Principal, entry_id: UUID) -> None:
        """Close the entry and release its offered time for the next entry. Problems: 404."""
        async with self.units.begin() as work:
            if await repository.find_for_update(work.session, entry_id, caller.subject) is None:
                raise not_found("entry")
            for row in await repository.list_entry_offers(work.session, entry_id):
                await reservations.release(work.session, row.offer.reservation_id)
                await close_offer(work, row, OfferState.LAPSED)
            await repository.set_state(work.session, entry_id, EntryState.DONE)

    async def accept_offer(self, work: UnitOfWork, offer_id: UUID) -> None:
        """Close the offer and its entry: the offered hold was booked."""
        row = await repository.find_offer(work.session, offer_id)
        if row is not None:
            await close_offer(work, row, OfferState.TAKEN)
            await repository.set_state(work.session, row.entry.id, EntryState.DONE)

    async def decline_offer(self, work: UnitOfWork, offer_id: UUID) -> None:
        """Close the offer and return its entry to the waitlist: the offered hold was released."""
        row = await repository.find_offer(work.session, offer_id)
        if row is not None:
            await close_offer(work, row, OfferState.LAPSED)
            await repository.requeue(work.session, row.entry.id)

    async def erase_patient(self, work: UnitOfWork, patient_id: UUID) -> None:
        """Delete all entries of a patient; the caller releases the holds of their offers."""
        for row in await repository.list_patient_offers(work.session, patient_id):
            await close_offer(work, row, OfferState.LAPSED)
        await repository.delete_entries(work.session, patient_id)


async def _find_provider_location(work: UnitOfWork, body: JoinBody) -> ProviderLocation:
    """Return the provider-location to wait for. Problems: 404, 422 for days that one can't wait for."""
    provider_location = await provider_locations.find(work.session, body.provider_location_id)
    zone = await find_time_zone(work.session, body.provider_location_id)
    if provider_location is None or zone is None:
        raise not_found("provider-location")
    today = work.now.astimezone(get_zone(zone)).date()
    if body.to < max(body.from_, today) or body.to > today + timedelta(MAX_DAYS):
        raise _invalid_days(today)
    return provider_location


async def _require_no_free_time(work: UnitOfWork, entry: Entry, provider_location: ProviderLocation) -> None:
    """Raise the problem with the first free times if anyone could hold one that the entry would wait for."""
    first = max(entry.first_day, work.now.date() - timedelta(1))
    free_times = await load_free_times(work.session, provider_location, first, entry.last_day, work.now)
    if free_times is None:
        return
    if starts := free_times.starts(entry, work.now)[:MAX_ALTERNATIVES]:
        raise times_available([local_text(each, free_times.timetable.time_zone) for each in starts])


async def close_offer(work: UnitOfWork, row: OfferRow, state: OfferState) -> None:
    """Store the final state of an offer that is locked, and publish it."""
    offer = row.offer.with_state(state)
    await repository.save_offer(work.session, offer)
    work.record(offer_event(row.entry, offer, row.provider_location))


def _invalid_days(today: date) -> Unprocessable:
    wrong = FieldError(
        field="to",
        detail="The days are past, too far ahead, or end before they begin.",
        remedy=f"Give a day from `from` on, between {today} and {today + timedelta(MAX_DAYS)}.",
    )
    return Unprocessable(errors=[wrong])


def _response(entry: Entry) -> StoredResponse:
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Location": f"/v1/waitlist/{entry.id}",
    }
    return StoredResponse(201, EntryResource.of(entry).model_dump_json().encode(), headers)
