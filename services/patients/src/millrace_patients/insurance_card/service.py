"""Operations on insurance cards."""

from dataclasses import dataclass
from uuid import UUID

from millrace_patients.directory.model import EntryKind, Reference
from millrace_patients.directory.service import Attempt, DirectoryService, require_in_copy
from millrace_patients.person.vault import PersonKey
from millrace_patients.record import repository
from millrace_patients.record.model import Record, RecordKind
from millrace_patients.record.service import Content, RecordService
from millrace_platform.audit.unit_of_work import UnitOfWork
from millrace_platform.errors import FieldError, Unprocessable


@dataclass(frozen=True, slots=True)
class InsuranceCardService(RecordService):
    """Manages the insurance cards of a patient and of the patient's dependants."""

    directory: DirectoryService

    async def run(self, attempt: Attempt[Record]) -> Record:
        return await self.directory.run_confirmed(attempt)

    async def validate(
        self, work: UnitOfWork, key: PersonKey, before: Content | None, content: Content, *, is_confirmed: bool
    ) -> None:
        owner = content["dependant_id"]
        if owner is not None and await repository.find(work.session, key, RecordKind.DEPENDANT, UUID(owner)) is None:
            error = FieldError(
                field="dependant_id", detail="There is no such dependant.", remedy="Add the dependant first."
            )
            raise Unprocessable(errors=[error])
        # A card of a plan that was deleted since can still be corrected.
        is_same_plan = before is not None and before["plan_id"] == content["plan_id"]
        if not (is_confirmed or is_same_plan):
            await require_in_copy(work.session, _reference(content["plan_id"]))


def _reference(plan_id: str) -> Reference:
    return Reference(EntryKind.INSURANCE_PLAN, plan_id, "plan_id", "Use the id of a plan in /v1/insurance-plans.")
