"""Commands on insurance cards."""

from uuid import UUID

from millrace_platform.errors import FieldError, Unprocessable
from patients.person.vault import PersonKey
from patients.record import repository
from patients.record.model import RecordKind
from patients.record.service import Content, Records
from patients.unit_of_work import Work


class InsuranceCards(Records):
    """A card belongs to the patient, or to one of the patient's dependants."""

    async def check(self, work: Work, key: PersonKey, content: Content) -> None:
        owner = content["dependant_id"]
        if owner is None:
            return
        if await repository.find(work.session, key, RecordKind.DEPENDANT, UUID(owner)) is None:
            wrong = FieldError(
                field="dependant_id", detail="There is no such dependant.", remedy="Add the dependant first."
            )
            raise Unprocessable(errors=[wrong])
