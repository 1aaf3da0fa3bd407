"""Operations on records: each is one transaction with its audit entry."""

from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from millrace_patients.access import AccessControl, Permission
from millrace_patients.directory.service import Attempt
from millrace_patients.patient.publication import publish_next_version
from millrace_patients.patient.repository import is_active
from millrace_patients.person.vault import PersonKey
from millrace_patients.record import repository
from millrace_patients.record.model import RECORDS_LIMIT, Record, RecordKind
from millrace_platform.audit.caller import Caller
from millrace_platform.audit.model import Action
from millrace_platform.audit.unit_of_work import UnitOfWork, UnitsOfWork
from millrace_platform.errors import Conflict, NotFound
from millrace_platform.ids import Ids
from millrace_platform.preconditions import Tags

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordService:
    """Manages the records of one kind. Callers without access get the same 404 as for an unknown patient."""

    units: UnitsOfWork
    access: AccessControl
    ids: Ids
    kind: RecordKind

    async def list(self, caller: Caller, patient_id: UUID) -> list[Record]:
        async with self.units.begin() as work:
            key = await self.access.authorize(work, caller, patient_id, Permission.READ_CARE)
            visible = await self.access.find_visible_data(work, caller, patient_id)
            stored = await repository.list_all(work.session, key, self.kind)
            found = [each for each in stored if visible.includes(self.kind, each)]
            work.audit(caller.audit_entry(patient_id, Action.READ, f"{self.kind}s"))
        return found

    async def get(self, caller: Caller, patient_id: UUID, identifier: UUID) -> Record:
        async with self.units.begin() as work:
            key = await self.access.authorize(work, caller, patient_id, Permission.READ_CARE)
            visible = await self.access.find_visible_data(work, caller, patient_id)
            found = await self._get_record(work, key, identifier)
            if not visible.includes(self.kind, found):
                raise self._not_found()
            work.audit(caller.audit_entry(patient_id, Action.READ, self._target(identifier)))
        return found

    async def create(self, caller: Caller, patient_id: UUID, content: Content) -> Record:
        """Create a record.

        Problems: 404 without access, 409 without a profile or at the limit of records, and those of `validate`.
        """
        return await self.run(partial(self._create, caller, patient_id, content))

    async def _create(self, caller: Caller, patient_id: UUID, content: Content, *, is_confirmed: bool) -> Record:
        async with self.units.begin() as work:
            key = await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            if not await is_active(work.session, patient_id):
                raise Conflict("There is no profile yet. Create it first.")
            await self.validate(work, key, None, content, is_confirmed=is_confirmed)
            if await repository.count(work.session, key, self.kind) >= RECORDS_LIMIT:
                raise Conflict(f"The patient has the maximum of {RECORDS_LIMIT} {self.kind}s. Delete one first.")
            created = Record(self.ids(), 1, content)
            await repository.add(work.session, key, self.kind, created)
            await publish_next_version(work, patient_id)
            work.audit(caller.audit_entry(patient_id, Action.CREATE, self._target(created.id)))
        return created

    async def replace(
        self, caller: Caller, patient_id: UUID, identifier: UUID, match: Tags, content: Content
    ) -> Record:
        """Replace a record; unchanged content keeps its version.

        Problems: 404, 412 if `match` does not contain the current version, and those of `validate`.
        """
        return await self.run(partial(self._replace, caller, patient_id, identifier, match, content))

    async def _replace(
        self,
        caller: Caller,
        patient_id: UUID,
        identifier: UUID,
        match: Tags,
        content: Content,
        *,
        is_confirmed: bool,
    ) -> Record:
        async with self.units.begin() as work:
            key = await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            before = await self._get_matching(work, key, identifier, match)
            if before.content == content:
                return before
            await self.validate(work, key, before.content, content, is_confirmed=is_confirmed)
            after = Record(identifier, before.version + 1, content)
            await repository.save(work.session, key, self.kind, after)
            work.audit(caller.audit_entry(patient_id, Action.UPDATE, self._target(identifier)))
        return after

    async def delete(self, caller: Caller, patient_id: UUID, identifier: UUID, match: Tags) -> None:
        """Delete a record. Problems: 404, 412 if `match` does not contain the current version."""
        async with self.units.begin() as work:
            key = await self.access.authorize(work, caller, patient_id, Permission.WRITE)
            before = await self._get_matching(work, key, identifier, match)
            await repository.remove(work.session, before.id, work.now)
            await publish_next_version(work, patient_id)
            work.audit(caller.audit_entry(patient_id, Action.DELETE, self._target(identifier)))

    async def run(self, attempt: Attempt[Record]) -> Record:
        """Return the result of a change."""
        return await attempt(is_confirmed=False)

    async def validate(
        self, work: UnitOfWork, key: PersonKey, before: Content | None, content: Content, *, is_confirmed: bool
    ) -> None:
        """Raise a problem if the new content refers to a resource that does not exist.

        `before` is the content that it replaces. `is_confirmed`: resources of other services are known to exist.
        """

    async def _get_matching(self, work: UnitOfWork, key: PersonKey, identifier: UUID, match: Tags) -> Record:
        found = await self._get_record(work, key, identifier)
        match.require(found.version)
        return found

    async def _get_record(self, work: UnitOfWork, key: PersonKey, identifier: UUID) -> Record:
        found = await repository.find(work.session, key, self.kind, identifier)
        if found is None:
            raise self._not_found()
        return found

    def _not_found(self) -> NotFound:
        return NotFound(f"There is no such {self.kind}.")

    def _target(self, identifier: UUID) -> str:
        return f"{self.kind}/{identifier}"
