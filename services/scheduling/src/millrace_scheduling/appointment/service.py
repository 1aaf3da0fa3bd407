"""Booking and all later changes of appointments. Each change and its event are one transaction."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from millrace_feeds.outbox import new_outbox_row
from millrace_platform.audit import model as audit
from millrace_platform.audit.caller import Caller
from millrace_platform.audit.model import Link
from millrace_platform.audit.repository import list_links_of_person
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_platform.authentication import Principal, Role
from millrace_platform.database import Connection
from millrace_platform.errors import Conflict, FieldError, Forbidden, Problem, Unprocessable
from millrace_platform.idempotency import (
    IdempotencyKey,
    StoredResponse,
    execute_once,
    execute_statement_once,
    record_values,
)
from millrace_platform.preconditions import Tags, etag
from millrace_scheduling.access import can_manage, can_see_patients
from millrace_scheduling.appointment import repository
from millrace_scheduling.appointment.model import (
    CANCELLATION_REASONS,
    PRACTICE_ONLY,
    Action,
    Appointment,
    Cancellation,
    Party,
    TooEarlyError,
    TooLateError,
    WrongStateError,
)
from millrace_scheduling.appointment.repository import AppointmentRow, BookingAttempt, Position
from millrace_scheduling.appointment.schemas import AppointmentResource
from millrace_scheduling.appointment.wire import appointment_event
from millrace_scheduling.hold import repository as holds
from millrace_scheduling.hold.model import Hold
from millrace_scheduling.hold.refusal import too_many_visits
from millrace_scheduling.hold.repository import HoldRow
from millrace_scheduling.hold.schemas import local_text
from millrace_scheduling.hold.service import WaitlistOffers
from millrace_scheduling.patient.model import BookingPermissions, BookingRequirements
from millrace_scheduling.patient.service import NotInCopyError, PermissionService
from millrace_scheduling.problems import hold_expired, hold_used, not_found
from millrace_scheduling.provider_location import repository as provider_locations
from millrace_scheduling.reservation import repository as reservations
from millrace_scheduling.visit_limits import TooManyVisitsError, UpcomingVisits, VisitLimits, VisitPolicy

Change = Callable[[UnitOfWork, AppointmentRow, Party], Awaitable[Appointment]]
"""Function that changes a locked appointment for a caller acting as the given party.

It returns the next version, or the appointment itself if the request changes nothing.
"""


@dataclass(frozen=True, slots=True)
class ListedAppointments:
    """A page of appointments, ordered by start. `following` is the position after it, None on the last page."""

    items: Sequence[Appointment]
    following: Position | None

    @classmethod
    def of(cls, found: Sequence[Appointment], limit: int) -> "ListedAppointments":
        """Return the first `limit` of the appointments found; more than those mean that there is a next page."""
        items = found[:limit]
        return cls(items, (items[-1].visit.start, items[-1].id) if len(found) > limit else None)


@dataclass(frozen=True, slots=True)
class AppointmentService:
    """Books, reads and changes appointments for their patients and practices; all other callers get 404."""

    units: UnitsOfWork
    offers: WaitlistOffers
    permissions: PermissionService
    policy: VisitPolicy

    async def book(
        self, caller: Principal, key: IdempotencyKey, hold_id: UUID, insurance_card_id: UUID | None
    ) -> StoredResponse:
        """Turn a hold into an appointment.

        Problems: 404, 409 if the hold expired or was booked, 429 if the account has as many upcoming visits as allowed,
        those of `PermissionService`, and of the idempotency key.
        """
        attempt = partial(self._book_once, caller.subject, key, hold_id, insurance_card_id)
        return await self.permissions.run_permitted(attempt)

    async def _book_once(
        self,
        patient_id: UUID,
        key: IdempotencyKey,
        hold_id: UUID,
        insurance_card_id: UUID | None,
        *,
        confirmed: BookingPermissions | None,
    ) -> StoredResponse:
        """Book if the patient may, by the copy or by `confirmed`; else raise `NotInCopyError`."""
        now = self.units.now()
        async with self.units.database.connection() as connection:

            async def look_up() -> Any:
                return await holds.find_record_or_hold(connection, patient_id, key, hold_id, insurance_card_id)

            async def book(row: Any) -> StoredResponse:
                hold_row = holds.hold_from_row(row)
                if hold_row is None or not hold_row.is_active(now):
                    raise _booking_problem(hold_row, hold_id, now)
                if not (confirmed or row["may_book"]):
                    raise NotInCopyError(_requirements(hold_row.hold, insurance_card_id))
                registered_at = confirmed.registered_at if confirmed else row["registered_at"]
                limits = self.policy.limits_for(holds.practice_limits_from_row(row), registered_at, now)
                appointment = Appointment.from_hold(hold_row.hold, insurance_card_id, now)
                response = appointment_response(appointment, status=201)
                idempotency_record = record_values(patient_id, key, now, response)
                attempt = await self._book(connection, appointment, limits, idempotency_record, hold_row.offer_id)
                if not attempt.is_booked:
                    found = await holds.find(connection, hold_id, patient_id)
                    if found is not None and found.is_active(now):
                        _require_capacity(attempt.visits, limits, now)
                    raise _booking_problem(found, hold_id, now)
                return response

            return await execute_statement_once(key, look_up, book)

    async def _book(
        self,
        connection: Connection,
        appointment: Appointment,
        limits: VisitLimits,
        idempotency_record: Sequence[object],
        offer_id: UUID | None,
    ) -> BookingAttempt:
        (envelope,) = self.units.envelopes.of([appointment_event(appointment)])
        outbox_row = new_outbox_row(envelope)
        if offer_id is None:
            return await repository.book(connection, appointment, limits, idempotency_record, outbox_row)
        async with connection.transaction() as session, self.units.within(session) as work:
            attempt = await repository.book(session, appointment, limits, idempotency_record, outbox_row)
            if attempt.is_booked:
                await self.offers.accept_offer(work, offer_id)
        return attempt

    async def get(self, caller: Caller, appointment_id: UUID) -> Appointment:
        """Return the appointment. Problems: 404, 422 for an admin without a purpose."""
        async with self.units.begin() as work:
            row, _ = _require_access(caller, await repository.find(work.session, appointment_id))
            record_access(work, caller, audit.Action.READ, row.appointment)
        return row.appointment

    async def list_own(self, caller: Principal, after: Position, before: datetime, limit: int) -> ListedAppointments:
        """Return a page of the appointments of which the caller is the patient, after a position and before a time."""
        async with self.units.begin() as work:
            found = await repository.list_for_patient(work.session, caller.subject, after, before, limit + 1)
        return ListedAppointments.of(found, limit)

    async def list_at_provider_location(
        self, caller: Caller, provider_location_id: UUID, after: Position, before: datetime, limit: int
    ) -> ListedAppointments:
        """Return a page of all appointments at a provider-location, for its staff.

        Problems: 404, 422 for an admin without a purpose.
        """
        async with self.units.begin() as work:
            provider_location = await provider_locations.find(work.session, provider_location_id)
            if provider_location is None or not can_see_patients(caller, provider_location):
                raise not_found("provider-location")
            found = await repository.list_at_provider_location(
                work.session, provider_location_id, after, before, limit + 1
            )
            page = ListedAppointments.of(found, limit)
            record_access(work, caller, audit.Action.READ, *page.items)
        return page

    async def list_accesses(self, caller: Principal, before: int | None, limit: int) -> list[Link]:
        """Return others' accesses to the caller's appointments, newest first."""
        async with self.units.database.read() as session:
            return await list_links_of_person(session, caller.subject, before=before, limit=limit)

    async def confirm(
        self, caller: Caller, key: IdempotencyKey, appointment_id: UUID, match: Tags | None
    ) -> StoredResponse:
        """Confirm that the visit will take place. Problems: 404, 409, 412, and those of the idempotency key."""

        async def change(work: UnitOfWork, row: AppointmentRow, _party: Party) -> Appointment:
            return row.appointment.confirm(work.now)

        return await self.change(caller, key, appointment_id, match, change)

    async def cancel(
        self, caller: Caller, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, reason: str
    ) -> StoredResponse:
        """Cancel, and release the time. Problems: 404, 409, 412, 422, and those of the idempotency key."""

        async def change(work: UnitOfWork, row: AppointmentRow, party: Party) -> Appointment:
            cancelled = row.appointment.cancel(_cancellation(party, reason), work.now, row.notice)
            await reservations.release(work.session, cancelled.reservation_id)
            return cancelled

        return await self.change(caller, key, appointment_id, match, change)

    async def report(
        self, caller: Caller, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, action: Action
    ) -> StoredResponse:
        """Record an arrival, a completion or a no-show.

        Problems: 403, 404, 409, 412, and those of the idempotency key.
        """

        async def change(work: UnitOfWork, row: AppointmentRow, _party: Party) -> Appointment:
            if action in PRACTICE_ONLY and not can_manage(caller.principal, row.provider_location):
                raise Forbidden("Only the staff of the practice can do this.")
            if action is Action.ARRIVE:
                return row.appointment.mark_arrived(work.now)
            if action is Action.COMPLETE:
                return row.appointment.complete(work.now)
            return row.appointment.mark_missed(work.now)

        return await self.change(caller, key, appointment_id, match, change)

    async def change(
        self, caller: Caller, key: IdempotencyKey, appointment_id: UUID, match: Tags | None, change: Change
    ) -> StoredResponse:
        """Apply `change` under the row's lock; store the next version, its event and the idempotency record.

        If `change` returns the same version, only the idempotency record is stored.
        """

        async def effect(work: UnitOfWork) -> StoredResponse:
            found = await repository.find_for_update(work.session, appointment_id)
            row, party = _require_access(caller, found)
            if match is not None:
                match.require(row.appointment.version)
            with _rule_problems(row.appointment.visit.time_zone):
                after = await change(work, row, party)
            if after.version != row.appointment.version:
                await repository.save(work.session, after)
                work.record(appointment_event(after))
            record_access(work, caller, audit.Action.UPDATE, row.appointment)
            return appointment_response(after)

        return await execute_once(self.units.begin, caller.principal.subject, key, self.units.now(), effect)


@contextmanager
def _rule_problems(time_zone: str) -> Iterator[None]:
    """Context manager: raise each `AppointmentRuleError` of the block as the problem to respond with.

    Times in problems are in the local time of `time_zone`.
    """
    try:
        yield
    except WrongStateError as error:
        possible = ", ".join(error.possible) or "none"
        raise _rule_problem("wrong-state", f"It is {error.state}. Possible actions: {possible}.") from None
    except TooLateError as error:
        deadline = local_text(error.deadline, time_zone)
        raise _rule_problem("too-late", f"Patients can change it until {deadline}. Call the practice.") from None
    except TooEarlyError as error:
        earliest = local_text(error.earliest, time_zone)
        raise _rule_problem("too-early", f"This can be recorded from {earliest} on. Send it again then.") from None


def _rule_problem(slug: str, detail: str) -> Problem:
    return Problem(status=409, type=slug, title="The appointment can't be changed like this", detail=detail)


def record_access(work: UnitOfWork, caller: Caller, action: audit.Action, *appointments: Appointment) -> None:
    """Add entries for the access to appointments of others to the audit trail; erased patients have none."""
    for each in appointments:
        if each.patient_id is not None and not caller.is_patient(each.patient_id):
            work.audit(caller.audit_entry(each.patient_id, action, f"appointment/{each.id}"))


def _require_access(caller: Caller, row: AppointmentRow | None) -> tuple[AppointmentRow, Party]:
    """Return the row, and whether the caller acts as the patient or the practice.

    Problems: 404, 422 for an admin without a purpose.
    """
    if row is not None:
        principal = caller.principal
        if principal.has(Role.PATIENT) and row.appointment.patient_id == principal.subject:
            return row, Party.PATIENT
        if can_see_patients(caller, row.provider_location):
            return row, Party.PRACTICE
    raise not_found("appointment")


def _cancellation(party: Party, reason: str) -> Cancellation:
    reasons = CANCELLATION_REASONS[party]
    if reason not in reasons:
        wrong = FieldError(
            field="reason",
            detail=f"Not a reason that the {party} can give.",
            remedy=f"Give one of {', '.join(reasons)}.",
        )
        raise Unprocessable(errors=[wrong])
    return Cancellation(party, reason)


def _requirements(hold: Hold, insurance_card_id: UUID | None) -> BookingRequirements:
    return BookingRequirements(
        hold.patient_id,
        needs_profile=True,
        dependant_id=hold.dependant_id,
        dependant_field="hold_id",
        insurance_card_id=insurance_card_id,
    )


def _require_capacity(visits: UpcomingVisits, limits: VisitLimits, now: datetime) -> None:
    try:
        visits.require_below(limits)
    except TooManyVisitsError as error:
        raise too_many_visits(error, now) from None


def _booking_problem(row: HoldRow | None, hold_id: UUID, now: datetime) -> Problem:
    """Return the problem that says why a hold can't be booked."""
    if row is None:
        return not_found("hold")
    if row.is_booked:
        return hold_used(hold_id)
    # An active hold is here one that another request extended between the read and the booking.
    return Conflict("The hold is being changed. Send the request again.") if row.is_active(now) else hold_expired()


def appointment_response(appointment: Appointment, *, status: int = 200) -> StoredResponse:
    """Return the HTTP response with an appointment, which is also stored under the idempotency key."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "ETag": etag(appointment.version)}
    if status == 201:
        headers["Location"] = f"/v1/appointments/{appointment.id}"
    return StoredResponse(status, AppointmentResource.of(appointment).model_dump_json().encode(), headers)
