"""Operations that change provider-locations."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from uuid import UUID

from millrace_contracts import entities
from millrace_directory.errors import not_found, version_conflict
from millrace_directory.insurance_plan.repository import insurance_plans
from millrace_directory.location.repository import locations, practice_at
from millrace_directory.model import Action, Key
from millrace_directory.permissions import Permissions
from millrace_directory.provider.repository import providers
from millrace_directory.provider_location.model import ProviderLocation
from millrace_directory.provider_location.repository import list_confirmed_practices
from millrace_directory.rules import Violation
from millrace_directory.service import Service
from millrace_directory.wire import VersionedEntity
from millrace_platform.errors import Forbidden
from millrace_platform.preconditions import Tags
from millrace_platform.unit_of_work import UnitOfWork


class ProviderLocationService(Service[ProviderLocation, entities.ProviderLocation]):
    """Manages provider-locations. Their provider, location and accepted plans must exist.

    One that a practice creates for a provider of another practice is pending until that one confirms it: else any
    practice could reserve the provider's time everywhere.
    """

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

    async def complete(
        self, work: UnitOfWork, permissions: Permissions, state: ProviderLocation, before: ProviderLocation | None
    ) -> ProviderLocation:
        if before is not None:
            return replace(state, is_pending=before.is_pending)
        others = await list_confirmed_practices(work.session, state.npi)
        others.discard(await practice_at(work.session, state.location_id))
        return replace(state, is_pending=bool(others) and not any(map(permissions.can_manage, others)))

    async def confirm(
        self, permissions: Permissions, key: UUID, match: Tags
    ) -> VersionedEntity[entities.ProviderLocation]:
        """Let a pending provider-location be searched and booked; a confirmed one stays as it is.

        Problems: 403 for its own practice, 404 for others than administrators and the staff of another practice at
        which the provider sees patients, 412.
        """
        async with self._units.begin() as work:
            before = await self._repository.find(work.session, key)
            if before is None or before.versioned.deleted:
                raise not_found(self._kind)
            if not await self._can_confirm(work, permissions, before.state):
                if await self.can_manage(work, permissions, before.state):
                    raise Forbidden("Only another practice of the provider can confirm it. Ask its staff.")
                raise not_found(self._kind)
            if not match.match_strongly(before.versioned.version):
                raise version_conflict(self._kind)
            if not before.state.is_pending:
                return before.versioned
            row = await self._update(work, before, replace(before.state, is_pending=False))
            if row is None:
                raise version_conflict(self._kind)
            return self._record(work, row, Action.UPDATED)

    async def _can_confirm(self, work: UnitOfWork, permissions: Permissions, state: ProviderLocation) -> bool:
        others = await list_confirmed_practices(work.session, state.npi)
        others.discard(await practice_at(work.session, state.location_id))
        return permissions.is_admin or any(map(permissions.can_manage, others))

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
