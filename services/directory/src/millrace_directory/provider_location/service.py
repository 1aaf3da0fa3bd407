"""Operations that change provider-locations."""

from collections.abc import Collection, Iterator, Sequence

from millrace_contracts import entities
from millrace_directory.insurance_plan.repository import insurance_plans
from millrace_directory.location.repository import locations, practice_at
from millrace_directory.model import Key
from millrace_directory.permissions import Permissions
from millrace_directory.provider.repository import providers
from millrace_directory.provider_location.model import ProviderLocation
from millrace_directory.rules import Violation
from millrace_directory.service import Service
from millrace_platform.unit_of_work import UnitOfWork


class ProviderLocationService(Service[ProviderLocation, entities.ProviderLocation]):
    """Manages provider-locations. Their provider, location and accepted plans must exist."""

    async def can_manage(self, work: UnitOfWork, permissions: Permissions, state: ProviderLocation) -> bool:
        return permissions.can_manage(await practice_at(work.session, state.location_id))

    async def missing_references(
        self, work: UnitOfWork, permissions: Permissions, state: ProviderLocation, before: ProviderLocation | None
    ) -> list[Violation]:
        plans = [] if before and before.accepted_plans == state.accepted_plans else state.accepted_plans
        location_ids = [] if before and before.location_id == state.location_id else [state.location_id]
        npis = [] if before and before.npi == state.npi else [state.npi]
        live_plans = await insurance_plans.lock_live(work.session, plans) if plans else ()
        live_locations = await self._lock_managed_location(work, permissions, state) if location_ids else ()
        live_providers = await providers.lock_live(work.session, npis) if npis else ()
        return [
            *_missing("npi", "provider", "providers", npis, live_providers),
            *_missing("location_id", "location", "locations", location_ids, live_locations),
            *_missing("accepted_plans", "insurance plan", "insurance-plans", plans, live_plans),
        ]

    async def _lock_managed_location(
        self, work: UnitOfWork, permissions: Permissions, state: ProviderLocation
    ) -> Collection[Key]:
        live = await locations.lock_live(work.session, [state.location_id])
        return live if permissions.is_admin or await self.can_manage(work, permissions, state) else ()


def _missing(field: str, name: str, collection: str, keys: Sequence[Key], live: Collection[Key]) -> Iterator[Violation]:
    for key in keys:
        if key not in live:
            remedy = f"First create it under /v1/directory/{collection}, or send one that is listed there."
            yield Violation(field, f"There is no such {name}.", remedy)
