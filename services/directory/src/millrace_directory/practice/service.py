"""Commands on practices."""

from millrace_contracts import entities
from millrace_directory.practice.model import Practice
from millrace_directory.practice.repository import has_locations, id_with_npi
from millrace_directory.rules import Violation
from millrace_directory.service import Service
from millrace_directory.writer import Writer
from millrace_platform.unit_of_work import UnitOfWork


class PracticeService(Service[Practice, entities.Practice]):
    """An organizational NPI belongs to one practice; a practice with locations stays."""

    # By it an import finds the practice: with another's NPI a practice would get another's entry.
    reserved = ("npi",)

    async def is_run_by(self, work: UnitOfWork, writer: Writer, state: Practice) -> bool:  # noqa: ARG002 # the state says it
        return writer.runs(state.id)

    async def references(
        self,
        work: UnitOfWork,
        writer: Writer,  # noqa: ARG002 # an NPI is nobody's own
        state: Practice,
        before: Practice | None,
    ) -> list[Violation]:
        is_new = before is None or before.npi != state.npi
        owner = await id_with_npi(work.session, state.npi) if state.npi and is_new else None
        if owner in (None, state.id):
            return []
        remedy = f"Change practice {owner}; if it was deleted, POST it again with that id."
        return [Violation("npi", f"{state.npi} is the NPI of practice {owner}.", remedy)]

    async def obstacle(self, work: UnitOfWork, state: Practice) -> str | None:
        if await has_locations(work.session, state.id):
            return "It has locations: delete them, or set their practice_id to null, first."
        return None
