"""Commands on providers."""

from millrace_contracts import entities
from millrace_directory.provider.model import Provider
from millrace_directory.provider.repository import sees_patients_only_at
from millrace_directory.service import Service
from millrace_directory.writer import Writer
from millrace_platform.unit_of_work import UnitOfWork


class ProviderService(Service[Provider, entities.Provider]):
    """A provider refers to nothing stored, and takes its provider-locations along when it is deleted."""

    async def is_run_by(self, work: UnitOfWork, writer: Writer, state: Provider) -> bool:
        # One of several practices must not speak for a provider whom the others show too.
        return await sees_patients_only_at(work.session, state.npi, writer.practices or ())
