"""Commands on provider-locations."""

from collections.abc import Collection, Iterator, Sequence

from millrace_contracts import entities
from millrace_directory.events import Key
from millrace_directory.insurance_plan.repository import insurance_plans
from millrace_directory.location.repository import locations, practice_at
from millrace_directory.provider.repository import providers
from millrace_directory.provider_location.model import ProviderLocation
from millrace_directory.rules import Violation
from millrace_directory.service import Service
from millrace_directory.writer import Writer
from millrace_platform.unit_of_work import UnitOfWork


class ProviderLocationService(Service[ProviderLocation, entities.ProviderLocation]):
    """Provider, location and accepted plans are there."""

    async def is_run_by(self, work: UnitOfWork, writer: Writer, state: ProviderLocation) -> bool:
        return writer.runs(await practice_at(work.session, state.location_id))

    async def references(
        self, work: UnitOfWork, writer: Writer, state: ProviderLocation, before: ProviderLocation | None
    ) -> list[Violation]:
        plans = [] if before and before.accepted_plans == state.accepted_plans else state.accepted_plans
        places = [] if before and before.location_id == state.location_id else [state.location_id]
        people = [] if before and before.npi == state.npi else [state.npi]
        live_plans = await insurance_plans.lock_live(work.session, plans) if plans else ()
        live_places = await self._own_places(work, writer, state) if places else ()
        live_people = await providers.lock_live(work.session, people) if people else ()
        return [
            *_missing("npi", "provider", "providers", people, live_people),
            *_missing("location_id", "location", "locations", places, live_places),
            *_missing("accepted_plans", "insurance plan", "insurance-plans", plans, live_plans),
        ]

    async def _own_places(self, work: UnitOfWork, writer: Writer, state: ProviderLocation) -> Collection[Key]:
        places = await locations.lock_live(work.session, [state.location_id])
        return places if writer.is_admin or await self.is_run_by(work, writer, state) else ()


def _missing(field: str, name: str, collection: str, keys: Sequence[Key], live: Collection[Key]) -> Iterator[Violation]:
    for key in keys:
        if key not in live:
            remedy = f"Create it under /v1/directory/{collection} first, or look for the right one there."
            yield Violation(field, f"There is no {name} {key}.", remedy)
