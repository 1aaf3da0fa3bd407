"""Operations that change providers."""

from millrace_contracts import entities
from millrace_directory.permissions import Permissions
from millrace_directory.provider.model import Provider
from millrace_directory.provider.repository import practices_only_at
from millrace_directory.service import Service
from millrace_platform.unit_of_work import UnitOfWork


class ProviderService(Service[Provider, entities.Provider]):
    """Manages providers. Deleting a provider deletes the provider's provider-locations."""

    async def can_manage(self, work: UnitOfWork, permissions: Permissions, state: Provider) -> bool:
        # A practice must not change a provider whom other practices show too.
        return await practices_only_at(work.session, state.npi, permissions.practices or ())
