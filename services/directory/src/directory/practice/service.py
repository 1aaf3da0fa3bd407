"""Commands on practices."""

from directory.practice.model import Practice
from directory.practice.repository import has_locations, id_with_npi
from directory.rules import Violation
from directory.service import Service
from directory.unit_of_work import Work
from millrace_contracts import entities


class PracticeService(Service[Practice, entities.Practice]):
    """An organizational NPI belongs to one practice; a practice with locations stays."""

    async def references(self, work: Work, state: Practice) -> list[Violation]:
        owner = await id_with_npi(work.session, state.npi) if state.npi else None
        if owner in (None, state.id):
            return []
        remedy = f"Change practice {owner}; if it was deleted, POST it again with that id."
        return [Violation("npi", f"{state.npi} is the NPI of practice {owner}.", remedy)]

    async def obstacle(self, work: Work, state: Practice) -> str | None:
        if await has_locations(work.session, state.id):
            return "It has locations: delete them, or set their practice_id to null, first."
        return None
