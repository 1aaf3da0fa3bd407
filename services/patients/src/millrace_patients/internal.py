"""Internal API for operators and other services; no load balancer routes it."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field
from sqlalchemy import func, select, table

from millrace_feeds.outbox import OUTBOX_TABLE
from millrace_patients.account.repository import list_published_after
from millrace_patients.dependencies import InPatients, Patients, problems
from millrace_patients.email_queue.service import QueuedEmail
from millrace_patients.patient.repository import list_after
from millrace_patients.wire import account_event, patient_event
from millrace_platform.audit.model import Purpose
from millrace_platform.context import LongRequest, request_notes
from millrace_platform.internal import for_operators, for_services
from millrace_platform.resources import Schema
from millrace_platform.responses import NO_STORE, json_response
from millrace_platform.service_tokens import CallPurpose

router = APIRouter(prefix="/internal/patients", tags=["internal"])

REPLAY_PAGE = 5000
POLL_SECONDS = 0.5
"""Interval between queries while a request waits for an email to be queued."""


class QueuedEmailResource(Schema):
    """Email to be sent. `token` goes into the link of its text; a notice of a change has none."""

    id: UUID
    kind: str
    to: str
    token: str | None
    created_at: datetime


class QueuedEmailList(Schema):
    """Oldest emails in the queue."""

    items: list[QueuedEmailResource]


class ContactRequest(Schema):
    """Ids of patients whose contacts are requested."""

    patient_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class ContactResource(Schema):
    """Recipient of messages to a patient. The address is verified: the profile's, else the account's."""

    patient_id: UUID
    email: str


class ContactResources(Schema):
    """Contacts of the requested patients that have an address."""

    items: list[ContactResource]


class BookingPermissions(Schema):
    """Whether a patient may book, and the ids that the patient's bookings may name."""

    may_book: bool
    missing: list[str] = Field(
        description="Fields of the profile that a booking asks for and the patient hasn't given."
    )
    dependant_ids: list[UUID]
    insurance_card_ids: list[UUID]
    registered_at: datetime | None = Field(None, description="When the account began; null without a profile.")


class ReplayResult(Schema):
    """Number of published events. Pass `next` as `after` to continue; null at the end."""

    count: int
    next: UUID | None


@router.get(
    "/outbox",
    summary="List queued emails",
    dependencies=[for_services(CallPurpose.ACCOUNT_EMAILS, "notifications")],
    responses=problems(422),
)
async def list_queued_emails(
    request: Request,
    patients: InPatients,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    wait: Annotated[float, Query(ge=0, le=8, description="Seconds to wait for an email if none is queued.")] = 0.0,
) -> QueuedEmailList:
    """Return queued emails, oldest first.

    Delete each email after sending it; unsent emails are removed after a day.
    """
    response.headers.update(NO_STORE)
    waiting = await _wait_for_emails(request, patients, limit, wait)
    return QueuedEmailList.model_validate({"items": waiting}, from_attributes=True)


async def _wait_for_emails(request: Request, patients: Patients, limit: int, wait: float) -> list[QueuedEmail]:
    """Return queued emails, waiting up to `wait` seconds for the first; query at least once.

    A request that waits counts as a long poll.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    while True:
        async with patients.units.begin() as work:
            found = await patients.emails.list_oldest(work, limit)
        left = until - loop.time()
        if found or left <= 0:
            return found
        request_notes(request.scope).long = LongRequest.POLL
        await asyncio.sleep(min(POLL_SECONDS, left))


@router.delete(
    "/outbox/{mail_id}",
    summary="Delete an email that was sent",
    status_code=204,
    dependencies=[for_services(CallPurpose.ACCOUNT_EMAILS, "notifications")],
    responses=problems(422),
)
async def delete_queued_email(patients: InPatients, mail_id: UUID) -> None:
    """Remove an email from the queue; does nothing if it is already removed."""
    async with patients.units.begin() as work:
        await patients.emails.remove(work.session, mail_id)


@router.post(
    "/contacts",
    summary="Look up patients' contacts",
    dependencies=[for_services(CallPurpose.CONTACTS, "notifications")],
    responses=problems(422),
)
async def find_contacts(
    patients: InPatients,
    body: ContactRequest,
    purpose_of_use: Annotated[Purpose, Header(description="Purpose of the access (HL7 PurposeOfUse).")],
    response: Response,
) -> ContactResources:
    """Return the contacts of patients, leaving out erased patients and those without a verified address.

    Each returned contact adds an entry to the patient's audit trail.
    """
    response.headers.update(NO_STORE)
    found = await patients.contacts.find_contacts(dict.fromkeys(body.patient_ids), purpose_of_use)
    return ContactResources.model_validate({"items": found}, from_attributes=True)


@router.get(
    "/{patient_id}/booking-permissions",
    summary="Get what a patient may book",
    dependencies=[for_services(CallPurpose.BOOKING_PERMISSIONS, "scheduling")],
    responses=problems(422),
)
async def get_booking_permissions(patients: InPatients, patient_id: UUID, response: Response) -> BookingPermissions:
    """Return whether the patient may book, and for whom.

    Services ask only before they refuse a booking, since the `patient` event may not have arrived yet. The response is
    200 for an unknown patient too, who may not book.
    """
    response.headers.update(NO_STORE)
    patient, missing = await patients.patients.find_booking_permissions(patient_id)
    if patient is None:
        return BookingPermissions(may_book=False, missing=list(missing), dependant_ids=[], insurance_card_ids=[])
    return BookingPermissions(
        may_book=patient.may_book,
        missing=list(missing),
        dependant_ids=list(patient.dependant_ids),
        insurance_card_ids=list(patient.insurance_card_ids),
        registered_at=patient.registered_at,
    )


@router.post(
    "/replay",
    summary="Publish patients and accounts again",
    dependencies=[for_operators(CallPurpose.REPLAY)],
    responses=problems(422),
)
async def publish_patient_replay(patients: InPatients, after: UUID | None = None) -> ReplayResult:
    """Publish the state of up to 5,000 patients and as many accounts with ids above `after`, marked as a replay.

    Accounts whose tokens were never revoked have no event.
    """
    async with patients.units.begin() as work:
        found = await list_after(work.session, after, REPLAY_PAGE)
        accounts = await list_published_after(work.session, after, REPLAY_PAGE)
        ends = [each[-1].id for each in (found, accounts) if len(each) == REPLAY_PAGE]
        end = min(ends, default=None)
        events = [patient_event(patient) for patient in found if end is None or patient.id <= end]
        events += [account_event(account) for account in accounts if end is None or account.id <= end]
        await work.publish_replay(events)
    return ReplayResult(count=len(events), next=end)


@router.get(
    "/status",
    summary="Get outbox, relay and consumer statistics",
    dependencies=[for_operators(CallPurpose.STATUS)],
)
async def get_patients_status(patients: InPatients) -> Response:
    """Return the backlog of unpublished events (the outbox), and the state of the relay and of the consumer."""
    async with patients.units.database.read() as session:
        backlog = await session.scalar(select(func.count()).select_from(table(OUTBOX_TABLE)))
    stats: dict[str, Any] = {
        "outbox": {"backlog": backlog},
        "relay": asdict(patients.relay.status()),
        "consumer": asdict(patients.consumer.status()),
    }
    return json_response(stats)
