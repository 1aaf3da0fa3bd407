"""Read providers from the source of truth."""

from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from millrace_feeds.clock import Clock
from millrace_platform.errors import NotFound, Unavailable
from millrace_readmodel.cards import ItemCollection
from millrace_reference.npi import is_valid_npi
from millrace_search.index.openings import TICK_SECONDS
from millrace_search.provider.model import ProviderView
from millrace_search.schemas import invalid_parameter


class CollectionSource(Protocol):
    """Reads all items of a provider from the source of truth; implemented by `truth.Truth`."""

    async def collection(self, npi: str) -> ItemCollection: ...


class ProviderService:
    """Reads single providers. Raises `NotFound`, `Unprocessable` for an invalid NPI, and `Unavailable`."""

    def __init__(self, truth: CollectionSource, clock: Clock) -> None:
        self._truth = truth
        self._clock = clock

    async def get(self, npi: str) -> ProviderView:
        """Return the provider with this NPI."""
        if not is_valid_npi(npi):
            remedy = "Give the 10 digits of a National Provider Identifier; the last one is a check digit."
            raise invalid_parameter("npi", "Invalid NPI.", remedy)
        try:
            collection = await self._truth.collection(npi)
        except (BotoCoreError, ClientError, OSError) as error:
            raise Unavailable("Provider data is unavailable. Try again later.") from error
        if collection.provider is None:
            raise NotFound("Unknown provider.")
        return ProviderView(collection.provider, collection, int(self._clock.time() // TICK_SECONDS))
