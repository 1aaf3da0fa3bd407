"""Lookup of patients' email addresses for the service that sends messages."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from millrace_patients.account.repository import find_address
from millrace_patients.patient.address import AddressBook
from millrace_patients.person.vault import PersonKey, Vault
from millrace_platform.audit.model import Action, AuditEntry, Purpose
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork


@dataclass(frozen=True, slots=True)
class Contact:
    """Recipient of messages to a patient."""

    patient_id: UUID
    email: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContactService:
    """Looks up contacts; each lookup is recorded in the audit trail."""

    units: UnitsOfWork
    vault: Vault
    addresses: AddressBook

    async def find_contacts(self, patient_ids: Iterable[UUID], purpose: Purpose) -> list[Contact]:
        """Return the contacts of the patients; leave out erased patients and those without a verified address."""
        found: list[Contact] = []
        async with self.units.begin() as work:
            for patient_id in patient_ids:
                key = await self.vault.find(work.session, patient_id)
                email = None if key is None else await self.addresses.find_verified(work, key)
                if email is not None:
                    found.append(Contact(patient_id, email))
                    entry = AuditEntry(person_id=patient_id, action=Action.READ, target="contact", purpose=purpose)
                    work.audit(entry)
        return found


async def find_account_email(work: UnitOfWork, key: PersonKey) -> str | None:
    """Return the verified address of the person's account; None if another issuer manages the accounts."""
    address = await find_address(work.session, key)
    return None if address is None else address.email
