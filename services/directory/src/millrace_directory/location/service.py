"""Operations that change locations."""

from millrace_contracts import entities
from millrace_directory.location.model import Location
from millrace_directory.permissions import Permissions
from millrace_directory.practice.repository import practices
from millrace_directory.provider_location.repository import provider_locations
from millrace_directory.rules import Violation
from millrace_directory.service import Service
from millrace_directory.tables import provider_location
from millrace_platform.unit_of_work import UnitOfWork


class LocationService(Service[Location, entities.Location]):
    """Manages locations. A location's practice must exist; a location with provider-locations can't be deleted."""

    async def can_manage(self, work: UnitOfWork, permissions: Permissions, state: Location) -> bool:  # noqa: ARG002
        return permissions.can_manage(state.practice_id)

    async def missing_references(
        self, work: UnitOfWork, permissions: Permissions, state: Location, before: Location | None
    ) -> list[Violation]:
        if before is not None and before.practice_id == state.practice_id:
            return []
        if state.practice_id is None:
            remedy = "Send one of your practices, or delete the location."
            return [] if permissions.is_admin else [Violation("practice_id", "The location needs a practice.", remedy)]
        if permissions.can_manage(state.practice_id) and await practices.lock_live(work.session, [state.practice_id]):
            return []
        remedy = "Create it under /v1/directory/practices first, or send null."
        return [Violation("practice_id", "There is no such practice.", remedy)]

    async def obstacle(self, work: UnitOfWork, state: Location) -> str | None:
        if await provider_locations.has_live(work.session, provider_location.c.location_id == state.id):
            return (
                f"Providers see patients there: first delete /v1/directory/provider-locations?location_id={state.id}."
            )
        return None
