"""Operations on patients: profile, accesses and erasure."""

from dataclasses import dataclass, replace
from uuid import UUID

from millrace_feeds.clock import Clock
from millrace_patients.access import AccessControl, Permission, patient_not_found
from millrace_patients.account import repository as accounts
from millrace_patients.erasure.service import Eraser
from millrace_patients.patient import repository
from millrace_patients.patient.contact import find_account_email
from millrace_patients.patient.model import CONTACT_FIELD, PublicPatient, list_missing_fields
from millrace_patients.patient.publication import publish_current_version, publish_next_version
from millrace_patients.person.vault import PersonKey
from millrace_patients.record import repository as records
from millrace_patients.record.model import Record, RecordKind
from millrace_patients.record.service import Content
from millrace_platform.audit.caller import Caller
from millrace_platform.audit.model import Action, Link
from millrace_platform.audit.repository import list_links_of_person
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_platform.authentication import require_recent
from millrace_platform.errors import PreconditionFailed, PreconditionRequired
from millrace_platform.preconditions import Tags

ERASURE_SIGN_IN_SECONDS = 300.0
"""Maximum age in seconds of the sign-in that authorizes an erasure."""
PROFILE = RecordKind.PROFILE


@dataclass(frozen=True, slots=True)
class PatientService:
    """Reads and changes profiles. Each method commits before it returns. A patient's id is that of the account."""

    units: UnitsOfWork
    access: AccessControl
    eraser: Eraser
    clock: Clock

    async def get(self, caller: Caller, patient_id: UUID) -> Record:
        """Return the profile; for others than the patient, only what they may read, and with the address for messages.

        Problems: 404 if there is none, or without access.
        """
        async with self.units.begin() as work:
            key = await self.access.authorize(work, caller, patient_id, Permission.READ_IDENTITY)
            found = await _find_profile(work, key)
            if found is None:
                raise patient_not_found()
            if not caller.is_patient(patient_id):
                visible = await self.access.find_visible_data(work, caller, patient_id)
                content = visible.profile(found.content)
                content = {**content, "email": content["email"] or await find_account_email(work, key)}
                found = replace(found, content=content)
            work.audit(caller.audit_entry(patient_id, Action.READ, PROFILE))
        return found

    async def put(self, caller: Caller, patient_id: UUID, match: Tags | None, content: Content) -> tuple[Record, bool]:
        """Create or replace the profile; return it and whether it was created.

        The first profile makes the person a patient. Problems: 404 without access, 412 if `match` does not contain the
        current version, 428 if there is a profile and `match` is None.
        """
        async with self.units.begin() as work:
            await self._create_person_if_external(work, caller, patient_id)
            key = await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            before = await _find_profile(work, key)
            if before is None:
                if match is not None:
                    raise PreconditionFailed("There is no profile yet. Omit If-Match to create it.")
                return await self._create(work, caller, key, content), True
            return await self._replace(work, caller, key, before=before, match=match, content=content), False

    async def erase(self, caller: Caller, patient_id: UUID) -> None:
        """Erase the person: destroy the data key, then delete the data sealed with it. Ids and the audit trail stay.

        Problems: 401 unless the sign-in is recent, 404 without access.
        """
        async with self.units.begin() as work:
            await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            require_recent(caller.principal, self.clock, ERASURE_SIGN_IN_SECONDS)
            await self.eraser.erase(work, patient_id)
            work.audit(caller.audit_entry(patient_id, Action.ERASE, "all"))

    async def find_booking_permissions(self, patient_id: UUID) -> tuple[PublicPatient | None, tuple[str, ...]]:
        """Return the patient, None without a profile, and the fields that the profile lacks for a booking.

        Reads no personal data, so the audit trail gets no entry.
        """
        async with self.units.database.read() as session:
            patient = await repository.find(session, patient_id)
            has_email = await accounts.has_verified_email(session, patient_id)
        return patient, list_missing_fields(patient, has_verified_email=has_email)

    async def list_accesses(self, caller: Caller, patient_id: UUID, before: int | None, limit: int) -> list[Link]:
        """Return the accesses to the patient's data, newest first. Problems: 404 without access."""
        async with self.units.begin() as work:
            await self.access.authorize(work, caller, patient_id, Permission.READ_PRIVATE)
            found = await list_links_of_person(work.session, patient_id, before=before, limit=limit)
            work.audit(caller.audit_entry(patient_id, Action.READ, "accesses"))
        return found

    async def _create_person_if_external(self, work: UnitOfWork, caller: Caller, patient_id: UUID) -> None:
        """Create the person with the first profile if another issuer manages the accounts."""
        if self.access.has_sessions or not caller.is_patient(patient_id):
            return
        if await self.access.vault.find(work.session, patient_id) is None:
            await self.access.vault.create(work.session, patient_id, work.now)

    async def _create(self, work: UnitOfWork, caller: Caller, key: PersonKey, content: Content) -> Record:
        may_book = await _may_book(work, key, content)
        if await repository.add(work.session, key.owner, may_book=may_book):
            await publish_current_version(work, key.owner)
        created = Record(key.owner, 1, content)
        await records.add(work.session, key, PROFILE, created)
        work.audit(caller.audit_entry(key.owner, Action.CREATE, PROFILE))
        return created

    async def _replace(
        self, work: UnitOfWork, caller: Caller, key: PersonKey, *, before: Record, match: Tags | None, content: Content
    ) -> Record:
        if match is None:
            raise PreconditionRequired("There is a profile already. Get it and send its ETag as If-Match.")
        match.require(before.version)
        if before.content == content:
            return before
        after = Record(key.owner, before.version + 1, content)
        await records.save(work.session, key, PROFILE, after)
        may_book = await _may_book(work, key, content)
        if await repository.set_may_book(work.session, key.owner, may_book=may_book):
            await publish_next_version(work, key.owner)
        work.audit(caller.audit_entry(key.owner, Action.UPDATE, PROFILE))
        return after


async def _may_book(work: UnitOfWork, key: PersonKey, content: Content) -> bool:
    """Return whether a profile, which always has a name and a birth date, has the contact that a booking asks for."""
    return content[CONTACT_FIELD] is not None or await accounts.has_verified_email(work.session, key.owner)


async def _find_profile(work: UnitOfWork, key: PersonKey) -> Record | None:
    return await records.find(work.session, key, PROFILE, key.owner)
