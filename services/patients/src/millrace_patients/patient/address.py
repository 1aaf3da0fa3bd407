"""Addresses for messages: which one a patient has, and how the profile's address is confirmed."""

from dataclasses import dataclass
from uuid import UUID

from millrace_patients.access import AccessControl, Permission
from millrace_patients.account import repository as accounts
from millrace_patients.account.model import normalize_email
from millrace_patients.challenge.service import Challenge, ChallengeKind, Challenges, invalid_token
from millrace_patients.crypto.service_keys import ServiceKeys
from millrace_patients.email_queue.service import EmailKind, EmailQueue
from millrace_patients.patient import repository
from millrace_patients.person.vault import PersonKey
from millrace_patients.record import repository as records
from millrace_patients.record.model import RecordKind
from millrace_patients.throttle.service import Throttle
from millrace_platform.audit.caller import Caller
from millrace_platform.audit.model import Action
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_platform.errors import Conflict


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Finds the verified address of a patient: only verified addresses get messages about appointments."""

    keys: ServiceKeys

    async def find_verified(self, work: UnitOfWork, key: PersonKey) -> str | None:
        """Return the profile's address if the patient has confirmed it, else the account's; None without either."""
        typed = await self.find_typed(work, key)
        confirmed = await repository.find_confirmed_email(work.session, key.owner)
        if typed is not None and confirmed is not None and self.keys.index_email(typed) == confirmed:
            return typed
        address = await accounts.find_address(work.session, key)
        return None if address is None else address.email

    async def find_typed(self, work: UnitOfWork, key: PersonKey) -> str | None:
        """Return the canonical address of the profile; None if it has none that can receive email."""
        profile = await records.find(work.session, key, RecordKind.PROFILE, key.owner)
        typed = None if profile is None else profile.content["email"]
        try:
            return None if typed is None else normalize_email(typed)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class AddressService:
    """Lets patients confirm the address of their profile. Each method commits before it returns."""

    units: UnitsOfWork
    access: AccessControl
    addresses: AddressBook
    throttle: Throttle
    challenges: Challenges
    emails: EmailQueue

    async def request_confirmation(self, caller: Caller, patient_id: UUID, source: str) -> None:
        """Email a token to the profile's address; send nothing if the address has reached its limit of emails.

        Problems: 404 without access, 409 without an address, 429 for a source with many requests.
        """
        async with self.units.begin() as work:
            key = await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            email = await self.addresses.find_typed(work, key)
        if email is None:
            raise Conflict("The profile has no `email` that can receive email. Change the profile first.")
        index = self.addresses.keys.index_email(email)
        if not await self.throttle.count_email(index, source):
            return
        async with self.units.begin() as work:
            challenge = Challenge(ChallengeKind.ADDRESS, index, email, patient_id)
            token = await self.challenges.issue(work.session, challenge, work.now)
            await self.emails.enqueue(work, EmailKind.CONFIRM_ADDRESS, challenge, token)

    async def confirm(self, caller: Caller, patient_id: UUID, token: str) -> None:
        """Send messages to the profile's address from now on, and email a notice to the account's address.

        Problems: 404 without access, 422 for an invalid token, or one for another address than the profile's.
        """
        async with self.units.begin() as work:
            key = await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            challenge = await self.challenges.redeem(work.session, ChallengeKind.ADDRESS, token, work.now)
            email = await self.addresses.find_typed(work, key)
            if challenge is None or challenge.person_id != patient_id or challenge.email != email:
                raise invalid_token()
            await repository.set_confirmed_email(work.session, patient_id, challenge.email_index)
            await self.throttle.forgive_emails(work.session, challenge.email_index)
            address = await accounts.find_address(work.session, key)
            if address is not None:
                await self.emails.enqueue_notice(
                    work,
                    EmailKind.ADDRESS_CHANGED,
                    account_id=patient_id,
                    email_index=address.index,
                    email=address.email,
                )
            work.audit(caller.audit_entry(patient_id, Action.UPDATE, "address"))
