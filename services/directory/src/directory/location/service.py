"""Commands on locations."""

from directory.location.model import Location
from directory.location.repository import has_providers
from directory.practice.repository import practices
from directory.rules import Violation
from directory.service import Service
from directory.unit_of_work import Work
from millrace_contracts import entities


class LocationService(Service[Location, entities.Location]):
    """A location's practice is there; a location with provider-locations stays."""

    async def references(self, work: Work, state: Location) -> list[Violation]:
        if state.practice_id is None or await practices.lock_live(work.session, [state.practice_id]):
            return []
        remedy = "Create it under /v1/directory/practices first, or send null."
        return [Violation("practice_id", f"There is no practice {state.practice_id}.", remedy)]

    async def obstacle(self, work: Work, state: Location) -> str | None:
        if await has_providers(work.session, state.id):
            return (
                f"Providers see patients there: delete /v1/directory/provider-locations?location_id={state.id} first."
            )
        return None
