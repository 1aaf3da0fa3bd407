"""Commands on locations."""

from millrace_contracts import entities
from millrace_directory.location.model import Location
from millrace_directory.location.repository import has_providers
from millrace_directory.practice.repository import practices
from millrace_directory.rules import Violation
from millrace_directory.service import Service
from millrace_directory.writer import Writer
from millrace_platform.unit_of_work import UnitOfWork


class LocationService(Service[Location, entities.Location]):
    """A location's practice is there; a location with provider-locations stays."""

    async def is_run_by(self, work: UnitOfWork, writer: Writer, state: Location) -> bool:  # noqa: ARG002 # the state says it
        return writer.runs(state.practice_id)

    async def references(
        self, work: UnitOfWork, writer: Writer, state: Location, before: Location | None
    ) -> list[Violation]:
        if before is not None and before.practice_id == state.practice_id:
            return []
        if state.practice_id is None:
            return [] if writer.is_admin else [_ownerless()]
        if writer.runs(state.practice_id) and await practices.lock_live(work.session, [state.practice_id]):
            return []
        remedy = "Create it under /v1/directory/practices first, or send null."
        return [Violation("practice_id", f"There is no practice {state.practice_id}.", remedy)]

    async def obstacle(self, work: UnitOfWork, state: Location) -> str | None:
        if await has_providers(work.session, state.id):
            return (
                f"Providers see patients there: delete /v1/directory/provider-locations?location_id={state.id} first."
            )
        return None


def _ownerless() -> Violation:
    return Violation(
        "practice_id", "Nobody would run the location.", "Give a practice of yours, or delete the location."
    )
