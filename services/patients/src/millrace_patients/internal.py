"""For operators and the services beside this one; the load balancer doesn't lead here."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field
from sqlalchemy import func, select, table

from millrace_feeds.outbox import OUTBOX_TABLE
from millrace_patients.audit.model import Purpose
from millrace_patients.dependencies import InPatients, Patients
from millrace_patients.http import problems
from millrace_patients.mail.stored import Waiting
from millrace_patients.patient.repository import states_after
from millrace_patients.wire import State, patient_event
from millrace_platform.resources import Schema
from millrace_platform.responses import NO_STORE, json_response
from millrace_platform.unit_of_work import put

router = APIRouter(prefix="/internal/patients", tags=["internal"])

REPLAY_PAGE = 5000
LOOK_SECONDS = 0.5
"""Between two looks for mail that somebody waits for."""


class WaitingMail(Schema):
    """A mail that waits for its sender. `token` goes into the link of its text."""

    id: UUID
    kind: str
    to: str
    token: str
    created_at: datetime


class WaitingMails(Schema):
    """The oldest mails that wait."""

    items: list[WaitingMail]


class Asked(Schema):
    """Whose contacts are asked for."""

    patient_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class ContactResource(Schema):
    """Where messages go: the profile's address, else the account's. `given_name` is null without a profile."""

    patient_id: UUID
    email: str
    given_name: str | None


class ContactResources(Schema):
    """Of those who have an address."""

    items: list[ContactResource]


class Replayed(Schema):
    """How many patients were sent again; `next`, unless null, is to be given as `after`."""

    count: int
    next: UUID | None


@router.get("/outbox", summary="List mail that waits", responses=problems(422))
async def outbox(
    patients: InPatients,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    wait: Annotated[float, Query(ge=0, le=8, description="Seconds to wait for mail while there is none.")] = 0.0,
) -> WaitingMails:
    """Oldest first. Delete each once it was sent; what nobody fetches within a day is removed."""
    response.headers.update(NO_STORE)
    waiting = await _waiting_mail(patients, limit, wait)
    return WaitingMails(
        items=[
            WaitingMail(id=each.id, kind=each.kind, to=each.to, token=each.token, created_at=each.created_at)
            for each in waiting
        ]
    )


async def _waiting_mail(patients: Patients, limit: int, wait: float) -> list[Waiting]:
    """Looks at least once. By the clock, not by looks: where these are slow, the answer is still in time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    while True:
        async with patients.units.begin() as work:
            found = await patients.mail.waiting(work, limit)
        left = until - loop.time()
        if found or left <= 0:
            return found
        await asyncio.sleep(min(LOOK_SECONDS, left))


@router.delete("/outbox/{mail_id}", summary="Say that a mail was sent", status_code=204, responses=problems(422))
async def sent(patients: InPatients, mail_id: UUID) -> None:
    """Nothing happens where it is gone already."""
    async with patients.units.begin() as work:
        await patients.mail.remove(work.session, mail_id)


@router.post("/contacts", summary="Show where messages to patients go", responses=problems(422))
async def contacts(
    patients: InPatients,
    asked: Asked,
    purpose_of_use: Annotated[Purpose, Header(description="Why (HL7 PurposeOfUse).")],
    response: Response,
) -> ContactResources:
    """Each contact that is shown is on its patient's trail. Who was erased, or has no address, is left out."""
    response.headers.update(NO_STORE)
    found = await patients.contacts.of(dict.fromkeys(asked.patient_ids), purpose_of_use)
    return ContactResources(
        items=[
            ContactResource(patient_id=patient_id, email=each.email, given_name=each.given_name)
            for patient_id, each in found.items()
        ]
    )


@router.post("/replay", summary="Send patients' states again", responses=problems(422))
async def replay(patients: InPatients, after: UUID | None = None) -> Replayed:
    """Emits up to 5,000 patients behind `after` under their present versions, marked as a replay."""
    async with patients.units.begin() as work:
        found = await states_after(work.session, after, REPLAY_PAGE)
        events = [patient_event(identifier, cast("State", state), version) for identifier, state, version in found]
        await put(work.session, patients.units.envelopes.of(events, replay=True))
    return Replayed(count=len(found), next=found[-1][0] if len(found) == REPLAY_PAGE else None)


@router.get("/status", summary="Show the figures")
async def status(patients: InPatients) -> Response:
    """Of the outbox and the relay."""
    async with patients.units.database.read() as session:
        backlog = await session.scalar(select(func.count()).select_from(table(OUTBOX_TABLE)))
    figures: dict[str, Any] = {"outbox": {"backlog": backlog}, "relay": asdict(patients.relay.status())}
    return json_response(figures)
