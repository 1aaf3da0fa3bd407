"""Operations that change practices."""

from millrace_contracts import entities
from millrace_directory.location.repository import locations
from millrace_directory.permissions import Permissions
from millrace_directory.practice.model import Practice
from millrace_directory.practice.repository import find_practice_id
from millrace_directory.rules import Violation
from millrace_directory.service import Service
from millrace_directory.tables import location
from millrace_platform.unit_of_work import UnitOfWork


class PracticeService(Service[Practice, entities.Practice]):
    """Manages practices. An organizational NPI belongs to one practice; a practice with locations can't be deleted."""

    # Imports identify a practice by its NPI: with another NPI it would get the data of another practice.
    reserved = ("npi",)

    async def can_manage(self, work: UnitOfWork, permissions: Permissions, state: Practice) -> bool:  # noqa: ARG002
        return permissions.can_manage(state.id)

    async def missing_references(
        self,
        work: UnitOfWork,
        permissions: Permissions,  # noqa: ARG002
        state: Practice,
        before: Practice | None,
    ) -> list[Violation]:
        is_new = before is None or before.npi != state.npi
        owner = await find_practice_id(work.session, state.npi) if state.npi and is_new else None
        if owner in (None, state.id):
            return []
        remedy = f"Change practice {owner}; if it was deleted, POST it again with that id."
        return [Violation("npi", "Another practice has this NPI.", remedy)]

    async def obstacle(self, work: UnitOfWork, state: Practice) -> str | None:
        if await locations.has_live(work.session, location.c.practice_id == state.id):
            return "It has locations: first delete them, or set their practice_id to null."
        return None
