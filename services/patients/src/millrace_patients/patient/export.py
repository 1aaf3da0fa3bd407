"""Export of all data stored about a person."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from millrace_patients.access import AccessControl, Permission
from millrace_patients.account.repository import EMAIL_LABEL
from millrace_patients.patient.schemas import AccountExport, Export, SessionExport, ShareExport
from millrace_patients.person.vault import PersonKey
from millrace_patients.record import repository as records
from millrace_patients.record.model import Record, RecordKind
from millrace_patients.schema import account, session_table
from millrace_patients.sharing import repository as shares
from millrace_platform.audit.caller import Caller
from millrace_platform.audit.model import Action
from millrace_platform.audit.repository import list_links_of_person
from millrace_platform.audit.schemas import AccessResource
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork

ACCESSES_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Exporter:
    """Exports a person's data, and records each export in the audit trail."""

    units: UnitsOfWork
    access: AccessControl

    async def export(self, caller: Caller, patient_id: UUID) -> Export:
        """Return all data of the patient. Problems: 404 for other callers."""
        async with self.units.begin() as work:
            key = await self.access.authorize(work, caller, patient_id, Permission.READ_PRIVATE)
            work.audit(caller.audit_entry(patient_id, Action.EXPORT, "all"))
            return await _collect(work, key)


async def _collect(work: UnitOfWork, key: PersonKey) -> Export:
    session = work.session
    profile = await records.find(session, key, RecordKind.PROFILE, key.owner)
    links = await list_links_of_person(session, key.owner, before=None, limit=ACCESSES_LIMIT)
    return Export(
        id=key.owner,
        exported_at=work.now,
        account=await _load_account(work, key),
        profile=None if profile is None else _with_id_and_version(profile),
        dependants=[_with_id_and_version(each) for each in await records.list_all(session, key, RecordKind.DEPENDANT)],
        insurance_cards=[
            _with_id_and_version(each) for each in await records.list_all(session, key, RecordKind.INSURANCE_CARD)
        ],
        practices=[
            ShareExport(practice_id=each.practice_id, scope=each.scope, since=each.shared_at)
            for each in await shares.list_all(session, key.owner)
        ],
        accesses=[AccessResource.of(link) for link in links],
    )


async def _load_account(work: UnitOfWork, key: PersonKey) -> AccountExport | None:
    query = select(account).where(account.c.id == key.owner, account.c.sealed_email.is_not(None))
    row = (await work.session.execute(query)).one_or_none()
    if row is None:
        return None
    email = key.unseal(row.sealed_email, EMAIL_LABEL).decode()
    query = select(session_table).where(session_table.c.account_id == key.owner).order_by(session_table.c.id)
    found = await work.session.execute(query)
    sessions = [SessionExport.model_validate(each, from_attributes=True) for each in found]
    return AccountExport(
        email=email, roles=row.roles, practices=row.practice_ids, created_at=row.created_at, sessions=sessions
    )


def _with_id_and_version(record: Record) -> dict[str, Any]:
    return {"id": record.id, "version": record.version, **record.content}
