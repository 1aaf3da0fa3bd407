"""Where messages to a person go, for the service that sends them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from millrace_patients.account.repository import EMAIL
from millrace_patients.account.tables import account
from millrace_patients.audit.model import Deed, Entry, Purpose
from millrace_patients.person.vault import PersonKey, Vault
from millrace_patients.record import repository as records
from millrace_patients.record.model import RecordKind
from millrace_patients.unit_of_work import Units, Work


@dataclass(frozen=True, slots=True)
class Contact:
    """`given_name` is None before there is a profile."""

    email: str = field(repr=False)
    given_name: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contacts:
    """Hands out contacts; each is an access on the trail."""

    units: Units
    vault: Vault

    async def of(self, patient_ids: Collection[UUID], purpose: Purpose) -> dict[UUID, Contact]:
        """The address of the profile, else that of the account; who was erased, or has none, is left out."""
        found: dict[UUID, Contact] = {}
        async with self.units.begin() as work:
            for patient_id in patient_ids:
                key = await self.vault.find(work.session, patient_id)
                contact = None if key is None else await _contact(work, key)
                if contact is not None:
                    found[patient_id] = contact
                    work.note(_handed_out(patient_id, purpose))
        return found


async def _contact(work: Work, key: PersonKey) -> Contact | None:
    profile = await records.find(work.session, key, RecordKind.PROFILE, key.owner)
    content = {} if profile is None else profile.content
    email = content.get("email") or await _account_email(work, key)
    return None if email is None else Contact(email, content.get("given_name"))


async def _account_email(work: Work, key: PersonKey) -> str | None:
    sealed = await work.session.scalar(select(account.c.sealed_email).where(account.c.id == key.owner))
    return None if sealed is None else key.unseal(sealed, EMAIL).decode()


def _handed_out(patient_id: UUID, purpose: Purpose) -> Entry:
    return Entry(actor=None, roles="", person=patient_id, deed=Deed.READ, what="contact", purpose=purpose)
