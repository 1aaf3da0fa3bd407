"""All that is held of a person, for the person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from millrace_patients.access import Access, Caller, Need
from millrace_patients.account.repository import EMAIL
from millrace_patients.account.tables import account
from millrace_patients.audit.model import Deed
from millrace_patients.audit.repository import links_of_person
from millrace_patients.patient.schemas import AccessResource, AccountExport, Export, SessionExport, ShareExport
from millrace_patients.person.vault import PersonKey
from millrace_patients.record import repository as records
from millrace_patients.record.model import Record, RecordKind
from millrace_patients.session.tables import session_table
from millrace_patients.sharing import repository as shares
from millrace_patients.unit_of_work import Units, Work

ACCESSES = 1000


@dataclass(frozen=True, slots=True)
class Exporter:
    """Makes exports; one is an access of its own on the trail."""

    units: Units
    access: Access

    async def export(self, caller: Caller, patient_id: UUID) -> Export:
        """Problems: 404 for anybody but the person."""
        async with self.units.begin() as work:
            key = await self.access.enter(work, caller, patient_id, Need.OWN)
            work.note(caller.entry(patient_id, Deed.EXPORT, "all"))
            return await _export(work, key)


async def _export(work: Work, key: PersonKey) -> Export:
    session = work.session
    profile = await records.find(session, key, RecordKind.PROFILE, key.owner)
    links = await links_of_person(session, key.owner, before=None, limit=ACCESSES)
    return Export(
        id=key.owner,
        exported_at=work.now,
        account=await _account(work, key),
        profile=None if profile is None else _plain(profile),
        dependants=[_plain(each) for each in await records.all_of(session, key, RecordKind.DEPENDANT)],
        insurance_cards=[_plain(each) for each in await records.all_of(session, key, RecordKind.INSURANCE_CARD)],
        practices=[
            ShareExport(practice_id=each.practice_id, since=each.since)
            for each in await shares.all_of(session, key.owner)
        ],
        accesses=[AccessResource.of(link) for link in links],
    )


async def _account(work: Work, key: PersonKey) -> AccountExport | None:
    query = select(account).where(account.c.id == key.owner, account.c.sealed_email.is_not(None))
    row = (await work.session.execute(query)).one_or_none()
    if row is None:
        return None
    created_at: datetime = row.created_at
    return AccountExport(
        email=key.unseal(row.sealed_email, EMAIL).decode(),
        roles=row.roles,
        practices=row.practices,
        created_at=created_at,
        sessions=await _sessions(work, key.owner),
    )


async def _sessions(work: Work, owner: UUID) -> list[SessionExport]:
    query = select(session_table).where(session_table.c.account_id == owner).order_by(session_table.c.id)
    return [
        SessionExport(id=row.id, created_at=row.created_at, expires_at=row.expires_at, revoked_at=row.revoked_at)
        for row in await work.session.execute(query)
    ]


def _plain(record: Record) -> dict[str, Any]:
    return {"id": record.id, "version": record.version, **record.content}
