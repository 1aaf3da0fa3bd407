"""Lookup of patients' email addresses and names for the service that sends messages."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from millrace_patients.account.repository import EMAIL_LABEL
from millrace_patients.audit.model import Action, AuditEntry, Purpose
from millrace_patients.person.vault import PersonKey, Vault
from millrace_patients.record import repository as records
from millrace_patients.record.model import RecordKind
from millrace_patients.schema import account
from millrace_patients.unit_of_work import UnitOfWork, UnitsOfWork


@dataclass(frozen=True, slots=True)
class Contact:
    """Recipient of messages to a patient. `given_name` is None without a profile."""

    patient_id: UUID
    email: str = field(repr=False)
    given_name: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContactService:
    """Looks up contacts; each lookup is recorded in the audit trail."""

    units: UnitsOfWork
    vault: Vault

    async def find_contacts(self, patient_ids: Iterable[UUID], purpose: Purpose) -> list[Contact]:
        """Return the contacts of the patients, each with the profile's address, else the account's.

        Leaves out erased patients and those without an address.
        """
        found: list[Contact] = []
        async with self.units.begin() as work:
            for patient_id in patient_ids:
                key = await self.vault.find(work.session, patient_id)
                contact = None if key is None else await _find_contact(work, key)
                if contact is not None:
                    found.append(contact)
                    entry = AuditEntry(person_id=patient_id, action=Action.READ, target="contact", purpose=purpose)
                    work.audit(entry)
        return found


async def _find_contact(work: UnitOfWork, key: PersonKey) -> Contact | None:
    profile = await records.find(work.session, key, RecordKind.PROFILE, key.owner)
    content = {} if profile is None else profile.content
    email = content.get("email") or await find_account_email(work, key)
    return None if email is None else Contact(key.owner, email, content.get("given_name"))


async def find_account_email(work: UnitOfWork, key: PersonKey) -> str | None:
    """Return the verified address of the person's account; None if another issuer manages the accounts."""
    sealed = await work.session.scalar(select(account.c.sealed_email).where(account.c.id == key.owner))
    return None if sealed is None else key.unseal(sealed, EMAIL_LABEL).decode()
