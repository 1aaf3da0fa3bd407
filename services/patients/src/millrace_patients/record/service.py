"""Reading and writing records: each is one transaction, with its entry on the audit trail."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from millrace_patients.access import Access, Caller, Need
from millrace_patients.audit.model import Deed
from millrace_patients.patient.repository import is_active
from millrace_patients.person.vault import PersonKey
from millrace_patients.record import repository
from millrace_patients.record.model import LIMIT, Record, RecordKind
from millrace_patients.unit_of_work import Units, Work
from millrace_platform.errors import Conflict, NotFound
from millrace_platform.ids import Ids
from millrace_platform.preconditions import Tags

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one kind. A patient that the caller may not know of is as one that isn't there: 404."""

    units: Units
    access: Access
    ids: Ids
    kind: RecordKind

    async def list(self, caller: Caller, patient_id: UUID) -> list[Record]:
        async with self.units.begin() as work:
            key = await self.access.enter(work, caller, patient_id, Need.CARE)
            found = await repository.all_of(work.session, key, self.kind)
            work.note(caller.entry(patient_id, Deed.READ, f"{self.kind}s"))
        return found

    async def get(self, caller: Caller, patient_id: UUID, identifier: UUID) -> Record:
        async with self.units.begin() as work:
            key = await self.access.enter(work, caller, patient_id, Need.CARE)
            found = await self._there(work, key, identifier)
            work.note(caller.entry(patient_id, Deed.READ, self._what(identifier)))
        return found

    async def create(self, caller: Caller, patient_id: UUID, content: Content) -> Record:
        """Problems: 404, 409 where the patient has as many as one may have, and those of `check`."""
        async with self.units.begin() as work:
            key = await self.access.enter(work, caller, patient_id, Need.CHANGE)
            if not await is_active(work.session, patient_id):
                raise Conflict("There is no profile yet. Make it first.")
            await self.check(work, key, content)
            if await repository.count(work.session, key, self.kind) >= LIMIT:
                raise Conflict(f"A patient has at most {LIMIT} of these. Delete one first.")
            made = Record(self.ids(), 1, content)
            await repository.add(work.session, key, self.kind, made)
            work.note(caller.entry(patient_id, Deed.CREATE, self._what(made.id)))
        return made

    async def replace(
        self, caller: Caller, patient_id: UUID, identifier: UUID, match: Tags, content: Content
    ) -> Record:
        """What changes nothing keeps the version. Problems: 404, 412, and those of `check`."""
        async with self.units.begin() as work:
            key = await self.access.enter(work, caller, patient_id, Need.CHANGE)
            before = await self._expected(work, key, identifier, match)
            if before.content == content:
                return before
            await self.check(work, key, content)
            after = Record(identifier, before.version + 1, content)
            await repository.advance(work.session, key, self.kind, after)
            work.note(caller.entry(patient_id, Deed.UPDATE, self._what(identifier)))
        return after

    async def delete(self, caller: Caller, patient_id: UUID, identifier: UUID, match: Tags) -> None:
        """Problems: 404, 412."""
        async with self.units.begin() as work:
            key = await self.access.enter(work, caller, patient_id, Need.CHANGE)
            before = await self._expected(work, key, identifier, match)
            await repository.remove(work.session, before.id, work.now)
            work.note(caller.entry(patient_id, Deed.DELETE, self._what(identifier)))

    async def check(self, work: Work, key: PersonKey, content: Content) -> None:
        """Raise a problem where the content refers to what isn't there."""

    async def _expected(self, work: Work, key: PersonKey, identifier: UUID, match: Tags) -> Record:
        found = await self._there(work, key, identifier)
        match.require(found.version)
        return found

    async def _there(self, work: Work, key: PersonKey, identifier: UUID) -> Record:
        found = await repository.find(work.session, key, self.kind, identifier)
        if found is None:
            raise NotFound(f"There is no such {self.kind}.")
        return found

    def _what(self, identifier: UUID) -> str:
        return f"{self.kind}/{identifier}"
