"""Booking, and every later step of an appointment: one transaction with its event."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from millrace_feeds.outbox import outbox_record
from millrace_platform.authentication import Principal, Role
from millrace_platform.database import Connection
from millrace_platform.errors import Conflict, FieldError, Forbidden, Problem, Unprocessable
from millrace_platform.idempotency import Answer, IdempotencyKey, at_once, kept_row, once
from millrace_platform.preconditions import Tags, etag
from millrace_scheduling.access import keeps
from millrace_scheduling.appointment import repository
from millrace_scheduling.appointment.model import (
    PRACTICE_ONLY,
    REASONS,
    Action,
    Appointment,
    Cancellation,
    Party,
    TooEarlyError,
    TooLateError,
    WrongStateError,
)
from millrace_scheduling.appointment.repository import Position, Stored
from millrace_scheduling.appointment.schemas import AppointmentResource
from millrace_scheduling.appointment.wire import event_of
from millrace_scheduling.booking.problems import hold_lapsed, hold_used, nothing_there
from millrace_scheduling.claim import repository as claims
from millrace_scheduling.hold import repository as holds
from millrace_scheduling.hold.repository import Kept
from millrace_scheduling.hold.service import Offers
from millrace_scheduling.place import repository as places
from millrace_scheduling.unit_of_work import Units, Work

Change = Callable[[Work, Stored, Party], Awaitable[Appointment]]


@dataclass(frozen=True, slots=True)
class AppointmentService:
    """Patients see and change their own, staff those at the places of their practices; for others there is nothing."""

    units: Units
    offers: Offers

    async def book(self, caller: Principal, key: IdempotencyKey, hold_id: UUID) -> Answer:
        """Make an appointment of a hold. Problems: 404, 409 where it lapsed or was booked, and those of the key."""
        patient_id, now = caller.subject, self.units.now()
        async with self.units.database.connection() as connection:

            async def look() -> Any:
                return await holds.look_at_hold(connection, patient_id, key, hold_id)

            async def act(found: Any) -> Answer:
                kept = holds.kept_of(found)
                if kept is None or not kept.runs(now):
                    raise _no_hold(kept, hold_id, now)
                appointment = Appointment.of_hold(kept.hold, now)
                answer = answer_of(appointment, status=201)
                row = kept_row(patient_id, key, now, answer)
                if not await self._book(connection, appointment, row, kept.offer_id):
                    raise _no_hold(await holds.find(connection, hold_id, patient_id), hold_id, now)
                return answer

            return await at_once(key, look, act)

    async def _book(
        self, connection: Connection, appointment: Appointment, answer: Sequence[object], offer_id: UUID | None
    ) -> bool:
        (envelope,) = self.units.envelopes.of([event_of(appointment)])
        event = outbox_record(envelope)
        if offer_id is None:
            return await repository.book(connection, appointment, answer, event)
        async with connection.transaction() as session, self.units.within(session) as work:
            booked = await repository.book(session, appointment, answer, event)
            if booked:
                await self.offers.taken(work, offer_id)
        return booked

    async def get(self, caller: Principal, appointment_id: UUID) -> Appointment:
        """Problems: 404."""
        async with self.units.begin() as work:
            stored, _ = _known(caller, appointment_id, await repository.find(work.session, appointment_id))
        return stored.appointment

    async def own(self, caller: Principal, after: Position, limit: int) -> list[Appointment]:
        """The caller's own, as a patient."""
        async with self.units.begin() as work:
            return await repository.list_of_patient(work.session, caller.subject, after, limit)

    async def at_place(
        self, caller: Principal, place_id: UUID, after: Position, before: datetime, limit: int
    ) -> list[Appointment]:
        """All at a place, for its staff. Problems: 404."""
        async with self.units.begin() as work:
            place = await places.find(work.session, place_id)
            if place is None or not keeps(caller, place):
                raise nothing_there("provider-location", place_id)
            return await repository.list_at_place(work.session, place_id, after, before, limit)

    async def confirm(self, caller: Principal, key: IdempotencyKey, appointment_id: UUID, match: Tags | None) -> Answer:
        """The visit will take place. Problems: 404, 409, 412, and those of the key."""

        async def change(work: Work, stored: Stored, _party: Party) -> Appointment:
            return stored.appointment.confirmed(work.now)

        return await self.change(caller, key, appointment_id, match, change)

    async def cancel(
        self, caller: Principal, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, reason: str
    ) -> Answer:
        """The time is free again. Problems: 404, 409, 412, 422, and those of the key."""

        async def change(work: Work, stored: Stored, party: Party) -> Appointment:
            cancelled = stored.appointment.cancelled(_cancellation(party, reason), work.now, stored.notice)
            await claims.release(work.session, cancelled.claim_id)
            return cancelled

        return await self.change(caller, key, appointment_id, match, change)

    async def report(
        self, caller: Principal, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, action: Action
    ) -> Answer:
        """What the practice saw: arrived, completed, no show. Problems: 403, 404, 409, 412, and those of the key."""

        async def change(work: Work, stored: Stored, _party: Party) -> Appointment:
            if action in PRACTICE_ONLY and not keeps(caller, stored.place):
                raise Forbidden("This is for the staff of the practice.")
            return _reported(stored.appointment, action, work.now)

        return await self.change(caller, key, appointment_id, match, change)

    async def change(
        self, caller: Principal, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, change: Change
    ) -> Answer:
        """One step under the lock of the row, told to the feed, its answer kept under the key."""

        async def effect(work: Work) -> Answer:
            found = await repository.find(work.session, appointment_id, lock=True)
            stored, party = _known(caller, appointment_id, found)
            if match is not None:
                match.require(stored.appointment.version)
            with refusals():
                after = await change(work, stored, party)
            await repository.save(work.session, after)
            work.record(event_of(after))
            return answer_of(after)

        return await once(self.units.begin, caller.subject, key, self.units.now(), effect)


class refusals:  # noqa: N801 # a context manager, used like a function
    """What the rules refuse, in the caller's words."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, WrongStateError):
            possible = ", ".join(error.possible) or "nothing"
            raise _refused("wrong-state", f"It is {error.state}; possible now: {possible}.") from None
        if isinstance(error, TooLateError):
            raise _refused(
                "too-late", f"The practice takes changes until {error.deadline.isoformat()}. Call it."
            ) from None
        if isinstance(error, TooEarlyError):
            raise _refused("too-early", "The visit hasn't begun.") from None


def _refused(slug: str, detail: str) -> Problem:
    return Problem(status=409, type=slug, title="The appointment can't be changed like this", detail=detail)


def _known(caller: Principal, appointment_id: UUID, stored: Stored | None) -> tuple[Stored, Party]:
    """The appointment, and on whose side the caller is. Problems: 404."""
    if stored is not None:
        if caller.has(Role.PATIENT) and stored.appointment.patient_id == caller.subject:
            return stored, Party.PATIENT
        if keeps(caller, stored.place):
            return stored, Party.PRACTICE
    raise nothing_there("appointment", appointment_id)


def _cancellation(party: Party, reason: str) -> Cancellation:
    if reason not in REASONS[party]:
        wrong = FieldError(
            field="reason", detail="Not a reason of your side.", remedy=f"Give one of {', '.join(REASONS[party])}."
        )
        raise Unprocessable(errors=[wrong])
    return Cancellation(party, reason)


def _reported(appointment: Appointment, action: Action, now: datetime) -> Appointment:
    if action is Action.ARRIVE:
        return appointment.arrived(now)
    if action is Action.COMPLETE:
        return appointment.completed(now)
    return appointment.missed(now)


def _no_hold(kept: Kept | None, hold_id: UUID, now: datetime) -> Problem:
    """Why a hold can't be booked."""
    if kept is None:
        return nothing_there("hold", hold_id)
    if kept.booked:
        return hold_used(hold_id)
    # Where it still runs by now, it was given up or lapsed while this was looked up.
    return hold_lapsed() if not kept.runs(now) else Conflict("The hold is being changed. Send the request again.")


def answer_of(appointment: Appointment, *, status: int = 200) -> Answer:
    """The appointment as it is kept under a key and sent."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "ETag": etag(appointment.version)}
    if status == 201:
        headers["Location"] = f"/v1/appointments/{appointment.id}"
    return Answer(status, AppointmentResource.of(appointment).model_dump_json().encode(), headers)
