"""Joining and leaving the line."""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from millrace_platform.authentication import Principal
from millrace_platform.errors import Conflict, FieldError, Unprocessable
from millrace_platform.idempotency import Answer, IdempotencyKey, once
from millrace_platform.ids import Ids
from millrace_platform.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_scheduling.place import repository as places
from millrace_scheduling.problems import not_found
from millrace_scheduling.reservation import repository as claims
from millrace_scheduling.slot.zones import zone
from millrace_scheduling.waitlist import repository
from millrace_scheduling.waitlist.model import DAYS, PER_PATIENT, Entry, EntryState, Offer, OfferState
from millrace_scheduling.waitlist.repository import Offered
from millrace_scheduling.waitlist.schemas import EntryResource, JoinBody
from millrace_scheduling.waitlist.wire import event_of


@dataclass(frozen=True, slots=True)
class WaitlistService:
    """For patients, each of whom sees only their own entries."""

    units: UnitsOfWork
    ids: Ids

    async def join(self, caller: Principal, key: IdempotencyKey, body: JoinBody) -> Answer:
        """Problems: 404, 409 where there are many entries, 422, and those of the key."""

        async def effect(work: UnitOfWork) -> Answer:
            await self._require_place(work, body)
            if await repository.count(work.session, caller.subject) >= PER_PATIENT:
                raise Conflict(f"A patient waits in at most {PER_PATIENT} lines. Leave one.")
            entry = body.entry(self.ids(), caller.subject, work.now)
            await repository.add(work.session, entry)
            return _answer(entry)

        return await once(self.units.begin, caller.subject, key, self.units.now(), effect)

    async def own(self, caller: Principal) -> list[tuple[Entry, Offer | None]]:
        """All of the caller's, with the offer where there is one."""
        async with self.units.begin() as work:
            return await repository.own(work.session, caller.subject, PER_PATIENT)

    async def leave(self, caller: Principal, entry_id: UUID) -> None:
        """What is offered goes to the next in line. Problems: 404."""
        async with self.units.begin() as work:
            if await repository.lock(work.session, entry_id, caller.subject) is None:
                raise not_found("entry", entry_id)
            for offered in await repository.offers_of_entry(work.session, entry_id):
                await claims.release(work.session, offered.offer.claim_id)
                await became(work, offered, OfferState.LAPSED)
            await repository.set_state(work.session, entry_id, EntryState.DONE)

    async def taken(self, work: UnitOfWork, offer_id: UUID) -> None:
        """The hold of an offer was booked: that is what was waited for."""
        offered = await repository.offer_of(work.session, offer_id)
        if offered is not None:
            await became(work, offered, OfferState.TAKEN)
            await repository.set_state(work.session, offered.entry.id, EntryState.DONE)

    async def declined(self, work: UnitOfWork, offer_id: UUID) -> None:
        """The hold of an offer was given up: on with the next one, and this one waits for another time."""
        offered = await repository.offer_of(work.session, offer_id)
        if offered is not None:
            await became(work, offered, OfferState.LAPSED)
            await repository.set_waiting(work.session, offered.entry.id)

    async def forget(self, work: UnitOfWork, patient_id: UUID) -> None:
        """Reserve a patient out of all lines, without a trace. The holds of offers are given up elsewhere."""
        for offered in await repository.offers_of_patient(work.session, patient_id):
            await became(work, offered, OfferState.LAPSED)
        await repository.forget(work.session, patient_id)

    async def _require_place(self, work: UnitOfWork, body: JoinBody) -> None:
        place = await places.find(work.session, body.provider_location_id)
        if place is None:
            raise not_found("provider-location", body.provider_location_id)
        today = work.now.astimezone(zone(place.time_zone)).date()
        if body.to < max(body.from_, today) or body.to > today + timedelta(DAYS):
            raise _wrong_days(today)


async def became(work: UnitOfWork, offered: Offered, state: OfferState) -> None:
    """The offer's next state, and its event."""
    offer = offered.offer.became(state)
    await repository.set_offer(work.session, offer)
    work.record(event_of(offered.entry, offer, offered.place))


def _wrong_days(today: date) -> Unprocessable:
    wrong = FieldError(
        field="to",
        detail="The days lie behind, far ahead, or end before they begin.",
        remedy=f"Give a day from `from` on, between {today} and {today + timedelta(DAYS)}.",
    )
    return Unprocessable(errors=[wrong])


def _answer(entry: Entry) -> Answer:
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Location": f"/v1/waitlist/{entry.id}",
    }
    return Answer(201, EntryResource.of(entry, None).model_dump_json().encode(), headers)
