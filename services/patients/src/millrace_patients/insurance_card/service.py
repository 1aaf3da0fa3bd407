"""Operations on insurance cards."""

from uuid import UUID

from millrace_patients.person.vault import PersonKey
from millrace_patients.record import repository
from millrace_patients.record.model import RecordKind
from millrace_patients.record.service import Content, RecordService
from millrace_patients.unit_of_work import UnitOfWork
from millrace_platform.errors import FieldError, Unprocessable


class InsuranceCardService(RecordService):
    """Manages the insurance cards of a patient and of the patient's dependants."""

    async def validate(self, work: UnitOfWork, key: PersonKey, content: Content) -> None:
        owner = content["dependant_id"]
        if owner is None:
            return
        if await repository.find(work.session, key, RecordKind.DEPENDANT, UUID(owner)) is None:
            error = FieldError(
                field="dependant_id", detail="There is no such dependant.", remedy="Add the dependant first."
            )
            raise Unprocessable(errors=[error])
