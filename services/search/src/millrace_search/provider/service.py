"""Read providers from the source of truth."""

import hashlib
from dataclasses import dataclass
from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from millrace_contracts.entities import Provider, ProviderLocation
from millrace_feeds.clock import Clock
from millrace_platform.errors import FieldError, NotFound, Unavailable, Unprocessable
from millrace_readmodel.cards import ItemCollection
from millrace_readmodel.layout import row_id
from millrace_readmodel.openings_writer import build_entry_from_items
from millrace_readmodel.zones import day_number, local_time, zone_number
from millrace_reference.npi import is_valid_npi
from millrace_search.index.openings import TICK_SECONDS, UNKNOWN, render_openings
from millrace_search.schemas import Openings

_DIGEST_BYTES: Final = 8


class CollectionSource(Protocol):
    """Reads item collections from the source of truth; implemented by `truth.Truth`."""

    async def collection(self, npi: str) -> ItemCollection: ...


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A provider with its item collection, at one moment."""

    provider: Provider
    collection: ItemCollection
    tick: int
    """The moment for which openings are shown, in units of `TICK_SECONDS`."""

    @property
    def version(self) -> int:
        """Version of the response: differs after every change of an item, and when openings pass."""
        shown = [openings for each in self.collection.locations if (openings := self._rendered(each)) != UNKNOWN]
        if not shown:
            return self.collection.versions
        digest = hashlib.blake2b(b"".join(shown), digest_size=_DIGEST_BYTES).digest()
        return self.collection.versions << 8 * _DIGEST_BYTES | int.from_bytes(digest, "little")

    def openings(self, location: ProviderLocation) -> Openings | None:
        """Return the openings of a location; None if unknown."""
        found = self._rendered(location)
        return None if found == UNKNOWN else Openings.model_validate_json(found)

    def _rendered(self, location: ProviderLocation) -> bytes:
        weeks = self.collection.weeks.get(location.id, ())
        zone = zone_number(location.time_zone or "UTC")
        today = day_number(local_time(self.tick * TICK_SECONDS, zone))
        return render_openings(build_entry_from_items(row_id(location.id), zone, today, weeks), self.tick)


class ProviderService:
    """Reads single providers. Raises `NotFound`, `Unprocessable` for an invalid NPI, and `Unavailable`."""

    def __init__(self, truth: CollectionSource, clock: Clock) -> None:
        self._truth = truth
        self._clock = clock

    async def get(self, npi: str) -> ProviderView:
        """Return the provider with this NPI."""
        if not is_valid_npi(npi):
            remedy = "Give the 10 digits of a National Provider Identifier; the last one is a check digit."
            raise Unprocessable(errors=[FieldError(field="npi", detail="Invalid NPI.", remedy=remedy)])
        try:
            collection = await self._truth.collection(npi)
        except (BotoCoreError, ClientError, OSError) as error:
            raise Unavailable("Provider data is unavailable. Try again later.") from error
        if collection.provider is None:
            raise NotFound("Unknown provider.")
        return ProviderView(collection.provider, collection, int(self._clock.time() // TICK_SECONDS))
