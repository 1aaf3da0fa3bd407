"""Commands on providers."""

from directory.provider.model import Provider
from directory.service import Service
from millrace_contracts import entities


class ProviderService(Service[Provider, entities.Provider]):
    """A provider refers to nothing stored, and takes its provider-locations along when it is deleted."""
